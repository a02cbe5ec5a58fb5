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
pub use backend::{Backend, BadBackend, Reply};
pub use claims::{Claims, Expectations};
pub use credentials::Credentials;
pub use crowd::{AddressSeat, Crowds};
pub use gatekeeper::Gatekeeper;
pub use hook::{Hook, HookMeters, HookRules};
pub use jwks::{Jwks, RemoteKeys};
pub use keyring::Keyring;
pub use mint::{Grant, Inspection, Signer, inspect};
pub use pass::Pass;
pub use question::Occasion;
pub use rates::{Rate, Rates};
pub use remote_keys::HttpKeys;
pub use rules::{NamespaceRules, Who};
pub use secret::Secret;
pub use token_key::{BadTokenKey, TokenKey};
