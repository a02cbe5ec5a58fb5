//! Why there was no answer at all, in plain words: what a connection's error means for whoever asked.

use std::{error::Error, io::ErrorKind};

use tokio_rustls::rustls;

use crate::{certificate, probe_error::ProbeError};

/// What to do where there had been answers before.
const GATEWAY_GONE: &str = "see whether the gateway has stopped, and what it logs";

/// Who asked, and whether there had been an answer before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestContext {
    pub(crate) encrypted: bool,
    /// Whether only the certificates of a file are believed in.
    pub(crate) pinned: bool,
    pub(crate) answered: bool,
}

/// What is known of a connection that failed.
pub(crate) fn explain(error: &(dyn Error + 'static), context: RequestContext) -> ProbeError {
    if let Some(error) = find(error, &|one| one.downcast_ref::<rustls::Error>().cloned()) {
        return certificate::explain(&error, context.pinned);
    }
    let raw = error_chain(error);
    let kind = find(error, &|one| Some(one.downcast_ref::<std::io::Error>()?.kind()));
    let timeout =
        find(error, &|one| one.downcast_ref::<reqwest::Error>().map(reqwest::Error::is_timeout));
    match kind {
        _ if timeout == Some(true) => ProbeError::new(
            "there is no answer in time",
            "see whether a firewall drops what comes in, and whether the proxy reaches the gateway",
        ),
        Some(ErrorKind::ConnectionRefused) if context.answered => {
            ProbeError::new("nothing listens there any more (connection refused)", GATEWAY_GONE)
        }
        Some(ErrorKind::ConnectionRefused) => ProbeError::new(
            "nothing listens there (connection refused)",
            "see whether it runs, and whether host and port are right",
        ),
        _ if raw.contains("dns error") || raw.contains("lookup address") => ProbeError::new(
            format!("nobody knows its name ({raw})"),
            "see whether the host is spelled right",
        ),
        Some(
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof,
        ) => closed_without_response(context),
        // Of hyper, which is no dependency.
        _ if raw.contains("connection closed before message completed") => {
            closed_without_response(context)
        }
        _ if raw.contains("invalid HTTP version") && !context.encrypted => {
            ProbeError::new("what answers speaks no HTTP", "this port may speak TLS; try https://")
        }
        _ if context.answered => ProbeError::new(raw, GATEWAY_GONE),
        _ => ProbeError::new(raw, "see whether scheme, host and port are right"),
    }
}

/// The connection was ended before there was an answer.
fn closed_without_response(context: RequestContext) -> ProbeError {
    let message = "the connection is closed without an answer";
    if context.answered {
        return ProbeError::new(message, GATEWAY_GONE);
    }
    let tls = if context.encrypted { "" } else { "; or this port speaks TLS: try https://" };
    ProbeError::new(
        message,
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
fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use crate::{examine, fake};

    async fn connect_error(url: &str) -> String {
        format!("{:#}", examine(fake::options(url), |_| {}).await.expect_err("is no answer"))
    }

    #[tokio::test]
    async fn a_server_that_closes_at_once_may_wait_for_a_proxy_header() {
        let unread = fake::connections(async |client| drop(client)).await;
        let read = fake::connections(async |mut client| {
            let _ = client.read(&mut [0; 65_536]).await;
        })
        .await;
        for url in [&unread, &read, &unread.replace("http:", "https:")] {
            let error = connect_error(url).await;
            assert!(error.contains("proxy.protocol = true"), "{error}");
        }
    }

    #[tokio::test]
    async fn missing_tls_and_missing_listeners_are_reported() {
        let plain = fake::connections(async |mut client| {
            let _ = client.read(&mut [0; 65_536]).await;
            fake::send(&mut client, &fake::answer("400 Bad Request", "", "")).await;
        })
        .await;
        let error = connect_error(&plain.replace("http:", "https:")).await;
        assert!(error.contains("this port speaks no TLS; try http://"), "{error}");
        let nobody = connect_error("http://127.0.0.1:1").await;
        assert!(nobody.contains("cannot be reached: nothing listens there"), "{nobody}");
        // Longer than a part of a name can be, so that no resolver is asked.
        let nameless = connect_error(&format!("http://{}.example", "a".repeat(64))).await;
        assert!(nameless.contains("spelled right"), "{nameless}");
    }
}
