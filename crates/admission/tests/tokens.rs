//! Valid tokens, and every known trick to pass an invalid one.

mod forge;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use forge::{Keys, future, jwt, keys, now, sign_hs256};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use tricast_admission::{
    Algorithm, Claims, Expectations, Jwks, Keyring, RemoteKeys, Signer, TokenKey, TokenSpec,
};
use tricast_core::{Denied, Kind};

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

fn keyring(keys: Vec<TokenKey>) -> Keyring {
    Keyring::new(keys, None, Expectations { leeway: 0, ..Expectations::default() })
}

fn hmac() -> Keyring {
    keyring(vec![TokenKey::from_secret(SECRET, None).expect("long enough")])
}

async fn check(ring: &Keyring, token: &str) -> Result<Claims, Denied> {
    let checked = ring.check(token).await;
    if let Err(denied) = &checked {
        let shown = format!("{denied:?}");
        let secret =
            token.split('.').filter(|part| part.len() > 8).any(|part| shown.contains(part));
        assert!(!secret, "an error repeats the token: {shown}");
    }
    checked
}

async fn refusal(ring: &Keyring, token: &str) -> Kind {
    check(ring, token).await.map(|claims| panic!("{token} holds: {claims:?}")).unwrap_err().kind
}

#[tokio::test]
async fn what_each_algorithm_signs_holds_with_its_own_key_alone() {
    let keys = keys();
    let own = |keys: &Keys| {
        vec![
            TokenKey::from_secret(SECRET, None).expect("a secret"),
            TokenKey::from_pem(Algorithm::RS256, keys.rsa.public.as_bytes(), None).expect("RSA"),
            TokenKey::from_pem(Algorithm::ES256, keys.ec.public.as_bytes(), None).expect("EC"),
            TokenKey::from_pem(Algorithm::EdDSA, keys.ed.public.as_bytes(), None).expect("Ed"),
        ]
    };
    let private: [(Algorithm, &[u8]); 4] = [
        (Algorithm::HS256, SECRET),
        (Algorithm::RS256, keys.rsa.private.as_bytes()),
        (Algorithm::ES256, keys.ec.private.as_bytes()),
        (Algorithm::EdDSA, keys.ed.private.as_bytes()),
    ];
    let grant = TokenSpec { sub: "alice".parse().ok(), ..TokenSpec::default() }.valid_for(60);
    for (index, (algorithm, key)) in private.into_iter().enumerate() {
        let token = Signer::new(algorithm, key, None).expect("a key").sign(&grant).expect("signs");
        let all = keyring(own(keys));
        let claims = check(&all, &token).await.expect("holds");
        assert_eq!(claims.user.as_ref().map(|user| user.as_str()), Some("alice"));
        for (other, key) in own(keys).into_iter().enumerate() {
            let holds = check(&keyring(vec![key]), &token).await.is_ok();
            assert_eq!(holds, index == other, "{algorithm:?} with key {other}");
        }
    }
}

/// A public key is public: it must never serve as an HMAC secret.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let keys = keys();
    for (algorithm, pair) in
        [(Algorithm::RS256, &keys.rsa), (Algorithm::ES256, &keys.ec), (Algorithm::EdDSA, &keys.ed)]
    {
        let public = TokenKey::from_pem(algorithm, pair.public.as_bytes(), None).expect("a key");
        let ring = keyring(vec![public]);
        for secret in [pair.public.as_bytes(), pair.public.trim().as_bytes(), &pair.public_der] {
            let token = sign_hs256(&json!({"alg": "HS256"}), &future("alice"), secret);
            assert_eq!(refusal(&ring, &token).await, Kind::BadToken);
            let lying = json!({"alg": format!("{algorithm:?}")});
            assert_eq!(
                refusal(&ring, &sign_hs256(&lying, &future("alice"), secret)).await,
                Kind::BadToken
            );
        }
    }
}

