//! The generic delivery of this wire: a session and its commands over any upgraded connection.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};
use tricast_core::{
    CloseReason, CommandFuture, CommandOutcome, CommandResult, Control, Flow, FlowStep, Goodbye,
    ReplyQueue, Session, StreamEnd,
};

use crate::{
    checked_lengths::{BadLength, CheckedLengths},
    close::close_code,
    command_handler::{ClientMessage, respond},
    limits::{CommandRateLimiter, InboundLimits},
    publish_window::PublishWindow,
};

/// Portions of the stream that are written before the peer is read from.
const PORTIONS_PER_TURN: u32 = 4;

/// Time that a peer has to reply to the close frame.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// The size of the read buffer. The default, 128 KiB, would be most of the memory of an idle
/// connection.
const READ_BUFFER_BYTES: usize = 1024;

/// Serves one connection until either side ends it. The handshake on `io` is complete.
pub async fn serve<IO>(io: IO, session: Session, limits: Arc<InboundLimits>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let max_message = limits.max_message_bytes(session.format().variant().raw);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    let io = CheckedLengths::new(io);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let mut driver = ConnDriver {
        flow: Flow::new(session),
        limits,
        rate_limiter: CommandRateLimiter::default(),
        window: PublishWindow::default(),
        replies: ReplyQueue::default(),
    };
    let ended = driver.run(&mut socket).await;
    // Nobody is left to send the replies to; what was published is counted all the same.
    let replies = std::mem::take(&mut driver.replies);
    if !replies.is_empty() {
        tokio::spawn(replies.settle());
    }
    let cause = match ended {
        Ok(cause) => cause,
        Err(PeerGone(end)) => return driver.flow.session_mut().record_end(end),
    };
    driver.flow.session_mut().record_end(StreamEnd::Closed(cause.reason()));
    let goodbye = match cause {
        EndCause::GoodbyeSent(_) => None,
        EndCause::GoodbyeDue(reason) => {
            let goodbye = Control::Goodbye(Goodbye::new(reason, 0));
            driver.flow.session().encode_control(&goodbye)
        }
    };
    // The reader leaves its channels here; nothing more is read from the log.
    drop(driver);
    let _ = timeout(CLOSE_DEADLINE, close_handshake(&mut socket, goodbye, cause.reason())).await;
}

/// Sends the goodbye and a close frame, and waits for the peer to close. To close a socket with
/// unread bytes would reset the connection, and the close frame could be lost with it.
async fn close_handshake<IO>(
    socket: &mut WebSocketStream<IO>,
    goodbye: Option<Bytes>,
    reason: CloseReason,
) -> Result<(), PeerGone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    write(socket, goodbye).await?;
    let close = CloseFrame { code: close_code(reason).into(), reason: reason.name().into() };
    socket.close(Some(close)).await.map_err(gone)?;
    loop {
        match socket.next().await {
            Some(Ok(_)) => {}
            None | Some(Err(Error::ConnectionClosed)) => return Ok(()),
            // After a broken frame, the bytes can no longer be decoded.
            Some(Err(_)) => break,
        }
    }
    let io = socket.get_mut();
    io.shutdown().await.map_err(PeerGone::of)?;
    let mut ignored = [0; 512];
    while io.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
    Ok(())
}

/// Why the gateway ends a connection.
#[derive(Clone, Copy)]
enum EndCause {
    /// The stream has ended, with a goodbye if its format has one.
    GoodbyeSent(CloseReason),
    /// A cause outside the stream; the goodbye is still to be sent.
    GoodbyeDue(CloseReason),
}

impl EndCause {
    fn reason(self) -> CloseReason {
        match self {
            EndCause::GoodbyeSent(reason) | EndCause::GoodbyeDue(reason) => reason,
        }
    }
}

/// The peer has left, or its connection has failed, so no goodbye is sent.
struct PeerGone(StreamEnd);

impl PeerGone {
    fn of(error: io::Error) -> Self {
        Self(StreamEnd::of_error(error.kind()))
    }
}

/// A frame that was received.
enum Received {
    Message(ClientMessage),
    /// A control frame, which the library handles.
    Control,
    End(EndCause),
}

struct ConnDriver {
    flow: Flow,
    limits: Arc<InboundLimits>,
    rate_limiter: CommandRateLimiter,
    window: PublishWindow,
    /// Replies that wait for their results, or for earlier ones.
    replies: ReplyQueue,
}

