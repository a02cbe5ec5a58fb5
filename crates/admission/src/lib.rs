//! Admission: who may listen, who may speak, and how much. Knows tokens, API keys and the rules of
//! namespaces; speaks no protocol to clients.
//!
//! The way of a request through this crate: [`Gatekeeper::pass`] reads its [`Credentials`] into a
//! [`Pass`], and the pass answers whatever a wire asks about a channel ([`tricast_core::Access`]). Where the user's own
//! service has a say, the pass asks the [`Hook`].

mod algorithm;
mod api_key;
mod audit;
mod backend;
mod circuit;
mod claims;
mod credentials;
mod crowd;
mod gatekeeper;
mod hook;
mod hooked;
mod jwks;
mod keyring;
mod mint;
mod pass;
mod question;
mod rates;
mod remote_keys;
mod rules;
mod secret;
mod token_key;
mod verdict;

pub use algorithm::Algorithm;
pub use api_key::{ApiKey, BadKeyHash, KeyHash, NewKey};
pub use audit::Audit;
pub use backend::{BackendClient, BackendClientError, BackendResponse};
pub use claims::{Claims, Expectations};
pub use credentials::Credentials;
pub use crowd::{AddressPermit, ConnectionLimits};
pub use gatekeeper::Gatekeeper;
pub use hook::{Hook, HookMeters, HookConfig};
pub use jwks::{Jwks, RemoteKeys};
pub use keyring::Keyring;
pub use mint::{TokenSpec, Inspection, Signer, inspect};
pub use pass::Pass;
pub use question::HookEvent;
pub use rates::{Rate, Rates};
pub use remote_keys::HttpKeys;
pub use rules::{NamespaceRules, AccessLevel};
pub use secret::Secret;
pub use token_key::{BadTokenKey, TokenKey};
