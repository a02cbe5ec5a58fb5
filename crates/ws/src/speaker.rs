//! The speaking half of a connection: what comes in is carried out and answered.

use std::{future::ready, sync::Arc};

use bytes::Bytes;
use serde_json::value::RawValue;
use tricast_core::{
    Access, Ack, Act, Answer, Change, ChannelName, CloseReason, CommandError, Control, Data,
    Denied, Done, Draft, Hub, Identity, Kind, PRESENCE_PAGE, Problem, PublishError, Publisher,
    Reply, Session, Work, admit, admit_message, json_length,
};

use crate::{
    command::{self, Command, Order, Refusal},
    packed::Packed,
    rules::Rules,
};

/// To read a longer command takes time that a thread that serves others does not have: whoever drives this moves what
/// does not end at once to the runtime.
const LONG: usize = 32 * 1024;

/// What is around an answer on its way: the envelope, and a frame's head.
const AROUND: usize = 256;

/// What is to be done about what the reader of `session` says: carried out and answered, or, if it comes faster than
/// is `allowed`, refused, at the least cost.
pub(crate) fn respond(
    session: &Session,
    saying: Saying,
    rules: &Arc<Rules>,
    allowed: bool,
) -> Work {
    if allowed {
        return Box::pin(Speaker::of(session).hear(saying, rules.clone()));
    }
    let raw = session.format().variant().raw;
    Box::pin(ready(if raw { Err(CloseReason::Overloaded) } else { Ok(too_fast(&saying, rules)) }))
}

/// Refuses what nobody has looked at but for its `ref`, and not even for that if it is long or still packed.
fn too_fast(saying: &Saying, rules: &Rules) -> Reply {
    let reference = match saying {
        Saying::Text(text) if text.len() <= LONG => command::reference(text),
        _ => None,
    };
    let rate = rules.rate.map_or(0, u32::from);
    let detail = format!("this connection may send {rate} messages a second; wait a moment");
    Reply::Say(Box::new(Control::Error(CommandError { reference, kind: Kind::TooFast, detail })))
}

/// Carries out what one connection says.
#[derive(Debug)]
struct Speaker {
    hub: Arc<Hub>,
    identity: Arc<Identity>,
    access: Arc<dyn Access>,
    /// The channels of the connection; exactly one when raw. Presence channels, where nobody speaks, only if there is
    /// no other.
    channels: Vec<ChannelName>,
    /// Frames are data, not commands.
    raw: bool,
}

/// One inbound message.
#[derive(Debug)]
pub(crate) enum Saying {
    Text(String),
    Binary(Bytes),
    /// To be unpacked first.
    Packed(Packed),
}

impl Speaker {
    /// The reader of `session`, speaking.
    fn of(session: &Session) -> Self {
        let mut channels = session.channels();
        if !channels.iter().all(ChannelName::is_presence) {
            channels.retain(|channel| !channel.is_presence());
        }
        Self {
            hub: session.hub().clone(),
            identity: session.identity().clone(),
            access: session.access().clone(),
            channels,
            raw: session.format().variant().raw,
        }
    }

    /// Carries out what was heard; gives the answer, or why the connection must end.
    async fn hear(self, heard: Saying, rules: Arc<Rules>) -> Answer {
        let heard = match heard {
            Saying::Packed(packed) => {
                // Not on a thread that serves others: a few bytes may become megabytes.
                tokio::task::yield_now().await;
                packed.unpack()?
            }
            heard => heard,
        };
        if self.raw {
            return self.publish_raw(heard).await.map(|()| Reply::Silence);
        }
        let refusal = match heard {
            Saying::Text(text) => match self.obey(&text, &rules).await {
                Ok(reply) => return Ok(reply),
                Err(refusal) => refusal,
            },
            Saying::Binary(_) | Saying::Packed(_) => Refusal {
                kind: Kind::BadCommand,
                detail: "binary frames need ?format=raw; here commands are text frames".to_owned(),
                reference: None,
            },
        };
        let Refusal { kind, detail, reference } = refusal;
        Ok(Reply::Say(Box::new(Control::Error(CommandError { reference, kind, detail }))))
    }

    async fn obey(&self, text: &str, rules: &Rules) -> Result<Reply, Refusal> {
        if text.len() > LONG {
            tokio::task::yield_now().await;
        }
        let publisher = Publisher::from(&*self.identity);
        let Command { order, reference } = command::parse(text, &self.channels, &publisher)?;
        let done = self.carry_out(order, rules, reference.clone()).await;
        done.map_err(|(kind, detail)| Refusal { kind, detail, reference })
    }

