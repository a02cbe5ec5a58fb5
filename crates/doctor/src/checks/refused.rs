//! Explains a stream that was refused by the gateway or by something in between. A cause is named
//! only where it is known; otherwise all possible causes are, the most likely first.

use http::StatusCode;
use serde_json::json;

use super::Examination;
use crate::{
    advice::in_order,
    diagnosis::{Finding, Verdict},
    probe_error::ProbeError,
    refusal::{Refusal, named_in},
    wire::Wire,
};

#[cfg(test)]
mod tests;

/// What the gateway thinks of the origin of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Accepted,
    Refused,
    Unknown,
}

impl Examination<'_> {
    pub(super) async fn report_refusal(
        &mut self,
        wire: Wire,
        refusal: &Refusal,
    ) -> Result<(), ProbeError> {
        let finding = Finding::new("opens", Verdict::Bad, refusal.message());
        let finding = match refusal.problem().as_deref() {
            Some("forbidden-origin") => finding.advise(self.advice("host")),
            // The request has reached the gateway without its upgrade.
            Some("upgrade-required") => finding.advise(self.advice("no-upgrade")),
            // The gateway's own problem document says what to do.
            Some(_) => finding,
            None if wire == Wire::Ws => self.explain_handshake(refusal).await?,
            None => finding.advise(self.advice("refused")),
        };
        self.add_finding(finding.on(wire));
        Ok(())
    }

    /// Explains a handshake that was refused by a response that does not say whose it is, although
    /// other requests get through.
    async fn explain_handshake(&self, refusal: &Refusal) -> Result<Finding, ProbeError> {
        let message = refusal.message();
        let finding = |message| Finding::new("opens", Verdict::Bad, message);
        let origin = self.origin_at_gateway().await?;
        if refusal.status == StatusCode::FORBIDDEN && origin == Origin::Refused {
            let message = format!(
                "{message}; the gateway refuses a POST with the Origin of this host too \
                 (forbidden-origin), because it receives another Host"
            );
            return Ok(finding(message).advise(self.advice("host")));
        }
        let message = match self.is_gateway_named().await? {
            true => {
                format!("{message}; the gateway's other refusals have a Tricast-Problem header")
            }
            false => message,
        };
        let upgrade = self.advice("no-upgrade");
        let rule = self.advice("refused");
        let causes = match refusal.status.as_u16() {
            403 if origin == Origin::Unknown => vec![self.advice("host"), upgrade, rule],
            401 | 404 | 200..=399 => vec![rule, upgrade],
            _ => vec![upgrade, rule],
        };
        Ok(finding(message).advise(in_order(causes)))
    }

    /// Publishes as a page does, which is refused for its origin as a handshake is.
    async fn origin_at_gateway(&self) -> Result<Origin, ProbeError> {
        let refused = self.client.publish_as_page(&json!({ "doctor": "as a page" })).await?;
        Ok(match refused.map(|refusal| refusal.problem()) {
            None => Origin::Accepted,
            Some(Some(problem)) if problem == "forbidden-origin" => Origin::Refused,
            Some(_) => Origin::Unknown,
        })
    }

    /// Whether the header that names the gateway's problems gets through: a request for a WebSocket
    /// without a handshake is refused.
    async fn is_gateway_named(&self) -> Result<bool, ProbeError> {
        let path = format!("/ws/{}", self.client.channel);
        Ok(named_in(self.client.get(&path).await?.headers()).is_some())
    }
}
