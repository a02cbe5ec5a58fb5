//! The TLS configuration of the client, for requests and for WebSockets.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use anyhow::Context as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};

use crate::{certificate, probe_error::ProbeError};

/// Faults of a pinned certificate that other clients would refuse, once it was seen.
pub(crate) type CertificateWarnings = Arc<OnceLock<Vec<ProbeError>>>;

/// Creates a configuration that trusts the certificates of `ca_file` alone; without a file, those
/// of the system.
pub(crate) fn config(
    ca_file: Option<&Path>,
) -> anyhow::Result<(ClientConfig, CertificateWarnings)> {
    let warnings = CertificateWarnings::default();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions()?;
    let Some(file) = ca_file else {
        return Ok((builder.with_platform_verifier()?.with_no_client_auth(), warnings));
    };
    let verifier = Arc::new(PinnedVerifier::from_file(file, provider, warnings.clone())?);
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok((builder.with_no_client_auth(), warnings))
}

/// Trusts pinned certificates, whatever they contain, and those that they have signed. `openssl req
/// -x509` makes certificates of authorities, which no standard verifier accepts from a server.
#[derive(Debug)]
struct PinnedVerifier {
    pinned: Vec<CertificateDer<'static>>,
    chain_verifier: Arc<WebPkiServerVerifier>,
    warnings: CertificateWarnings,
}

impl PinnedVerifier {
    fn from_file(
        file: &Path,
        provider: Arc<CryptoProvider>,
        warnings: CertificateWarnings,
    ) -> anyhow::Result<Self> {
        let context = || format!("--ca {}", file.display());
        let mut roots = RootCertStore::empty();
        let mut pinned = Vec::new();
        for certificate in CertificateDer::pem_file_iter(file).with_context(context)? {
            let certificate = certificate.with_context(context)?;
            roots.add(certificate.clone()).with_context(context)?;
            pinned.push(certificate);
        }
        anyhow::ensure!(
            !pinned.is_empty(),
            "{}: the file has no certificate; pass a PEM file",
            context()
        );
        let chain_verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { pinned, chain_verifier, warnings })
    }

    /// Checks whether a browser would accept the name and the validity period of a pinned
    /// certificate.
    fn warnings_for(
        &self,
        own: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Vec<ProbeError> {
        use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
        let named = ParsedCertificate::try_from(own).and_then(|own| verify_server_name(&own, name));
        let timely = self.chain_verifier.verify_server_cert(own, &[], name, &[], now).map(|_| ());
        // An unknown issuer is the reason for pinning it, and not a fault.
        let timely = timely.or_else(|error| match error {
            Error::InvalidCertificate(
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
            ) => Err(error),
            _ => Ok(()),
        });
        let errors = [named, timely].into_iter().filter_map(Result::err);
        errors.map(|error| certificate::explain(&error, true)).collect()
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pinned.iter().any(|certificate| certificate == own) {
            self.warnings.get_or_init(|| self.warnings_for(own, name, now));
            return Ok(ServerCertVerified::assertion());
        }
        self.chain_verifier.verify_server_cert(own, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain_verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain_verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain_verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A self-signed certificate of an authority, for other.example, from 2026 to 2126.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/encryption/other.pem");
    const YEAR: u64 = 31_557_600;

    /// The warnings for the pinned certificate, in this year since 1970.
    fn warnings(host: &'static str, year: u64) -> Vec<String> {
        let warnings = CertificateWarnings::default();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = PinnedVerifier::from_file(Path::new(FILE), provider, warnings.clone())
            .expect("reads it");
        let name = ServerName::try_from(host).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(year * YEAR));
        verifier.verify_server_cert(&verifier.pinned[0], &[], &name, &[], now).expect("is trusted");
        let messages = warnings.get().expect("was seen").iter();
        messages.map(|warning| warning.message.clone()).collect()
    }

    #[test]
    fn a_pinned_certificate_is_trusted_and_its_faults_are_reported() {
        assert_eq!(warnings("other.example", 100), [""; 0]);
        let another = "its certificate is for other.example, and not for example.com";
        assert_eq!(warnings("example.com", 100), [another]);
        let [past] = &warnings("other.example", 200)[..] else { panic!("one") };
        assert!(past.starts_with("its certificate has expired, "), "{past}");
        assert!(past.ends_with(" days ago"), "{past}");
        let [early] = &warnings("other.example", 50)[..] else { panic!("one") };
        assert!(early.starts_with("its certificate is not valid for another "), "{early}");
        assert_eq!(warnings("example.com", 200).len(), 2);
    }
}
