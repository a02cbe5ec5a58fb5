//! A certificate of a test's own, and clients that believe in it.

use std::{fs, sync::Arc};

use tempfile::TempDir;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer},
};
use tricast::settings::{Address, Tls};

/// A certificate for localhost, with its key, in files.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one, and writes it to a folder of its own.
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut made = Self { folder, der: CertificateDer::from(Vec::new()) };
        made.renew();
        made
    }

    /// Puts another one into the same files.
    pub fn renew(&mut self) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("makes one");
        let file = |name| self.folder.path().join(name);
        fs::write(file("cert.pem"), made.cert.pem()).expect("writes");
        fs::write(file("key.pem"), made.signing_key.serialize_pem()).expect("writes");
        self.der = made.cert.der().clone();
    }

    /// A file of it: `cert.pem` or `key.pem`.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Settings that use it at a free port.
    pub fn settings(&self, others: Tls) -> Tls {
        let bind = vec![Address::Tcp("127.0.0.1:0".parse().expect("an address"))];
        Tls { bind, certificate: self.file("cert.pem"), key: self.file("key.pem"), ..others }
    }

    /// A client that believes in this one alone, and wants one of these protocols.
    pub fn connector(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}