#[tokio::test]
async fn tricks_with_the_header_and_the_signature() {
    let ring = hmac();
    let good = sign_hs256(&json!({"alg": "HS256"}), &future("alice"), SECRET);
    check(&ring, &good).await.expect("holds");
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let none = |alg: &str| jwt(&json!({"alg": alg}), &future("alice"), b"");
    let resigned = |header: Value| sign_hs256(&header, &future("alice"), SECRET);
    let other = sign_hs256(
        &json!({"alg": "HS256"}),
        &future("mallory"),
        b"another secret of thirty-two bytes",
    );
    let raised = jwt(&json!({"alg": "HS256"}), &future("root"), b"");
    let raised = format!("{}.{signature}", raised.rsplit_once('.').expect("parts").0);
    let tricks = [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "alice".into(),
        none("none"),
        none("None"),
        none("NONE"),
        none("nOnE"),
        none("HS256"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}."),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{} ", signature),
        format!(" {good}"),
        format!("{header}.{claims}.{}", &signature[..42]),
        format!("{header}.{claims}.{}{}", &signature[..42], neighbour(signature)),
        format!("{header}.{claims}.{}", "A".repeat(43)),
        other.clone(),
        raised,
        resigned(json!({"alg": "HS384"})),
        resigned(json!({"alg": "RS256"})),
        resigned(json!({"alg": "ES256"})),
        resigned(json!({"alg": ["HS256"]})),
        resigned(json!({})),
        resigned(json!({"alg": "HS256", "crit": ["exp"], "exp": 1})),
        resigned(json!({"alg": "HS256", "crit": ["b64"], "b64": false})),
        resigned(json!({"alg": "HS256", "zip": "DEF"})),
        resigned(json!({"alg": "HS256", "enc": "A128GCM"})),
        resigned(json!("HS256")),
        "x".repeat(10_000),
    ];
    for trick in tricks {
        assert_eq!(refusal(&ring, &trick).await, Kind::BadToken, "{trick}");
    }
    // Headers that point to a key of the attacker's are ignored.
    let keys = keys();
    for header in [
        json!({"alg": "HS256", "jku": "http://evil.example/keys"}),
        json!({"alg": "HS256", "x5u": "http://evil.example/cert"}),
        json!({"alg": "HS256", "kid": "../../../../dev/null"}),
        json!({"alg": "HS256", "kid": "' UNION SELECT 'x"}),
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"alg": "EdDSA", "jwk": keys.ed.jwk("x")}),
    ] {
        let token = sign_hs256(&header, &future("alice"), b"");
        assert_eq!(refusal(&ring, &token).await, Kind::BadToken, "{header}");
    }
}

/// Another last character of base64 that decodes to the same bytes, if decoding is lax.
fn neighbour(signature: &str) -> char {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = signature.as_bytes()[42];
    let at = ALPHABET.iter().position(|letter| *letter == last).expect("base64url");
    char::from(ALPHABET[at ^ 1])
}

/// CVE-2022-21449: some libraries accepted a signature of zeros for any message.
#[tokio::test]
async fn a_signature_of_zeros_is_refused() {
    let keys = keys();
    for (algorithm, pair) in [(Algorithm::ES256, &keys.ec), (Algorithm::EdDSA, &keys.ed)] {
        let key = TokenKey::from_pem(algorithm, pair.public.as_bytes(), None).expect("a key");
        let header = json!({"alg": format!("{algorithm:?}")});
        let token = jwt(&header, &future("alice"), &[0; 64]);
        assert_eq!(refusal(&keyring(vec![key]), &token).await, Kind::BadToken);
    }
}

