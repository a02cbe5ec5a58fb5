//! Making tokens, for trying things out and for scripts; and reading them.

use jsonwebtoken::{EncodingKey, Header, encode, errors::Error};
use serde::Serialize;
use tricast_core::{ChannelPattern, UserId, unix_millis};

use crate::Algorithm;

/// What a token is to say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenSpec {
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub sub: Option<UserId>,
    /// What it lets its bearer listen to.
    pub subscribe: Vec<ChannelPattern>,
    /// Where it lets its bearer speak.
    pub publish: Vec<ChannelPattern>,
    /// For whom it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Whose word it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// What others are told of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<serde_json::Value>,
    /// When it was made: seconds since 1970.
    pub iat: u64,
    /// When it ends: seconds since 1970.
    pub exp: u64,
}

fn as_text<S: serde::Serializer>(user: &Option<UserId>, to: S) -> Result<S::Ok, S::Error> {
    user.as_ref().map(UserId::as_str).serialize(to)
}

impl TokenSpec {
    /// From now on for so many seconds.
    pub fn valid_for(mut self, seconds: u64) -> Self {
        self.iat = unix_millis() / 1000;
        self.exp = self.iat.saturating_add(seconds);
        self
    }
}

/// A private key or a secret that signs tokens.
#[derive(Clone)]
pub struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    /// With a secret (HS256), or a private key in PEM.
    ///
    /// # Errors
    /// When it is none of that algorithm.
    pub fn new(algorithm: Algorithm, key: &[u8], id: Option<String>) -> Result<Self, Error> {
        let encoding = match algorithm {
            Algorithm::HS256 => EncodingKey::from_secret(key),
            Algorithm::RS256 => EncodingKey::from_rsa_pem(key)?,
            Algorithm::ES256 => EncodingKey::from_ec_pem(key)?,
            Algorithm::EdDSA => EncodingKey::from_ed_pem(key)?,
        };
        let mut header = Header::new(algorithm.into());
        header.kid = id;
        Ok(Self { header, key: encoding })
    }

    /// A token.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(&self, spec: &TokenSpec) -> Result<String, Error> {
        encode(&self.header, spec, &self.key)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// What stands in a token, believed or not.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// How it says that it is signed.
    pub header: serde_json::Value,
    /// What it says.
    pub claims: serde_json::Value,
}

/// Reads a token without checking anything.
///
/// # Errors
/// When it is no token.
pub fn inspect(token: &str) -> Result<Inspection, Error> {
    let data = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(token)?;
    let header = serde_json::to_value(&data.header)?;
    Ok(Inspection { header, claims: data.claims })
}
