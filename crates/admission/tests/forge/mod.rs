//! Makes keys and tokens by hand, so that each fault of one is intended.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    hmac, rsa,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// A key pair of each kind. Generating the RSA key takes a while.
pub(crate) struct Keys {
    pub(crate) rsa: Pair,
    pub(crate) ec: Pair,
    pub(crate) ed: Pair,
}

pub(crate) struct Pair {
    pub(crate) private: String,
    pub(crate) public: String,
    pub(crate) public_der: Vec<u8>,
    jwk: Value,
}

impl Pair {
    /// Returns the public key as a member of a JWK set (RFC 7517).
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = id.into();
        jwk
    }
}

pub(crate) fn keys() -> &'static Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(make);
    &KEYS
}

fn make() -> Keys {
    let rsa = rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let public = rsa.public_key();
    let jwk = json!({"kty": "RSA", "alg": "RS256", "use": "sig",
        "n": base64(public.modulus().big_endian_without_leading_zero()),
        "e": base64(public.exponent().big_endian_without_leading_zero())});
    let private: Pkcs8V1Der = rsa.as_der().expect("DER");
    let spki: PublicKeyX509Der = public.as_der().expect("DER");
    let rsa = pair(private.as_ref(), spki.as_ref(), jwk);

    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let point = ec.public_key().as_ref();
    let jwk =
        json!({"kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..])});
    let private = ec.to_pkcs8v1().expect("DER");
    let spki: PublicKeyX509Der = ec.public_key().as_der().expect("DER");
    let ec = pair(private.as_ref(), spki.as_ref(), jwk);

    let ed = Ed25519KeyPair::generate().expect("a key");
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(ed.public_key().as_ref())});
    let private = ed.to_pkcs8v1().expect("DER");
    let spki: PublicKeyX509Der = ed.public_key().as_der().expect("DER");
    let ed = pair(private.as_ref(), spki.as_ref(), jwk);
    Keys { rsa, ec, ed }
}

fn pair(private: &[u8], public: &[u8], jwk: Value) -> Pair {
    Pair {
        private: pem("PRIVATE KEY", private),
        public: pem("PUBLIC KEY", public),
        public_der: public.to_vec(),
        jwk,
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn now() -> u64 {
    tricast_core::unix_millis() / 1000
}

/// Claims that are valid for a minute.
pub(crate) fn future(user: &str) -> Value {
    json!({"sub": user, "exp": now() + 60, "subscribe": ["**"], "publish": ["**"]})
}

/// Makes a token with this signature, right or wrong.
pub(crate) fn jwt(header: &Value, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", base64(header.to_string()), base64(claims.to_string()), base64(signature))
}

/// Makes a token whose signature is an HMAC, whatever its header says.
pub(crate) fn sign_hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    sign_hs256_text(&header.to_string(), &claims.to_string(), secret)
}

/// Makes a token of JSON that serde_json would not write.
pub(crate) fn sign_hs256_text(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64(tag.as_ref()))
}
