//! Admission: authentication, authorization, rate limits and connection limits. It knows tokens,
//! API keys and the rules of namespaces, and speaks no protocol to clients.
//!
//! The path of a request through this crate: [`Gatekeeper::pass`] turns its [`Credentials`] into a
//! [`Pass`], and the pass decides what the client may do in a channel ([`tricast_core::Access`]).
//! Where the operator's own service decides as well, the pass asks the [`Hook`].

mod algorithm;
mod api_key;
mod audit;
mod backend_client;
mod claims;
mod connection_limits;
mod credentials;
mod deny_reason;
mod gatekeeper;
mod hook;
mod hook_request;
mod hook_response;
mod hook_state;
mod jwks;
mod keyring;
mod mint;
mod model_names;
mod pass;
mod prompt;
mod prompt_terms;
mod rates;
mod remote_keys;
mod rules;
mod token_key;

pub use algorithm::Algorithm;
pub use api_key::{ApiKey, BadKeyHash, KeyHash, NewKey};
pub use audit::Audit;
pub use backend_client::{BackendClient, BackendClientError, BackendResponse};
pub use claims::{Claims, Expectations};
pub use connection_limits::{AddressPermit, ConnectionLimits, StreamGuard};
pub use credentials::{Credentials, MisplacedCredential};
pub use gatekeeper::Gatekeeper;
pub use hook::{Hook, HookConfig, HookMeters};
pub use hook_request::HookEvent;
pub use jwks::{Jwks, RemoteKeys};
pub use keyring::Keyring;
pub use mint::{Inspection, Signer, TokenSpec, inspect};
pub use model_names::ModelNames;
pub use pass::Pass;
pub use prompt_terms::{PromptQuestion, PromptTerms};
pub use rates::{Rate, Rates};
pub use remote_keys::HttpKeys;
pub use rules::{AccessLevel, NamespaceRules};
pub use token_key::{BadTokenKey, TokenKey};
pub use tricast_core::Secret;