#[tokio::test]
async fn claims_are_read_strictly() {
    let ring = hmac();
    let sign = |claims: &Value| sign_hs256(&json!({"alg": "HS256"}), claims, SECRET);
    let soon = now() + 60;
    let long: Vec<String> = (0..101).map(|n| format!("a{n}")).collect();
    let cases = [
        (json!({"sub": "alice"}), Kind::BadToken),
        (json!({"exp": null}), Kind::BadToken),
        (json!({"exp": soon.to_string()}), Kind::BadToken),
        (json!({"exp": -1}), Kind::TokenExpired),
        (json!({"exp": -0.5}), Kind::TokenExpired),
        (json!({"exp": -1e300}), Kind::TokenExpired),
        (json!({"exp": 1.5}), Kind::TokenExpired),
        (json!({"exp": now() - 1}), Kind::TokenExpired),
        (json!({"exp": 0}), Kind::TokenExpired),
        (json!({"exp": soon, "nbf": soon}), Kind::BadToken),
        (json!({"exp": 1e300, "nbf": 1e300}), Kind::BadToken),
        (json!({"exp": soon, "nbf": "now"}), Kind::BadToken),
        (json!({"exp": soon, "aud": "other"}), Kind::BadToken),
        (json!({"exp": soon, "aud": ["a", "b"]}), Kind::BadToken),
        (json!({"exp": soon, "sub": 7}), Kind::BadToken),
        (json!({"exp": soon, "sub": ""}), Kind::BadToken),
        (json!({"exp": soon, "sub": "a b"}), Kind::BadToken),
        (json!({"exp": soon, "sub": "a\r\nb"}), Kind::BadToken),
        (json!({"exp": soon, "subscribe": "orders.*"}), Kind::BadToken),
        (json!({"exp": soon, "subscribe": ["a/b"]}), Kind::BadToken),
        (json!({"exp": soon, "subscribe": [".*"]}), Kind::BadToken),
        (json!({"exp": soon, "publish": [""]}), Kind::BadToken),
        (json!({"exp": soon, "publish": long}), Kind::BadToken),
        (json!({"exp": soon, "info": "x".repeat(1024)}), Kind::BadToken),
        (json!(["exp", soon]), Kind::BadToken),
    ];
    for (claims, kind) in cases {
        assert_eq!(refusal(&ring, &sign(&claims)).await, kind, "{claims}");
    }
    // Two claims of one name: one library may check the first, and another use the second.
    let twice = format!("{{\"exp\":{soon},\"sub\":\"alice\",\"sub\":\"root\"}}");
    let token = forge::sign_hs256_text(&json!({"alg": "HS256"}).to_string(), &twice, SECRET);
    assert_eq!(refusal(&ring, &token).await, Kind::BadToken);
    for nbf in [json!(0), json!(-1), json!(-1e300), json!(now() as f64 - 0.5)] {
        check(&ring, &sign(&json!({"exp": soon, "nbf": nbf}))).await.expect("holds");
    }
    for exp in [json!(soon), json!(soon as f64 + 0.5), json!(1e300), json!(u64::MAX)] {
        check(&ring, &sign(&json!({"exp": exp}))).await.expect("holds");
    }
}

#[tokio::test]
async fn audience_and_issuer_are_those_of_the_settings() {
    let expectations = Expectations {
        audience: "tricast".into(),
        issuer: "https://login.example".into(),
        leeway: 5000,
    };
    let key = TokenKey::from_secret(SECRET, None).expect("a secret");
    let ring = Keyring::new(vec![key], None, expectations);
    let holds = async |aud: Value, iss: Value, exp: u64| {
        let claims = json!({"exp": exp, "aud": aud, "iss": iss});
        check(&ring, &sign_hs256(&json!({"alg": "HS256"}), &claims, SECRET)).await.is_ok()
    };
    let (ours, soon) = (json!("https://login.example"), now() + 60);
    assert!(holds(json!("tricast"), ours.clone(), soon).await);
    assert!(holds(json!(["x", "tricast"]), ours.clone(), soon).await);
    assert!(holds(json!("tricast"), ours.clone(), now() - 2).await, "within the leeway");
    for (aud, iss) in [
        (json!("Tricast"), ours.clone()),
        (json!([]), ours.clone()),
        (json!(null), ours.clone()),
        (json!("tricast"), json!("https://login.example.evil")),
        (json!("tricast"), json!(null)),
    ] {
        assert!(!holds(aud.clone(), iss.clone(), soon).await, "{aud} {iss}");
    }
}

#[test]
fn an_invalid_key_is_refused_when_it_is_read() {
    let keys = keys();
    assert!(TokenKey::from_secret(&[b'x'; 31], None).is_err());
    for (algorithm, text) in [
        (Algorithm::RS256, &keys.ec.public),
        (Algorithm::ES256, &keys.rsa.public),
        (Algorithm::EdDSA, &keys.ec.public),
        (Algorithm::RS256, &"nothing".to_owned()),
    ] {
        assert!(TokenKey::from_pem(algorithm, text.as_bytes(), None).is_err(), "{algorithm:?}");
    }
}

