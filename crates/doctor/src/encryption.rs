//! TLS as a client: the same for plain requests and for WebSockets.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// What believes in `authority` if there is one, else in whom the system believes in.
pub(crate) fn config(authority: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let Some(file) = authority else {
        return Ok(builder.with_platform_verifier()?.with_no_client_auth());
    };
    let context = || format!("--ca {}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).with_context(context)? {
        roots.add(certificate.with_context(context)?).with_context(context)?;
    }
    anyhow::ensure!(!roots.is_empty(), "{}: there is no certificate in it (PEM)", context());
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
