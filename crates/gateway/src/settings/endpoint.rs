//! Endpoints of the user's own service, which the gateway calls.

use tricast_admission::{BackendClient, Secret};

/// Checks the keys that `[hook]` and `[events]` have in common. `is_unused` says that the `on` of
/// the section is empty.
pub(super) fn check_endpoint(
    section: &str,
    url: &str,
    secret: &Secret,
    is_unused: bool,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        url.is_empty() || BackendClient::is_url(url),
        "{section}.url: write an https:// URL of your own service (http:// only on a network \
         where nobody else can listen)"
    );
    anyhow::ensure!(
        url.is_empty() == is_unused,
        "{section}.url and {section}.on belong together: which service to call, and when; set \
         both, or neither"
    );
    anyhow::ensure!(
        secret.is_empty() || secret.expose().len() >= 32,
        "{section}.secret: at least 32 bytes; create one with `openssl rand -hex 32`"
    );
    Ok(())
}

/// Whether `name` is a token as RFC 9110 (section 5.6.2) defines it, as the names of header fields
/// and of cookies are.
pub(super) fn is_field_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(is_allowed)
}
