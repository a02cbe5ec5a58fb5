//! Tokens for tests.

use serde_json::{Value, json};
use tricast_admission::{Algorithm, Signer, TokenSpec};

/// The secret that tokens of tests are signed with: put it into `tokens.secret`.
pub const SECRET: &str = "the secret of the tests, which everybody knows";

/// A token of `user` with these patterns for a minute.
pub fn token(user: &str, subscribe: &[&str], publish: &[&str]) -> String {
    token_signed_with(SECRET, user, subscribe, publish)
}

/// The same with another secret.
pub fn token_signed_with(secret: &str, user: &str, subscribe: &[&str], publish: &[&str]) -> String {
    sign(secret, json!({"sub": user, "subscribe": subscribe, "publish": publish}), 60)
}

/// A token with these claims, for so many seconds.
pub fn token_of(claims: Value, seconds: i64) -> String {
    sign(SECRET, claims, seconds)
}

fn sign(secret: &str, claims: Value, seconds: i64) -> String {
    let patterns = |name: &str| -> Vec<_> {
        let list = claims[name].as_array().into_iter().flatten();
        list.map(|text| text.as_str().expect("text").parse().expect("a pattern")).collect()
    };
    let now = tricast_core::unix_millis() / 1000;
    let grant = TokenSpec {
        sub: claims["sub"].as_str().map(|user| user.parse().expect("a user")),
        subscribe: patterns("subscribe"),
        publish: patterns("publish"),
        prompt: patterns("prompt"),
        models: claims.get("models").cloned().map(|it| serde_json::from_value(it).expect("names")),
        info: claims.get("info").cloned(),
        exp: now.saturating_add_signed(seconds),
        ..TokenSpec::default()
    };
    let signer = Signer::new(Algorithm::HS256, secret.as_bytes(), None);
    signer.expect("a secret").sign(&grant).expect("signs")
}
