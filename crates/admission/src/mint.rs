//! Signing tokens, for experiments and scripts, and reading them.

use jsonwebtoken::{EncodingKey, Header, encode, errors::Error};
use serde::Serialize;
use tricast_core::{ChannelPattern, UserId, unix_millis};

use crate::{Algorithm, ModelNames};

/// The claims of a token to be signed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenSpec {
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub sub: Option<UserId>,
    /// Channels that the bearer may subscribe to and read.
    pub subscribe: Vec<ChannelPattern>,
    /// Channels that the bearer may publish to.
    pub publish: Vec<ChannelPattern>,
    /// Channels in which the bearer may prompt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompt: Vec<ChannelPattern>,
    /// The models that the bearer may ask; `None` means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelNames>,
    /// The audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// What others see of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<serde_json::Value>,
    /// The time of issue, in seconds since 1970.
    pub iat: u64,
    /// The time of expiry, in seconds since 1970.
    pub exp: u64,
}

fn as_text<S: serde::Serializer>(user: &Option<UserId>, to: S) -> Result<S::Ok, S::Error> {
    user.as_ref().map(UserId::as_str).serialize(to)
}

impl TokenSpec {
    /// Sets the time of issue to now, and the time of expiry to `seconds` later.
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
    /// Creates a signer from a secret (HS256) or a private key in PEM.
    ///
    /// # Errors
    /// When it is not a key of that algorithm.
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

    /// Signs a token.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, spec: &TokenSpec) -> Result<String, Error> {
        encode(&self.header, spec, &self.key)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// The content of a token that nobody has verified.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The header.
    pub header: serde_json::Value,
    /// The claims.
    pub claims: serde_json::Value,
}

/// Reads a token without verifying it.
///
/// # Errors
/// When the text is not a token.
pub fn inspect(token: &str) -> Result<Inspection, Error> {
    let data = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(token)?;
    let header = serde_json::to_value(&data.header)?;
    Ok(Inspection { header, claims: data.claims })
}
