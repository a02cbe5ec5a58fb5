//! Runs the commands of a connection and makes their replies.

use std::{
    future::{Future as _, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use serde_json::value::RawValue;
use tricast_core::{
    Access, Action, AnswerReservation, Change, ChannelName, CloseReason, CommandFuture,
    CommandOutcome, CommandResult, Data, Denied, Draft, Hub, Identity, Kind, PRESENCE_PAGE,
    Problem, PublishError, Publisher, Receipt, Reply, Session, authorize, authorize_publish,
    json_length,
};

use crate::{
    answer::{Ack, AckBody, CommandRefusal, reply_to_change},
    command::{self, Command, ParsedCommand},
    compressed::CompressedMessage,
    kinds,
    limits::{CommandRateLimiter, InboundLimits, RateCheck},
    publish_window::{InFlight, PublishWindow},
};

/// The longest command that is parsed on a thread that serves other connections. A longer one
/// yields first, so that the driver of the connection moves it to the runtime.
const LARGE_COMMAND_BYTES: usize = 32 * 1024;

/// Bytes of a reply beside its document: the envelope, and the frame's header.
const REPLY_ENVELOPE_BYTES: usize = 256;

/// Starts to handle a message of the client that reads `session`. A message above the rate limit is
/// refused at the least cost.
pub(crate) fn respond(
    session: &Session,
    message: ClientMessage,
    limits: &Arc<InboundLimits>,
    rate_limiter: &mut CommandRateLimiter,
    window: &PublishWindow,
) -> CommandFuture {
    if rate_limiter.check(limits) == RateCheck::Allowed {
        let handler = CommandHandler::for_session(session, window.clone());
        return Box::pin(handler.handle(message, limits.clone()));
    }
    let raw = session.format().variant().raw;
    Box::pin(ready(CommandOutcome::Done(if raw {
        Err(CloseReason::Overloaded)
    } else {
        Ok(rate_limited(&message, limits))
    })))
}

/// Refuses a message above the rate limit. Only its `ref` is read, and not even that if the message
/// is long or compressed.
fn rate_limited(message: &ClientMessage, limits: &InboundLimits) -> Reply {
    let reference = match message {
        ClientMessage::Text(text) if text.len() <= LARGE_COMMAND_BYTES => {
            command::parse_reference(text)
        }
        _ => None,
    };
    let rate = limits.rate.map_or(0, u32::from);
    let detail = format!("this connection may send {rate} messages a second; wait a moment");
    CommandRefusal { reference, kind: Kind::TooFast, detail }.into()
}

/// Runs the commands of one connection.
#[derive(Debug)]
struct CommandHandler {
    hub: Arc<Hub>,
    identity: Arc<Identity>,
    access: Arc<dyn Access>,
    /// The channels of the connection; exactly one when raw. Presence channels, to which no client
    /// publishes, only if there are no others.
    channels: Vec<ChannelName>,
    /// Messages are data, not commands.
    raw: bool,
    /// The publishes of the connection that are in flight.
    window: PublishWindow,
}

/// A message of a client.
#[derive(Debug)]
pub(crate) enum ClientMessage {
    Text(String),
    Binary(Bytes),
    /// To be decompressed first.
    Compressed(CompressedMessage),
}

impl CommandHandler {
    /// Makes a handler for the client that reads `session`.
    fn for_session(session: &Session, window: PublishWindow) -> Self {
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
            window,
        }
    }

    /// Handles a message: returns the reply, or the reason with which the connection must end.
    async fn handle(self, message: ClientMessage, limits: Arc<InboundLimits>) -> CommandOutcome {
        let message = match message {
            ClientMessage::Compressed(compressed) => {
                // Not on a thread that serves other connections: a few bytes may become megabytes.
                tokio::task::yield_now().await;
                match compressed.decompress() {
                    Ok(message) => message,
                    Err(reason) => return CommandOutcome::Done(Err(reason)),
                }
            }
            message => message,
        };
        if self.raw {
            let published = self.publish_raw(message).await;
            return published.unwrap_or_else(|reason| CommandOutcome::Done(Err(reason)));
        }
        let refusal = match message {
            ClientMessage::Text(text) => match self.parse_and_run(&text, &limits).await {
                Ok(outcome) => return outcome,
                Err(refusal) => refusal,
            },
            ClientMessage::Binary(_) | ClientMessage::Compressed(_) => CommandRefusal {
                kind: kinds::BAD_COMMAND,
                detail: "binary frames need ?format=raw; send commands as text frames".to_owned(),
                reference: None,
            },
        };
        CommandOutcome::Done(Ok(refusal.into()))
    }

    async fn parse_and_run(
        &self,
        text: &str,
        limits: &InboundLimits,
    ) -> Result<CommandOutcome, CommandRefusal> {
        if text.len() > LARGE_COMMAND_BYTES {
            tokio::task::yield_now().await;
        }
        let publisher = Publisher::from(&*self.identity);
        let ParsedCommand { command, reference } =
            command::parse(text, &self.channels, &publisher)?;
        let done = self.run(command, limits, text.len(), reference.clone()).await;
        done.map_err(|(kind, detail)| CommandRefusal { kind, detail, reference })
    }

    async fn run(
        &self,
        command: Command,
        limits: &InboundLimits,
        bytes: usize,
        reference: Option<Box<RawValue>>,
    ) -> Result<CommandOutcome, (Kind, String)> {
        if !matches!(command, Command::Publish(_)) {
            // It may depend on what was published before it.
            self.window.settled().await;
        }
        let log = self.hub.log();
        let reply = match command {
            Command::Publish(draft) => {
                return self.publish(*draft, limits, bytes, reference).await;
            }
            Command::Subscribe { channel, start } => {
                self.authorize(Action::Subscribe, &channel).await?;
                let change = Change::subscribe(&self.hub, channel, start).await;
                reply_to_change(change.map_err(|error| refusal_of(&error))?, reference)
            }
            Command::Unsubscribe(channel) => {
                reply_to_change(Change::unsubscribe(channel), reference)
            }
            Command::Online(channel) => {
                self.authorize(Action::Read, &channel).await?;
                let count = log.online_report(channel).map_err(|error| refusal_of(&error))?;
                ack(reference, AckBody::Online { count: Box::new(count) })
            }
            Command::Presence { channel, after } => {
                tokio::task::yield_now().await;
                self.authorize(Action::Read, &channel).await?;
                let page = log.presence_page(channel, after.as_ref(), PRESENCE_PAGE);
                let presence = Box::new(page.map_err(|error| refusal_of(&error))?);
                let reserved = self.reserve(json_length(&presence), reference.as_deref())?;
                let body = AckBody::Presence { presence };
                let frame = Ack { reference, body }.encoded(None);
                Reply::Frame(reserved.attach_to(frame))
            }
            Command::History { channel, start } => {
                // A page may take milliseconds: not on a thread that serves other connections.
                tokio::task::yield_now().await;
                self.authorize(Action::Read, &channel).await?;
                let selection = self.hub.select_history(channel, start, &self.identity).await;
                let selection = selection.map_err(|error| refusal_of(&error))?;
                // Refusing must stay cheap under load: memory first, then the page.
                let reserved = self.reserve(selection.json_length(), reference.as_deref())?;
                let body = AckBody::History { history: Box::new(selection.into_page()) };
                let frame = Ack { reference, body }.encoded(None);
                Reply::Frame(reserved.attach_to(frame))
            }
            Command::Renew(token) => {
                let renewed = self.access.clone().renew(token).await;
                let access = renewed.map_err(|error| refusal_of(&error))?;
                reply_to_change(Change::renew(access), reference)
            }
            Command::Prompt(prompt) => {
                let prompts = limits.prompts.as_ref().ok_or_else(no_prompts)?;
                let prompted = prompts.prompt(self.access.clone(), *prompt).await?;
                ack(reference, AckBody::Prompted(prompted))
            }
            Command::Cancel(run) => {
                let prompts = limits.prompts.as_ref().ok_or_else(no_prompts)?;
                let cancelled = prompts.cancel(self.access.clone(), run).await?;
                ack(reference, AckBody::Cancelled(cancelled))
            }
            Command::Ping => ack(reference, AckBody::Pong {}),
        };
        Ok(CommandOutcome::Done(Ok(reply)))
    }

    /// Publishes a message; `bytes` is the length of the whole command.
    async fn publish(
        &self,
        draft: Draft,
        limits: &InboundLimits,
        bytes: usize,
        reference: Option<Box<RawValue>>,
    ) -> Result<CommandOutcome, (Kind, String)> {
        let most = limits.message_bytes;
        if draft.data.as_bytes().len() > most {
            let detail = format!("the data is above the limit of {most} bytes; send less");
            return Err((Kind::TooLarge, detail));
        }
        self.authorize_publish(&draft).await?;
        let shows_subscribers =
            self.identity.api_key().is_some() || self.hub.log().rules_for(&draft.channel).online;
        let reply = move |settled: Result<Receipt, PublishError>| match settled {
            Ok(receipt) => {
                let body = AckBody::Published {
                    published: receipt.id,
                    subscribers: shows_subscribers.then_some(receipt.subscribers),
                    duplicate: receipt.duplicate,
                };
                Ok(ack(reference, body))
            }
            Err(error) => {
                let (kind, detail) = refusal_of(&error);
                Ok(CommandRefusal { kind, detail, reference }.into())
            }
        };
        Ok(self.send(draft, bytes, reply).await)
    }

    /// Sends a message to the engine once the window has room. `reply` makes the result of the
    /// command, at once if the engine has settled it.
    async fn send(
        &self,
        draft: Draft,
        bytes: usize,
        reply: impl FnOnce(Result<Receipt, PublishError>) -> CommandResult + Send + 'static,
    ) -> CommandOutcome {
        let in_flight = self.window.enter(bytes).await;
        let mut publication = match self.hub.append(draft) {
            Ok(publication) => publication,
            Err(refused) => return CommandOutcome::Done(reply(Err(refused))),
        };
        let settle = |settled, in_flight: InFlight| {
            if is_unknown(&settled) {
                in_flight.record_unknown();
            }
            reply(settled)
        };
        match Pin::new(&mut publication).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(settled) => CommandOutcome::Done(settle(settled, in_flight)),
            Poll::Pending => {
                CommandOutcome::Later(Box::pin(async move { settle(publication.await, in_flight) }))
            }
        }
    }

    /// Reserves memory for a reply with a document of `length` bytes.
    fn reserve(
        &self,
        length: usize,
        reference: Option<&RawValue>,
    ) -> Result<AnswerReservation, (Kind, String)> {
        let reference = reference.map_or(0, |reference| reference.get().len());
        let bytes = length + reference + REPLY_ENVELOPE_BYTES;
        let reservation = self.hub.answer_memory().reserve(self.identity.address, bytes);
        reservation.map_err(|error| refusal_of(&error))
    }

    async fn authorize(&self, act: Action, channel: &ChannelName) -> Result<(), (Kind, String)> {
        let admitted = authorize(&*self.access, act, channel).await;
        admitted.map_err(|denied| self.record_denial(act, channel, &denied))
    }

    fn record_denial(&self, act: Action, channel: &ChannelName, denied: &Denied) -> (Kind, String) {
        self.access.record_denial(act, channel, denied);
        refusal_of(denied)
    }

    async fn authorize_publish(&self, draft: &Draft) -> Result<(), (Kind, String)> {
        let bytes = draft.data.as_bytes().len();
        let admitted = authorize_publish(&*self.access, &draft.channel, bytes).await;
        admitted.map_err(|denied| self.record_denial(Action::Publish, &draft.channel, &denied))
    }

    async fn publish_raw(&self, message: ClientMessage) -> Result<CommandOutcome, CloseReason> {
        let data = match message {
            ClientMessage::Text(text) => Data::Text(text),
            ClientMessage::Binary(bytes) => Data::Bytes(bytes),
            // `handle` has decompressed it.
            ClientMessage::Compressed(_) => return Err(CloseReason::Protocol),
        };
        let bytes = data.as_bytes().len();
        let draft = Draft::new(self.channels[0].clone(), data).with_publisher(&*self.identity);
        if let Err((kind, _)) = self.authorize_publish(&draft).await {
            self.hub.meters().count_refusal(kind);
            return Err(match kind {
                Kind::TooFast | Kind::Unavailable => CloseReason::Overloaded,
                Kind::TooLarge => CloseReason::TooLarge,
                _ => CloseReason::Forbidden,
            });
        }
        // On a raw connection, only its end can report a failure.
        let reply = |settled: Result<Receipt, PublishError>| match settled {
            Ok(_) => Ok(Reply::Empty),
            Err(PublishError::Draining) => Err(CloseReason::Draining),
            Err(_) => Err(CloseReason::Overloaded),
        };
        Ok(self.send(draft, bytes, reply).await)
    }
}

fn ack(reference: Option<Box<RawValue>>, body: AckBody) -> Reply {
    Reply::Frame(Ack { reference, body }.encoded(None))
}

fn no_prompts() -> (Kind, String) {
    (Kind::Forbidden, "this gateway takes no prompts".to_owned())
}

fn refusal_of(problem: &dyn Problem) -> (Kind, String) {
    (problem.kind(), problem.to_string())
}

fn is_unknown(settled: &Result<Receipt, PublishError>) -> bool {
    settled.as_ref().is_err_and(|error| error.kind() == Kind::OutcomeUnknown)
}
