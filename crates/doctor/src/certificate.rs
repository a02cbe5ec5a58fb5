//! Explains faults of a certificate or of TLS in plain words.

use std::fmt;

use tokio_rustls::rustls::{CertificateError, Error, InvalidMessage, pki_types::UnixTime};

use crate::probe_error::ProbeError;

/// Explains the error of a handshake. If `pinned`, only the certificates of a file are trusted.
pub(crate) fn explain(error: &Error, pinned: bool) -> ProbeError {
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error, pinned),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            ProbeError::new("this port does not speak TLS", "try http://")
        }
        Error::AlertReceived(alert) => ProbeError::new(
            format!("the server refuses the TLS handshake ({alert:?})"),
            "check whether it has a certificate for the host in the URL",
        ),
        _ => ProbeError::new(format!("TLS: {error}"), "check whether this port speaks TLS"),
    }
}

fn explain_certificate(error: &CertificateError, pinned: bool) -> ProbeError {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => unknown_issuer(pinned),
        // A certificate of an authority, as `openssl req -x509` makes them.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            unknown_issuer(pinned)
        }
        CertificateError::ExpiredContext { time, not_after } => ProbeError::new(
            format!("its certificate has expired, {} ago", Span(*not_after, *time)),
            "renew it, and make sure that the server has loaded the new one",
        ),
        CertificateError::Expired => ProbeError::new("its certificate has expired", "renew it"),
        CertificateError::NotValidYetContext { time, not_before } => ProbeError::new(
            format!("its certificate is not valid for another {}", Span(*time, *not_before)),
            "see whether the clocks of both machines are right",
        ),
        CertificateError::NotValidYet => ProbeError::new(
            "its certificate is not valid yet",
            "see whether the clocks of both machines are right",
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let host = expected.to_str();
            let names = presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
            let names = if names.is_empty() { "no name".to_owned() } else { names };
            ProbeError::new(
                format!("its certificate is for {names}, and not for {host}"),
                format!("have one issued for {host}, or use a name of the certificate in the URL"),
            )
        }
        CertificateError::NotValidForName => ProbeError::new(
            "its certificate is for another name",
            "have one issued for this name, or use a name of the certificate in the URL",
        ),
        CertificateError::Revoked => {
            ProbeError::new("its certificate has been revoked", "have another one issued")
        }
        _ => ProbeError::new(
            format!("its certificate is invalid ({error})"),
            "have another one issued",
        ),
    }
}

fn unknown_issuer(pinned: bool) -> ProbeError {
    match pinned {
        true => ProbeError::new(
            "its certificate is not in the file of --ca, nor signed by one that is",
            "pass the right file; with --ca no other certificate is trusted",
        ),
        false => ProbeError::new(
            "its certificate is not signed by an authority that this machine trusts",
            "pass it with --ca FILE if it is your own",
        ),
    }
}

/// Removes the kind from a name such as `DnsName("a.example")`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// The time between two moments, in words.
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
    fn faults_of_a_certificate_are_explained() {
        let at = |hours: u64| UnixTime::since_unix_epoch(Duration::from_secs(hours * 3_600));
        let unknown = "its certificate is not signed by an authority that this machine trusts; \
                       pass it with --ca FILE if it is your own";
        let authority = CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)));
        let cases = [
            (CertificateError::UnknownIssuer, unknown),
            (authority, unknown),
            (
                CertificateError::ExpiredContext { time: at(100), not_after: at(28) },
                "its certificate has expired, 3 days ago; renew it, and make sure that the server \
                 has loaded the new one",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("b.example").expect("a name"),
                    presented: vec!["DnsName(\"a.example\")".into(), "IpAddress(192.0.2.1)".into()],
                },
                "its certificate is for a.example, 192.0.2.1, and not for b.example; have one \
                 issued for b.example, or use a name of the certificate in the URL",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(explain(&Error::InvalidCertificate(error), false).to_string(), expected);
        }
        let pinned = explain(&Error::InvalidCertificate(CertificateError::UnknownIssuer), true);
        assert!(pinned.message.contains("the file of --ca"), "{pinned}");
        let plain = explain(&Error::InvalidMessage(InvalidMessage::InvalidContentType), false);
        assert_eq!(plain.to_string(), "this port does not speak TLS; try http://");
    }
}
