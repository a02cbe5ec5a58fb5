//! TLS: a certificate that is reloaded while connections last (hot reload), and the choice of
//! protocol (ALPN, RFC 7301).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// The ALPN name of HTTP/2.
pub(crate) const H2: &[u8] = b"h2";

/// The certificate and key of new connections.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    pair: Arc<CertifiedKey>,
    /// Modification times of both files.
    modified: [SystemTime; 2],
}

/// The result of loading the files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reloaded {
    NewCertificate,
    Unchanged,
}

impl Certificate {
    /// Loads the certificate chain and the private key from files of PEM.
    ///
    /// # Errors
    /// When a file cannot be read, holds something else, or the key is another certificate's.
    pub fn load(chain: PathBuf, key: PathBuf) -> anyhow::Result<Arc<Self>> {
        let modified = modification_times(&chain, &key)?;
        let pair = load_pair(&chain, &key)?;
        let current = Mutex::new(Current { pair, modified });
        Ok(Arc::new(Self { chain, key, current }))
    }

    /// Loads the files again if they have changed, or in any case if `force`.
    ///
    /// # Errors
    /// As for [`load`](Self::load); the old one is then kept.
    fn reload_if_changed(&self, force: bool) -> anyhow::Result<Reloaded> {
        let modified = modification_times(&self.chain, &self.key)?;
        if !force && self.current.lock().modified == modified {
            return Ok(Reloaded::Unchanged);
        }
        let pair = load_pair(&self.chain, &self.key)?;
        let mut current = self.current.lock();
        let is_new = current.pair.cert != pair.cert;
        *current = Current { pair, modified };
        Ok(if is_new { Reloaded::NewCertificate } else { Reloaded::Unchanged })
    }

    /// Loads changed files, at intervals of `every`.
    pub async fn keep_fresh(self: Arc<Self>, every: Duration) {
        loop {
            sleep(every).await;
            self.clone().refresh(false).await;
        }
    }

    /// Loads changed files now, or the files in any case if `force`, and logs the result.
    pub async fn refresh(self: Arc<Self>, force: bool) {
        let reloaded = tokio::task::spawn_blocking(move || self.reload_if_changed(force)).await;
        match reloaded {
            Ok(Ok(Reloaded::NewCertificate)) => {
                tracing::info!("certificate reloaded; new connections use it");
            }
            Ok(Ok(Reloaded::Unchanged)) | Err(_) => {}
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                tracing::error!(error, "cannot reload the certificate; the old one stays in use");
            }
        }
    }

    /// Creates an acceptor that uses the current certificate.
    ///
    /// # Errors
    /// When the cryptography library supports no protocol version.
    pub fn tls_acceptor(self: &Arc<Self>) -> anyhow::Result<TlsAcceptor> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.lock().pair.clone())
    }
}

fn load_pair(chain_file: &Path, key_file: &Path) -> anyhow::Result<Arc<CertifiedKey>> {
    let named = |key: &'static str, path: &Path| format!("{key} = {:?}", path.display());
    let certificates = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| named("tls.certificate", chain_file))?;
    anyhow::ensure!(
        !certificates.is_empty(),
        "{}: the file has no certificate; it has to contain the chain, in PEM",
        named("tls.certificate", chain_file)
    );
    let key = PrivateKeyDer::from_pem_file(key_file).with_context(|| named("tls.key", key_file))?;
    let pair = CertifiedKey::from_der(certificates, key, &aws_lc_rs::default_provider());
    let pair = pair.with_context(|| {
        format!(
            "{} does not belong to {}",
            named("tls.key", key_file),
            named("tls.certificate", chain_file)
        )
    })?;
    Ok(Arc::new(pair))
}

fn modification_times(chain: &Path, key: &Path) -> anyhow::Result<[SystemTime; 2]> {
    let time = |name: &str, path: &Path| {
        let modified = fs::metadata(path).and_then(|file| file.modified());
        modified.with_context(|| format!("{name} = {:?}", path.display()))
    };
    Ok([time("tls.certificate", chain)?, time("tls.key", key)?])
}
