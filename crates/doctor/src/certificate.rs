//! What is wrong with a server's certificate, or with its TLS, in plain words.

use std::fmt;

use tokio_rustls::rustls::{CertificateError, Error, InvalidMessage, pki_types::UnixTime};

use crate::probe_error::ProbeError;

/// What a handshake's error means; `pinned` tells that only the certificates of a file are believed in.
pub(crate) fn explain(error: &Error, pinned: bool) -> ProbeError {
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error, pinned),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            ProbeError::new("this port speaks no TLS", "try http://")
        }
        Error::AlertReceived(alert) => ProbeError::new(
            format!("it refuses TLS ({alert:?})"),
            "see whether it has a certificate for the host in the URL",
        ),
        _ => ProbeError::new(format!("TLS: {error}"), "see whether this port speaks TLS"),
    }
}

fn explain_certificate(error: &CertificateError, pinned: bool) -> ProbeError {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => unknown_issuer(pinned),
        // One that calls itself an authority, as `openssl req -x509` makes them.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            unknown_issuer(pinned)
        }
        CertificateError::ExpiredContext { time, not_after } => ProbeError::new(
            format!("its certificate has expired, {} ago", Span(*not_after, *time)),
            "renew it, and see that the server reads the new one",
        ),
        CertificateError::Expired => ProbeError::new("its certificate has expired", "renew it"),
        CertificateError::NotValidYetContext { time, not_before } => ProbeError::new(
            format!("its certificate will be good only in {}", Span(*time, *not_before)),
            "see whether the clocks of both machines are right",
        ),
        CertificateError::NotValidYet => ProbeError::new(
            "its certificate is not good yet",
            "see whether the clocks of both machines are right",
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let host = expected.to_str();
            let names = presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
            let names = if names.is_empty() { "no name at all".to_owned() } else { names };
            ProbeError::new(
                format!("its certificate is for {names}, and not for {host}"),
                format!("have one issued for {host}, or examine it under a name that it is for"),
            )
        }
        CertificateError::NotValidForName => ProbeError::new(
            "its certificate is for another name",
            "have one issued for this name, or examine it under a name that it is for",
        ),
        CertificateError::Revoked => {
            ProbeError::new("its certificate has been revoked", "have another one issued")
        }
        _ => ProbeError::new(
            format!("its certificate does not hold ({error})"),
            "have another one issued",
        ),
    }
}

fn unknown_issuer(pinned: bool) -> ProbeError {
    match pinned {
        true => ProbeError::new(
            "its certificate is none of those in the file of --ca, nor signed by one",
            "name the file that it is from; with --ca no other is believed in",
        ),
        false => ProbeError::new(
            "its certificate is not signed by anyone whom this machine believes",
            "name it with --ca FILE if it is yours",
        ),
    }
}

/// A name without the kind that it is of, as in `DnsName("a.example")`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// The time between two moments, as people say it.
struct Span(UnixTime, UnixTime);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.1.as_secs().saturating_sub(self.0.as_secs());
        match (seconds / 86_400, seconds / 3_600, seconds / 60) {
            (2.., _, _) => write!(f, "{} days", seconds / 86_400),
            (_, 2.., _) => write!(f, "{} hours", seconds / 3_600),
            (_, _, minutes) => write!(f, "{minutes} minutes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio_rustls::rustls::{OtherError, pki_types::ServerName};

    use super::*;

    #[derive(Debug)]
    struct CaUsedAsEndEntity;

    impl fmt::Display for CaUsedAsEndEntity {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl std::error::Error for CaUsedAsEndEntity {}

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_plain_words() {
        let at = |hours: u64| UnixTime::since_unix_epoch(Duration::from_secs(hours * 3_600));
        let nobody = "its certificate is not signed by anyone whom this machine believes; name it with --ca FILE if it is yours";
        let authority = CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)));
        let cases = [
            (CertificateError::UnknownIssuer, nobody),
            (authority, nobody),
            (
                CertificateError::ExpiredContext { time: at(100), not_after: at(28) },
                "its certificate has expired, 3 days ago; renew it, and see that the server reads the new one",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("b.example").expect("a name"),
                    presented: vec!["DnsName(\"a.example\")".into(), "IpAddress(192.0.2.1)".into()],
                },
                "its certificate is for a.example, 192.0.2.1, and not for b.example; have one issued for b.example, or examine it under a name that it is for",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(explain(&Error::InvalidCertificate(error), false).to_string(), expected);
        }
        let pinned = explain(&Error::InvalidCertificate(CertificateError::UnknownIssuer), true);
        assert!(pinned.message.contains("the file of --ca"), "{pinned}");
        let plain = explain(&Error::InvalidMessage(InvalidMessage::InvalidContentType), false);
        assert_eq!(plain.to_string(), "this port speaks no TLS; try http://");
    }
}
