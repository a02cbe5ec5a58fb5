//! The speaking half of a connection: what comes in is published and answered.

use std::sync::Arc;

use bytes::Bytes;
use tricast_core::{
    Ack, ChannelName, CloseReason, CommandError, Control, Data, Draft, Hub, Kind, Problem,
    PublishError, Publisher, Session,
};

use crate::command::{self, Refusal};

/// Publishes what one connection says.
#[derive(Debug)]
pub(crate) struct Speaker {
    hub: Arc<Hub>,
    /// The channels of the connection; at least one, exactly one when raw.
    channels: Vec<ChannelName>,
    publisher: Publisher,
    /// Frames are data, not commands.
    raw: bool,
}

/// One inbound message.
#[derive(Debug)]
pub(crate) enum Saying {
    Text(String),
    Binary(Bytes),
}

impl Speaker {
    /// The reader of `session`, speaking.
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            hub: session.hub().clone(),
            channels: session.channels(),
            publisher: session.identity().clone().into(),
            raw: session.format().variant().raw,
        }
    }

    /// Carries out what was heard; gives the answer, or why the connection must end.
    pub(crate) async fn hear(&self, heard: Saying) -> Result<Option<Control>, CloseReason> {
        if self.raw {
            return self.publish_raw(heard).await.map(|()| None);
        }
        let answer = match heard {
            Saying::Text(text) => self.obey(&text).await,
            Saying::Binary(_) => Err(Refusal {
                kind: Kind::BadCommand,
                detail: "binary frames need ?format=raw; here commands are text frames".to_owned(),
                reference: None,
            }),
        };
        Ok(Some(match answer {
            Ok(ack) => Control::Ack(ack),
            Err(refusal) => {
                self.hub.meters().refused(refusal.kind);
                refusal.into()
            }
        }))
    }

    async fn obey(&self, text: &str) -> Result<Ack, Refusal> {
        let command = command::parse(text, &self.channels, &self.publisher)?;
        let reference = command.reference;
        match self.hub.publish(command.draft).await {
            Ok(receipt) => Ok(Ack {
                reference,
                published: receipt.id,
                subscribers: receipt.subscribers,
                duplicate: receipt.duplicate,
            }),
            Err(error) => Err(Refusal { kind: error.kind(), detail: error.to_string(), reference }),
        }
    }

    async fn publish_raw(&self, heard: Saying) -> Result<(), CloseReason> {
        let data = match heard {
            Saying::Text(text) => Data::Text(text),
            Saying::Binary(bytes) => Data::Bytes(bytes),
        };
        let draft = Draft {
            channel: self.channels[0].clone(),
            event: None,
            data,
            publisher: self.publisher.clone(),
            skip_self: false,
            end: false,
            idempotency: None,
            at_least: 0,
        };
        let published = self.hub.publish(draft).await;
        // A raw connection has no other way to hear of a failure than its end.
        published.map(|_| ()).map_err(|error| match error {
            PublishError::Draining => CloseReason::Draining,
            _ => CloseReason::Overloaded,
        })
    }
}

impl From<Refusal> for Control {
    fn from(refusal: Refusal) -> Self {
        Control::Error(CommandError {
            reference: refusal.reference,
            kind: refusal.kind.urn(),
            detail: refusal.detail,
        })
    }
}
