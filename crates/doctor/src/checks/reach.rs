//! Checks how requests reach the gateway: HTTP version, URL, client address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use http::Version;

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    probe_error::ProbeError,
};

impl Examination<'_> {
    pub(super) async fn check_path(&mut self) -> anyhow::Result<()> {
        let response = self.client.get(&format!("/online/{}", self.client.channel)).await?;
        let version = response.version();
        let message = format!("{version:?} to here; {}", self.intermediaries.describe());
        self.add_finding(match version {
            Version::HTTP_2 | Version::HTTP_3 => Finding::new("version", Verdict::Good, message),
            _ => {
                let message = format!(
                    "{message}. A browser opens at most six connections to one host over HTTP/1.1"
                );
                Finding::new("version", Verdict::Fair, message).advise(
                    "offer HTTP/2 (TLS with ALPN) to browsers that open several streams".to_owned(),
                )
            }
        });
        self.report_certificate();
        self.check_request_info();
        Ok(())
    }

    /// Reports faults of the certificate that only `--ca` overlooks.
    fn report_certificate(&mut self) {
        for ProbeError { message, advice } in
            self.client.certificate_warnings.get().cloned().unwrap_or_default()
        {
            let message = format!("{message}; clients without --ca will refuse it");
            self.add_finding(Finding::new("certificate", Verdict::Fair, message).advise(advice));
        }
    }

    fn check_request_info(&mut self) {
        let Some(request_info) = self.request_info.clone() else {
            let message = "the dashboard is off, so headers that proxies add cannot be checked \
                           (dashboard = \"on\")";
            self.add_finding(Finding::new("arrives", Verdict::Unknown, message));
            return;
        };
        let version = request_info["http"].as_str().unwrap_or_default();
        let finding =
            Finding::new("arrives", Verdict::Good, format!("at the gateway in {version}"));
        self.add_finding(match version {
            "HTTP/1.0" => {
                Finding { verdict: Verdict::Bad, ..finding }.advise(self.advice("http-1.0"))
            }
            _ => finding,
        });
        let (url, own) =
            (request_info["url"].as_str().unwrap_or_default(), self.client.gateway().url(""));
        let finding = Finding::new(
            "url",
            Verdict::Good,
            format!("the gateway assumes that its URL is {url}"),
        );
        self.add_finding(match url == own {
            true => finding,
            false => {
                let said = format!("{}, and not {own}", finding.said);
                Finding { verdict: Verdict::Fair, said, ..finding }.advise(self.advice("url"))
            }
        });
        let proxied = self.intermediaries.are_present();
        match request_info["address"].as_str() {
            Some(address) => {
                let message = format!("the gateway sees this client at {address}");
                self.add_finding(Finding::new("address", Verdict::Good, message));
            }
            // On loopback, and from a trusted machine, there is no client address.
            None if self.server_address.is_some_and(is_this_machine) => {
                let message = "client addresses cannot be checked from the gateway's own machine";
                let advice = "examine it from another machine".to_owned();
                self.add_finding(Finding::new("address", Verdict::Unknown, message).advise(advice));
            }
            None if proxied => {
                let message = "the gateway does not know this client's address";
                let advice = self.advice("address");
                self.add_finding(Finding::new("address", Verdict::Fair, message).advise(advice));
            }
            None => {
                let message =
                    "the gateway sees no client address, or takes this client for a trusted proxy";
                self.add_finding(Finding::new("address", Verdict::Unknown, message));
            }
        }
    }
}

/// Whether `address` is one of this machine. No packet is sent.
fn is_this_machine(address: SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let here = || {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(address).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    address.ip().to_canonical().is_loopback() || here() == Some(address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        assert!(is_this_machine(([127, 0, 0, 1], 80).into()));
        assert!(is_this_machine(([127, 9, 9, 9], 80).into()));
        assert!(is_this_machine("[::ffff:127.0.0.1]:80".parse().expect("an address")));
        // An address for documentation (RFC 5737).
        assert!(!is_this_machine(([192, 0, 2, 1], 80).into()));
    }
}