/// A source of keys that returns what a test sets.
#[derive(Clone, Debug, Default)]
struct Remote {
    answer: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Remote {
    fn set(&self, keys: &[Value]) {
        *self.answer.lock().expect("no panic") = Some(json!({ "keys": keys }));
    }

    fn break_down(&self) {
        *self.answer.lock().expect("no panic") = None;
    }
}

impl RemoteKeys for Remote {
    fn fetch(&self) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let answer = self.answer.lock().expect("no panic").clone();
        let answer = answer.map(|document| document.to_string().into_bytes());
        async move { answer.ok_or_else(|| "down".to_owned()) }.boxed()
    }
}

/// The clock is paused, so that the cooldown between two fetches passes at once.
#[tokio::test(start_paused = true)]
async fn keys_of_a_url_come_go_and_are_kept_while_it_is_down() {
    let (remote, keys) = (Remote::default(), keys());
    let jwks = Jwks::new(Box::new(remote.clone()));
    let ring = Keyring::new(Vec::new(), Some(jwks), Expectations::default());
    let sign = |pair: &forge::Pair, algorithm, kid: &str| {
        let signer = Signer::new(algorithm, pair.private.as_bytes(), Some(kid.to_owned()));
        signer.expect("a key").sign(&TokenSpec::default().valid_for(3600)).expect("signs")
    };
    let old = sign(&keys.rsa, Algorithm::RS256, "old");
    let new = sign(&keys.ed, Algorithm::EdDSA, "new");
    let fetches = || remote.fetches.load(Ordering::Relaxed);
    let a_while = async || tokio::time::advance(std::time::Duration::from_secs(11)).await;
    // Nothing was ever fetched, so the token cannot be verified.
    assert_eq!(refusal(&ring, &old).await, Kind::KeysUnavailable);
    a_while().await;
    remote.set(&[keys.rsa.jwk("old")]);
    check(&ring, &old).await.expect("fetched for it");
    assert_eq!(fetches(), 2);
    // Anyone can name an unknown key, so fetches for one have a cooldown.
    for _ in 0..100 {
        assert_eq!(refusal(&ring, &new).await, Kind::BadToken);
    }
    assert_eq!(fetches(), 2);
    a_while().await;
    remote.set(&[keys.ed.jwk("new")]);
    check(&ring, &new).await.expect("rotated");
    assert_eq!(refusal(&ring, &old).await, Kind::BadToken, "the old key is gone");
    // The URL fails: known keys stay valid, and a token of an unknown key cannot be verified.
    remote.break_down();
    a_while().await;
    assert_eq!(refusal(&ring, &old).await, Kind::KeysUnavailable);
    check(&ring, &new).await.expect("kept");
}

#[tokio::test(start_paused = true)]
async fn a_set_of_keys_holds_nothing_but_public_keys_for_signatures() {
    let keys = keys();
    let with = |mut jwk: Value, field: &str, value: Value| {
        jwk[field] = value;
        jwk
    };
    let bytes = "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb3IgbW9yZQ";
    let secret = json!({"kty": "oct", "kid": "x", "alg": "HS256", "k": bytes});
    let hs = sign_hs256(&json!({"alg": "HS256", "kid": "x"}), &future("alice"), SECRET);
    let signer = Signer::new(Algorithm::RS256, keys.rsa.private.as_bytes(), Some("x".into()));
    let rs = signer.expect("a key").sign(&TokenSpec::default().valid_for(60)).expect("signs");
    for (jwk, token) in [
        (secret, &hs),
        (with(keys.rsa.jwk("x"), "use", json!("enc")), &rs),
        (with(keys.rsa.jwk("x"), "alg", json!("RS512")), &rs),
        (with(keys.rsa.jwk("x"), "alg", json!("ES256")), &rs),
        (with(keys.rsa.jwk("x"), "n", json!("AQAB")), &rs),
    ] {
        let remote = Remote::default();
        // Beside a usable key, because a set without one would be refused as a whole.
        remote.set(&[jwk.clone(), keys.ec.jwk("y")]);
        let jwks = Jwks::new(Box::new(remote));
        let ring = Keyring::new(Vec::new(), Some(jwks), Expectations::default());
        assert_eq!(refusal(&ring, token).await, Kind::BadToken, "{jwk}");
    }
}
