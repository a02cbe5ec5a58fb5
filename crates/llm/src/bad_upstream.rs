//! What is wrong with the settings of an upstream.

/// The error of settings by which no upstream can be called.
#[derive(Debug, thiserror::Error)]
pub enum BadUpstream {
    /// The URL cannot be called.
    #[error(
        "the url of the upstream {0:?} is not an https:// or http:// URL without a user; set it to \
         the address above /chat/completions, and put a password into key"
    )]
    Url(String),
    /// A header field or the key has characters that no header field can have.
    #[error("the {1} of the upstream {0:?} has characters that a header field cannot have")]
    Header(String, String),
    /// Two upstreams have the same name.
    #[error("two upstreams have the name {0:?}; name each in its own way")]
    Twice(String),
    /// A fallback that is not there.
    #[error("the fallback {1:?} of the upstream {0:?} does not exist; name an upstream")]
    Fallback(String, String),
    /// The system cannot provide what TLS needs.
    #[error("cannot prepare to call the upstream {0:?}: {1}")]
    Tls(String, String),
}
