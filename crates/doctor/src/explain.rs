//! Explains why there was no response: the error of a connection in plain words, with advice.

use std::{error::Error, io::ErrorKind};

use tokio_rustls::rustls;

use crate::{certificate, probe_error::ProbeError};

/// Advice if there were responses before.
const GATEWAY_GONE: &str = "check whether the gateway has stopped, and look at its log";

/// The circumstances of a request that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestContext {
    pub(crate) encrypted: bool,
    /// Whether only the certificates of a file are trusted.
    pub(crate) pinned: bool,
    /// Whether an earlier request has had a response.
    pub(crate) answered: bool,
}

/// Explains the error of a connection.
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
            "there is no response in time",
            "check whether a firewall drops connections, and whether the proxy reaches the gateway",
        ),
        Some(ErrorKind::ConnectionRefused) if context.answered => {
            ProbeError::new("nothing listens there any more (connection refused)", GATEWAY_GONE)
        }
        Some(ErrorKind::ConnectionRefused) => ProbeError::new(
            "nothing listens there (connection refused)",
            "check whether the gateway runs, and whether host and port are right",
        ),
        _ if raw.contains("dns error") || raw.contains("lookup address") => ProbeError::new(
            format!("its host name cannot be resolved ({raw})"),
            "check whether the host is spelled right",
        ),
        Some(
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof,
        ) => closed_without_response(context),
        // An error of hyper, which is not a direct dependency.
        _ if raw.contains("connection closed before message completed") => {
            closed_without_response(context)
        }
        _ if raw.contains("invalid HTTP version") && !context.encrypted => ProbeError::new(
            "the server does not speak HTTP",
            "this port may speak TLS; try https://",
        ),
        _ if context.answered => ProbeError::new(raw, GATEWAY_GONE),
        _ => ProbeError::new(raw, "check whether scheme, host and port are right"),
    }
}

/// Explains a connection that was closed before a response.
fn closed_without_response(context: RequestContext) -> ProbeError {
    let message = "the connection was closed without a response";
    if context.answered {
        return ProbeError::new(message, GATEWAY_GONE);
    }
    let tls = if context.encrypted { "" } else { "; or this port speaks TLS: try https://" };
    ProbeError::new(
        message,
        format!(
            "the gateway may require a PROXY header (proxy.protocol = true): examine the address \
             of the proxy that sends it{tls}"
        ),
    )
}

/// Finds the first error of a chain that `known` accepts. An I/O error does not report the error
/// that it wraps as its source, so that one is searched too.
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

/// Formats an error with its causes.
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

    use crate::fake;

    async fn connect_error(url: &str) -> String {
        format!("{:#}", fake::examine(fake::options(url)).await.expect_err("no response"))
    }

    #[tokio::test]
    async fn a_server_that_closes_at_once_may_require_a_proxy_header() {
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
        assert!(error.contains("this port does not speak TLS; try http://"), "{error}");
        let refused = connect_error("http://127.0.0.1:1").await;
        assert!(refused.contains("cannot be reached: nothing listens there"), "{refused}");
        // Longer than a part of a name can be, so that no resolver is asked.
        let nameless = connect_error(&format!("http://{}.example", "a".repeat(64))).await;
        assert!(nameless.contains("spelled right"), "{nameless}");
    }
}
