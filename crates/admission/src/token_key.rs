//! Keys that verify the signatures of tokens.

use jsonwebtoken::{
    DecodingKey,
    jwk::{
        AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, KeyAlgorithm,
        PublicKeyUse, RSAKeyParameters,
    },
};

use crate::Algorithm;

/// Shortest HMAC secret, in bytes: as long as the hash (RFC 7518 §3.2).
const SECRET_MIN: usize = 32;

/// Shortest RSA modulus, in bytes: 2,048 bits (RFC 7518 §3.3).
const RSA_MODULUS_MIN: usize = 256;

/// A key with the only algorithm that it is used with.
#[derive(Clone)]
pub struct TokenKey {
    pub(crate) algorithm: Algorithm,
    /// The `kid` of tokens that it signs; without one it is tried on any token of its algorithm.
    pub(crate) id: Option<String>,
    pub(crate) key: DecodingKey,
}

/// The key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTokenKey {
    /// The secret is too short.
    #[error(
        "HS256 needs a secret of at least {SECRET_MIN} bytes (RFC 7518 section 3.2), and this one \
         has {0}; use a longer one"
    )]
    ShortSecret(usize),
    /// The RSA key is too short.
    #[error("the RSA key has fewer than 2048 bits (RFC 7518 section 3.3); use a longer one")]
    ShortRsa,
    /// The text is not a PEM public key of the algorithm.
    #[error("not a public key for {0:?} in PEM (-----BEGIN PUBLIC KEY-----)")]
    NotPem(Algorithm),
}

impl TokenKey {
    /// Uses a secret for HS256, which is shared with the issuer of the tokens.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn from_secret(secret: &[u8], id: Option<String>) -> Result<Self, BadTokenKey> {
        if secret.len() < SECRET_MIN {
            return Err(BadTokenKey::ShortSecret(secret.len()));
        }
        Ok(Self { algorithm: Algorithm::HS256, id, key: DecodingKey::from_secret(secret) })
    }

    /// Reads a public key in PEM.
    ///
    /// # Errors
    /// When it is not a key of that algorithm.
    pub fn from_pem(
        algorithm: Algorithm,
        pem: &[u8],
        id: Option<String>,
    ) -> Result<Self, BadTokenKey> {
        let read = match algorithm {
            Algorithm::HS256 => return Self::from_secret(pem, id),
            Algorithm::RS256 => DecodingKey::from_rsa_pem,
            Algorithm::ES256 => DecodingKey::from_ec_pem,
            Algorithm::EdDSA => DecodingKey::from_ed_pem,
        };
        let key = read(pem).map_err(|_| BadTokenKey::NotPem(algorithm))?;
        // The DER of the key is its modulus and a few bytes more.
        let length = key.try_get_as_bytes().map_or(0, <[u8]>::len);
        if algorithm == Algorithm::RS256 && length < RSA_MODULUS_MIN {
            return Err(BadTokenKey::ShortRsa);
        }
        Ok(Self { algorithm, id, key })
    }

    /// Reads a key of a JWK set (RFC 7517), if it verifies signatures with a supported algorithm. A
    /// secret in a public document does not count.
    pub(crate) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(RSAKeyParameters { n, .. }) => {
                // Base64 without padding has 4 characters for 3 bytes.
                (n.len() * 3 / 4 >= RSA_MODULUS_MIN).then_some(Algorithm::RS256)?
            }
            AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                curve: EllipticCurve::P256,
                ..
            }) => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let declared = match jwk.common.key_algorithm {
            None => algorithm,
            Some(KeyAlgorithm::RS256) => Algorithm::RS256,
            Some(KeyAlgorithm::ES256) => Algorithm::ES256,
            Some(KeyAlgorithm::EdDSA) => Algorithm::EdDSA,
            Some(_) => return None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        (declared == algorithm).then_some(Self { algorithm, id: jwk.common.key_id.clone(), key })
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
