//! How requests come to the gateway: by which version, under which address, from whom.

use http::Version;

use super::Examination;
use crate::diagnosis::{Finding, Verdict};

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
        self.look_at_what_arrives();
        Ok(())
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
            None if proxied => {
                let said =
                    "the gateway does not know this client's address (nor should it, on loopback)";
                let advice = self.advice("address");
                self.found(Finding::new("address", Verdict::Fair, said).advise(advice));
            }
            None => {}
        }
    }
}
