//! TLS as a client: the same for plain requests and for WebSockets.

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

use crate::{certificate, obstacle::Obstacle};

/// What others would refuse in a certificate that is believed in here, once it was seen.
pub(crate) type Remarks = Arc<OnceLock<Vec<Obstacle>>>;

/// What believes in the certificates of `authority` and no other if there is one, else in whom the system believes in.
pub(crate) fn config(authority: Option<&Path>) -> anyhow::Result<(ClientConfig, Remarks)> {
    let remarks = Remarks::default();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions()?;
    let Some(file) = authority else {
        return Ok((builder.with_platform_verifier()?.with_no_client_auth(), remarks));
    };
    let verifier = Arc::new(Known::of_file(file, provider, remarks.clone())?);
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok((builder.with_no_client_auth(), remarks))
}

/// Believes in certificates that it knows, whatever they say of themselves, and in those that they have signed: one that
/// `openssl req -x509` makes calls itself an authority, and as such is no server's.
#[derive(Debug)]
struct Known {
    known: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
    remarks: Remarks,
}

impl Known {
    fn of_file(
        file: &Path,
        provider: Arc<CryptoProvider>,
        remarks: Remarks,
    ) -> anyhow::Result<Self> {
        let context = || format!("--ca {}", file.display());
        let mut roots = RootCertStore::empty();
        let mut known = Vec::new();
        for certificate in CertificateDer::pem_file_iter(file).with_context(context)? {
            let certificate = certificate.with_context(context)?;
            roots.add(certificate.clone()).with_context(context)?;
            known.push(certificate);
        }
        anyhow::ensure!(!known.is_empty(), "{}: there is no certificate in it (PEM)", context());
        let signed =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { known, signed, remarks })
    }

    /// What a browser would say of one that is known: whether it is for this name, and for this time.
    fn remark(
        &self,
        own: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Vec<Obstacle> {
        use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
        let named = ParsedCertificate::try_from(own).and_then(|own| verify_server_name(&own, name));
        let timely = self.signed.verify_server_cert(own, &[], name, &[], now).map(|_| ());
        // That nobody has signed it is why it was named.
        let timely = timely.or_else(|error| match error {
            Error::InvalidCertificate(
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
            ) => Err(error),
            _ => Ok(()),
        });
        let amiss = [named, timely].into_iter().filter_map(Result::err);
        amiss.map(|error| certificate::words(&error, true)).collect()
    }
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
            self.remarks.get_or_init(|| self.remark(own, name, now));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// For other.example, from 2026 to 2126; it has signed itself and calls itself an authority.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/encryption/other.pem");
    const YEAR: u64 = 31_557_600;

    /// What is said of it as one that is named, in this year since 1970.
    fn remarks(host: &'static str, year: u64) -> Vec<String> {
        let remarks = Remarks::default();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let known = Known::of_file(Path::new(FILE), provider, remarks.clone()).expect("reads it");
        let name = ServerName::try_from(host).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(year * YEAR));
        known.verify_server_cert(&known.known[0], &[], &name, &[], now).expect("is believed in");
        let said = remarks.get().expect("was seen").iter();
        said.map(|obstacle| obstacle.said.clone()).collect()
    }

    #[test]
    fn a_named_certificate_is_believed_in_and_what_is_amiss_with_it_is_said() {
        assert_eq!(remarks("other.example", 100), [""; 0]);
        let another = "its certificate is for other.example, and not for example.com";
        assert_eq!(remarks("example.com", 100), [another]);
        let [past] = &remarks("other.example", 200)[..] else { panic!("one") };
        assert!(past.starts_with("its certificate has expired, "), "{past}");
        assert!(past.ends_with(" days ago"), "{past}");
        let [early] = &remarks("other.example", 50)[..] else { panic!("one") };
        assert!(early.starts_with("its certificate will be good only in "), "{early}");
        assert_eq!(remarks("example.com", 200).len(), 2);
    }
}
