//! TLS as a client: the same for plain requests and for WebSockets.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

/// What believes in the certificates of `authority` if there is one, else in whom the system believes in.
pub(crate) fn config(authority: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions()?;
    let Some(file) = authority else {
        return Ok(builder.with_platform_verifier()?.with_no_client_auth());
    };
    let context = || format!("--ca {}", file.display());
    let mut roots = RootCertStore::empty();
    let mut known = Vec::new();
    for certificate in CertificateDer::pem_file_iter(file).with_context(context)? {
        let certificate = certificate.with_context(context)?;
        roots.add(certificate.clone()).with_context(context)?;
        known.push(certificate);
    }
    anyhow::ensure!(!known.is_empty(), "{}: there is no certificate in it (PEM)", context());
    let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let verifier = Arc::new(Known { known, signed });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Believes in certificates that it knows, whatever they say of themselves, and in those that they have signed: one that
/// `openssl req -x509` makes calls itself an authority, and as such is no server's.
#[derive(Debug)]
struct Known {
    known: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.known.iter().any(|known| known == own) {
            return Ok(ServerCertVerified::assertion());
        }
        self.signed.verify_server_cert(own, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