    async fn carry_out(
        &self,
        order: Order,
        rules: &Rules,
        reference: Option<Box<RawValue>>,
    ) -> Result<Reply, (Kind, String)> {
        let log = self.hub.log();
        let done = match order {
            Order::Publish(draft) => {
                let most = rules.message_bytes;
                if draft.data.as_bytes().len() > most {
                    let detail = format!("the data is above the limit of {most} bytes; send less");
                    return Err((Kind::TooLarge, detail));
                }
                self.may_say(&draft).await?;
                let shown = self.identity.key().is_some() || log.rules_of(&draft.channel).online;
                let receipt = self.hub.publish(*draft).await.map_err(|error| told(&error))?;
                Done::Published {
                    published: receipt.id,
                    subscribers: shown.then_some(receipt.subscribers),
                    duplicate: receipt.duplicate,
                }
            }
            Order::Subscribe { channel, start } => {
                self.may(Act::Subscribe, &channel).await?;
                let change = Change::subscribe(&self.hub, channel, start, reference).await;
                return change.map(Box::new).map(Reply::Change).map_err(|error| told(&error));
            }
            Order::Unsubscribe(channel) => {
                return Ok(Reply::Change(Box::new(Change::unsubscribe(channel, reference))));
            }
            Order::Online(channel) => {
                self.may(Act::Look, &channel).await?;
                let count = log.census(channel).map_err(|error| told(&error))?;
                Done::Counted { count: Box::new(count) }
            }
            Order::Presence { channel, after } => {
                tokio::task::yield_now().await;
                self.may(Act::Look, &channel).await?;
                let page = log.presence(channel, after.as_ref(), PRESENCE_PAGE);
                let presence = Box::new(page.map_err(|error| told(&error))?);
                return self.say_whole(Done::Present { presence }, reference);
            }
            Order::History { channel, start } => {
                // A page may take milliseconds: not on a thread that serves others.
                tokio::task::yield_now().await;
                self.may(Act::Look, &channel).await?;
                let page = log.page(channel, start).map_err(|error| told(&error))?;
                return self.say_whole(Done::Looked { history: Box::new(page) }, reference);
            }
            Order::Renew(token) => {
                let renewed = self.access.clone().renew(token).await;
                let access = renewed.map_err(|error| told(&error))?;
                return Ok(Reply::Change(Box::new(Change::renew(access, reference))));
            }
            Order::Ping => Done::Pong {},
        };
        Ok(Reply::Say(Box::new(Control::Ack(Ack { reference, done }))))
    }

    /// Says what may be large, if there is memory for it.
    fn say_whole(
        &self,
        done: Done,
        reference: Option<Box<RawValue>>,
    ) -> Result<Reply, (Kind, String)> {
        let control = Box::new(Control::Ack(Ack { reference, done }));
        let bytes = json_length(&*control) + AROUND;
        let share = self.hub.answers().share(self.identity.address, bytes);
        Ok(Reply::SayWhole(control, share.map_err(|error| told(&error))?))
    }

    async fn may(&self, act: Act, channel: &ChannelName) -> Result<(), (Kind, String)> {
        let admitted = admit(&*self.access, act, channel).await;
        admitted.map_err(|denied| self.refuse(act, channel, &denied))
    }

    fn refuse(&self, act: Act, channel: &ChannelName, denied: &Denied) -> (Kind, String) {
        self.access.refused(act, channel, denied);
        told(denied)
    }

    async fn may_say(&self, draft: &Draft) -> Result<(), (Kind, String)> {
        let bytes = draft.data.as_bytes().len();
        let admitted = admit_message(&*self.access, &draft.channel, bytes).await;
        admitted.map_err(|denied| self.refuse(Act::Publish, &draft.channel, &denied))
    }

    async fn publish_raw(&self, heard: Saying) -> Result<(), CloseReason> {
        let data = match heard {
            Saying::Text(text) => Data::Text(text),
            Saying::Binary(bytes) => Data::Bytes(bytes),
            // It was unpacked when it was heard.
            Saying::Packed(_) => return Err(CloseReason::Protocol),
        };
        let draft = Draft {
            channel: self.channels[0].clone(),
            event: None,
            data,
            publisher: Publisher::from(&*self.identity),
            skip_self: false,
            end: false,
            idempotency: None,
            at_least: 0,
        };
        if let Err((kind, _)) = self.may_say(&draft).await {
            self.hub.meters().refused(kind);
            return Err(match kind {
                Kind::TooFast | Kind::Unavailable => CloseReason::Overloaded,
                Kind::TooLarge => CloseReason::TooLarge,
                _ => CloseReason::Forbidden,
            });
        }
        let published = self.hub.publish(draft).await;
        // A raw connection has no other way to hear of a failure than its end.
        published.map(|_| ()).map_err(|error| match error {
            PublishError::Draining => CloseReason::Draining,
            _ => CloseReason::Overloaded,
        })
    }
}

fn told(problem: &dyn Problem) -> (Kind, String) {
    (problem.kind(), problem.to_string())
}
