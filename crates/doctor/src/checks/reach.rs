//! How requests come to the gateway: by which version, under which address, from whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use http::Version;

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    obstacle::Obstacle,
};

impl Examination {
    pub(super) async fn look_at_the_way(&mut self) -> anyhow::Result<()> {
        let answer = self.client.get(&format!("/online/{}", self.client.channel)).await?;
        let version = answer.version();
        let proxy = self.proxy.map_or("no proxy shows itself", |proxy| proxy.name());
        let said = format!("{version:?} to here; {proxy}");
        self.found(match version {
            Version::HTTP_2 | Version::HTTP_3 => Finding::new("version", Verdict::Good, said),
            _ => {
                let said = format!(
                    "{said}. A browser opens six connections at most to one host over HTTP/1.1"
                );
                Finding::new("version", Verdict::Fair, said).advise(
                    "offer HTTP/2 (TLS with ALPN) to browsers that open several streams".to_owned(),
                )
            }
        });
        self.look_at_certificate();
        self.look_at_what_arrives();
        Ok(())
    }

    /// What `--ca` makes good here, and nobody else's clients overlook.
    fn look_at_certificate(&mut self) {
        for Obstacle { said, advice } in self.client.remarks.get().cloned().unwrap_or_default() {
            let said = format!("{said}; others than --ca will refuse it");
            self.found(Finding::new("certificate", Verdict::Fair, said).advise(advice));
        }
    }

    fn look_at_what_arrives(&mut self) {
        let Some(seen) = self.seen.clone() else {
            let said = "the gateway's page is off, so what proxies add to requests cannot be seen (dashboard = \"on\")";
            self.found(Finding::new("arrives", Verdict::Unknown, said));
            return;
        };
        let version = seen["http"].as_str().unwrap_or_default();
        let finding =
            Finding::new("arrives", Verdict::Good, format!("at the gateway in {version}"));
        self.found(match version {
            "HTTP/1.0" => {
                Finding { verdict: Verdict::Bad, ..finding }.advise(self.advice("http-1.0"))
            }
            _ => finding,
        });
        let (url, own) = (seen["url"].as_str().unwrap_or_default(), self.client.place().url(""));
        let finding =
            Finding::new("url", Verdict::Good, format!("the gateway takes itself to be at {url}"));
        self.found(match url == own {
            true => finding,
            false => Finding { verdict: Verdict::Fair, ..finding }.advise(self.advice("url")),
        });
        let proxied = self.proxy.is_some() || seen["fields"]["x-forwarded-for"].is_string();
        match seen["address"].as_str() {
            Some(address) => {
                let said = format!("the gateway takes this client to be at {address}");
                self.found(Finding::new("address", Verdict::Good, said));
            }
            // On loopback, or from a trusted machine, there is no address to know.
            None if self.there.is_some_and(is_own) => {
                let said = "asked from its own machine, the gateway cannot show whether it knows its clients' addresses";
                let advice = "ask from another machine".to_owned();
                self.found(Finding::new("address", Verdict::Unknown, said).advise(advice));
            }
            None if proxied => {
                let said = "the gateway does not know this client's address";
                let advice = self.advice("address");
                self.found(Finding::new("address", Verdict::Fair, said).advise(advice));
            }
            None => {
                let said = "the gateway takes this client for nobody, or for one of its proxies";
                self.found(Finding::new("address", Verdict::Unknown, said));
            }
        }
    }
}

/// Whether it is this machine that answers there. No packet is sent for that.
fn is_own(there: SocketAddr) -> bool {
    let any: IpAddr = match there {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let here = || {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(there).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    there.ip().to_canonical().is_loopback() || here() == Some(there.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        assert!(is_own(([127, 0, 0, 1], 80).into()));
        assert!(is_own(([127, 9, 9, 9], 80).into()));
        assert!(is_own("[::ffff:127.0.0.1]:80".parse().expect("an address")));
        // Of documentation (RFC 5737).
        assert!(!is_own(([192, 0, 2, 1], 80).into()));
    }
}