impl ConnDriver {
    /// Writes the stream and reads commands until the connection ends.
    ///
    /// Nothing is read while a command runs, its reply is being written, or too many replies wait,
    /// so that a peer can pile up neither work nor replies.
    async fn run<IO>(&mut self, socket: &mut WebSocketStream<IO>) -> Result<EndCause, PeerGone>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut command: Option<CommandFuture> = None;
        let mut portions = 0;
        loop {
            let writes = portions < PORTIONS_PER_TURN;
            self.flow.session_mut().set_awaits_replies(!self.replies.is_empty());
            tokio::select! {
                biased;
                step = poll_fn(|cx| self.flow.poll_step(cx)), if writes => {
                    portions += 1;
                    self.write_output(socket).await?;
                    if let FlowStep::End(reason) = step {
                        return Ok(EndCause::GoodbyeSent(reason));
                    }
                }
                result = next_reply(&mut self.replies), if !self.replies.is_empty() => {
                    match result {
                        Ok(reply) => self.flow.apply_reply(reply),
                        Err(reason) => return Ok(EndCause::GoodbyeDue(reason)),
                    }
                    self.write_output(socket).await?;
                }
                outcome = finished(&mut command), if command.is_some() => {
                    command = None;
                    self.replies.push(outcome);
                }
                received = receive(socket), if command.is_none() && !self.replies.is_full() => {
                    match self.handle_received(socket, received).await? {
                        Received::Message(message) => command = Some(self.start(message)),
                        Received::Control => {}
                        Received::End(cause) => return Ok(cause),
                    }
                }
                // A client that has much to catch up with is read from in between.
                () = std::future::ready(()), if !writes => portions = 0,
            }
        }
    }

    async fn write_output<IO>(&mut self, socket: &mut WebSocketStream<IO>) -> Result<(), PeerGone>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        write(socket, std::iter::from_fn(|| self.flow.next_chunk())).await
    }

    async fn handle_received<IO>(
        &mut self,
        socket: &mut WebSocketStream<IO>,
        received: Option<Result<Message, Error>>,
    ) -> Result<Received, PeerGone>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let message = match received.ok_or(PeerGone(StreamEnd::Left))? {
            Ok(message) => message,
            Err(error) => {
                return match close_reason(&error) {
                    Some(reason) => Ok(Received::End(EndCause::GoodbyeDue(reason))),
                    None => Err(gone(error)),
                };
            }
        };
        self.flow.session_mut().record_peer_activity();
        match message {
            Message::Text(text) => {
                Ok(Received::Message(ClientMessage::Text(text.as_str().to_owned())))
            }
            Message::Binary(bytes) => Ok(Received::Message(ClientMessage::Binary(bytes))),
            Message::Close(_) => {
                self.write_replies(socket).await?;
                // The library has queued the reply.
                let _ = socket.flush().await;
                Err(PeerGone(StreamEnd::Left))
            }
            _ => Ok(Received::Control),
        }
    }

    /// Waits for the replies to all commands and writes them, before the reply to a close frame.
    async fn write_replies<IO>(&mut self, socket: &mut WebSocketStream<IO>) -> Result<(), PeerGone>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        while !self.replies.is_empty() {
            if let Ok(reply) = next_reply(&mut self.replies).await {
                self.flow.apply_reply(reply);
            }
            let chunks = std::iter::from_fn(|| self.flow.next_chunk());
            write_chunks(socket, chunks).await?;
        }
        Ok(())
    }

    fn start(&mut self, message: ClientMessage) -> CommandFuture {
        let Self { flow, limits, rate_limiter, window, .. } = self;
        respond(flow.session(), message, limits, rate_limiter, window)
    }
}

/// Waits for a command that is there.
async fn finished(command: &mut Option<CommandFuture>) -> CommandOutcome {
    command.as_mut().expect("a command is running").await
}

/// Waits for the next of the replies that are there.
async fn next_reply(replies: &mut ReplyQueue) -> CommandResult {
    poll_fn(|cx| replies.poll_next(cx)).await.expect("a reply waits")
}

/// Receives a frame, after everything that is queued has been written. The library replies to each
/// ping as it reads it, and would read on while its replies are queued: a peer that does not read
/// them could make it hold any number.
async fn receive<IO>(socket: &mut WebSocketStream<IO>) -> Option<Result<Message, Error>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = socket.flush().await {
        return Some(Err(error));
    }
    socket.next().await
}

/// Writes whole frames, after those that the library has queued. They bypass the library's buffer,
/// which would copy each, and keep the capacity of the largest while the connection lasts.
async fn write<IO>(
    socket: &mut WebSocketStream<IO>,
    chunks: impl IntoIterator<Item = Bytes>,
) -> Result<(), PeerGone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    socket.flush().await.map_err(gone)?;
    write_chunks(socket, chunks).await
}

/// Writes whole frames before those that the library has queued.
async fn write_chunks<IO>(
    socket: &mut WebSocketStream<IO>,
    chunks: impl IntoIterator<Item = Bytes>,
) -> Result<(), PeerGone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let io = socket.get_mut();
    for chunk in chunks {
        io.write_all(&chunk).await.map_err(PeerGone::of)?;
    }
    io.flush().await.map_err(PeerGone::of)
}

/// Returns how a connection ended that failed in this way.
fn gone(error: Error) -> PeerGone {
    match error {
        Error::Io(error) => PeerGone::of(error),
        // The peer closed its side, with a close frame or without.
        _ => PeerGone(StreamEnd::Left),
    }
}

/// Returns the reason to end a connection whose peer has violated the protocol.
fn close_reason(error: &Error) -> Option<CloseReason> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Utf8(_) => Some(CloseReason::Malformed),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(CloseReason::TooLarge),
        Error::Protocol(_) => Some(CloseReason::Protocol),
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<BadLength>()) => {
            Some(CloseReason::Protocol)
        }
        _ => None,
    }
}
