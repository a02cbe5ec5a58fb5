//! Why there was no answer at all, in plain words: what a connection's error means for whoever asked.

use std::{error::Error, io::ErrorKind};

use tokio_rustls::rustls;

use crate::{certificate, obstacle::Obstacle};

/// What to do where there had been answers before.
const GONE: &str = "see whether the gateway has stopped, and what it logs";

/// Who asked, and whether there had been an answer before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) encrypted: bool,
    /// Whether only the certificates of a file are believed in.
    pub(crate) pinned: bool,
    pub(crate) answered: bool,
}

/// What is known of a connection that failed.
pub(crate) fn words(error: &(dyn Error + 'static), asker: Asker) -> Obstacle {
    if let Some(error) = find(error, &|one| one.downcast_ref::<rustls::Error>().cloned()) {
        return certificate::words(&error, asker.pinned);
    }
    let raw = chain(error);
    let kind = find(error, &|one| Some(one.downcast_ref::<std::io::Error>()?.kind()));
    let timeout =
        find(error, &|one| one.downcast_ref::<reqwest::Error>().map(reqwest::Error::is_timeout));
    match kind {
        _ if timeout == Some(true) => Obstacle::new(
            "there is no answer in time",
            "see whether a firewall drops what comes in, and whether the proxy reaches the gateway",
        ),
        Some(ErrorKind::ConnectionRefused) if asker.answered => {
            Obstacle::new("nothing listens there any more (connection refused)", GONE)
        }
        Some(ErrorKind::ConnectionRefused) => Obstacle::new(
            "nothing listens there (connection refused)",
            "see whether it runs, and whether host and port are right",
        ),
        _ if raw.contains("dns error") || raw.contains("lookup address") => Obstacle::new(
            format!("nobody knows its name ({raw})"),
            "see whether the host is spelled right",
        ),
        Some(
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof,
        ) => closed(asker),
        // Of hyper, which is no dependency.
        _ if raw.contains("connection closed before message completed") => closed(asker),
        _ if raw.contains("invalid HTTP version") && !asker.encrypted => {
            Obstacle::new("what answers speaks no HTTP", "this port may speak TLS; try https://")
        }
        _ if asker.answered => Obstacle::new(raw, GONE),
        _ => Obstacle::new(raw, "see whether scheme, host and port are right"),
    }
}

/// The connection was ended before there was an answer.
fn closed(asker: Asker) -> Obstacle {
    let said = "the connection is closed without an answer";
    if asker.answered {
        return Obstacle::new(said, GONE);
    }
    let tls = if asker.encrypted { "" } else { "; or this port speaks TLS: try https://" };
    Obstacle::new(
        said,
        format!(
            "the gateway may wait for a PROXY header (proxy.protocol = true) and close whatever has none: examine the address of the proxy that sends it{tls}"
        ),
    )
}

/// The first in an error's chain that `known` knows. What an I/O error wraps is no source of it, and has to be asked for.
fn find<T>(
    error: &(dyn Error + 'static),
    known: &dyn Fn(&(dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let within = wrapped.and_then(|wrapped| find(wrapped, known));
        if let Some(found) = within.or_else(|| known(error)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error, with what lies under it.
fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use crate::{examine, fake};

    async fn told(url: &str) -> String {
        format!("{:#}", examine(fake::visit(url), |_| {}).await.expect_err("is no answer"))
    }

    #[tokio::test]
    async fn whoever_closes_at_once_may_wait_for_a_proxy_header() {
        let unread = fake::connections(async |client| drop(client)).await;
        let read = fake::connections(async |mut client| {
            let _ = client.read(&mut [0; 65_536]).await;
        })
        .await;
        for url in [&unread, &read, &unread.replace("http:", "https:")] {
            let error = told(url).await;
            assert!(error.contains("proxy.protocol = true"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_speaks_no_tls_and_what_does_not_listen_is_said_so() {
        let plain = fake::connections(async |mut client| {
            let _ = client.read(&mut [0; 65_536]).await;
            fake::say(&mut client, &fake::answer("400 Bad Request", "", "")).await;
        })
        .await;
        let error = told(&plain.replace("http:", "https:")).await;
        assert!(error.contains("this port speaks no TLS; try http://"), "{error}");
        let nobody = told("http://127.0.0.1:1").await;
        assert!(nobody.contains("cannot be reached: nothing listens there"), "{nobody}");
        // Longer than a part of a name can be, so that no resolver is asked.
        let nameless = told(&format!("http://{}.example", "a".repeat(64))).await;
        assert!(nameless.contains("spelled right"), "{nameless}");
    }
}
