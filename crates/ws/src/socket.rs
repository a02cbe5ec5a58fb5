//! The generic delivery of this wire: a session and a speaker over one upgraded connection.

use std::{future::poll_fn, sync::Arc, time::Duration};

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
        error::CapacityError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};
use tricast_core::{CloseReason, CommandFuture, Control, Flow, FlowStep, Goodbye, Session};

use crate::{
    close::close_code,
    command_handler::{ClientMessage, respond},
    limits::{CommandRateLimiter, InboundLimits},
};

/// Portions of the stream that go out before the peer is heard.
const READS_PER_TURN: u32 = 4;

/// How long a peer may take to answer our close frame.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// The read buffer: the default of 128 KiB would be most of what an idle connection costs.
const READ_BUFFER: usize = 1024;

/// Serves one connection until either side ends it. `io` is just behind the handshake.
pub async fn serve<IO>(io: IO, session: Session, limits: Arc<InboundLimits>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let max_message = limits.max_message_bytes(session.format().variant().raw);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let rate_limiter = CommandRateLimiter::default();
    let mut driver = ConnDriver { flow: Flow::new(session), limits, rate_limiter };
    let Ok(end) = driver.run(&mut socket).await else { return };
    let goodbye = match end {
        EndCause::GoodbyeSent(_) => None,
        EndCause::GoodbyeDue(reason) => {
            let goodbye = Control::Goodbye(Goodbye::new(reason, 0));
            driver.flow.session().encode_control(&goodbye)
        }
    };
    // From here on nothing is read from the log: the reader has left.
    drop(driver);
    let _ = timeout(CLOSE_DEADLINE, close_handshake(&mut socket, goodbye, end.reason())).await;
}

/// Says goodbye, closes, and waits until the peer has heard it: closing a socket with unread
/// bytes would reset the connection, and the close frame could be lost with it.
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
    socket.close(Some(close)).await.map_err(|_| PeerGone)?;
    loop {
        match socket.next().await {
            Some(Ok(_)) => {}
            None | Some(Err(Error::ConnectionClosed)) => return Ok(()),
            // What follows a broken frame cannot be read as frames.
            Some(Err(_)) => break,
        }
    }
    let io = socket.get_mut();
    io.shutdown().await.map_err(|_| PeerGone)?;
    let mut ignored = [0; 512];
    while io.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
    Ok(())
}

/// Why the gateway ends a connection.
#[derive(Clone, Copy)]
enum EndCause {
    /// The stream has said goodbye.
    GoodbyeSent(CloseReason),
    /// Something outside the stream; its goodbye is still to be said.
    GoodbyeDue(CloseReason),
}

impl EndCause {
    fn reason(self) -> CloseReason {
        match self {
            EndCause::GoodbyeSent(reason) | EndCause::GoodbyeDue(reason) => reason,
        }
    }
}

/// The peer has left; there is nobody to say goodbye to.
struct PeerGone;

struct ConnDriver {
    flow: Flow,
    limits: Arc<InboundLimits>,
    rate_limiter: CommandRateLimiter,
}

impl ConnDriver {
    /// Speaks and hears, one command at a time: while an answer is due, or has not left, nothing more is read, so
    /// that a peer can pile up neither work nor answers.
    async fn run<IO>(&mut self, socket: &mut WebSocketStream<IO>) -> Result<EndCause, PeerGone>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut pending_command: Option<CommandFuture> = None;
        let mut reads = 0;
        loop {
            tokio::select! {
                biased;
                step = poll_fn(|cx| self.flow.poll_step(cx)), if reads < READS_PER_TURN => {
                    reads += 1;
                    self.write_output(socket).await?;
                    if let FlowStep::End(reason) = step {
                        return Ok(EndCause::GoodbyeSent(reason));
                    }
                }
                result = async { pending_command.as_mut().expect("guarded").await }, if pending_command.is_some() => {
                    pending_command = None;
                    match result {
                        Ok(reply) => {
                            self.flow.apply_reply(reply);
                            self.write_output(socket).await?;
                        }
                        Err(reason) => return Ok(EndCause::GoodbyeDue(reason)),
                    }
                }
                received = receive(socket), if pending_command.is_none() => {
                    if let Some(Ok(_)) = received {
                        self.flow.session_mut().record_peer_activity();
                    }
                    let message = match received {
                        Some(Ok(Message::Text(text))) => ClientMessage::Text(text.as_str().to_owned()),
                        Some(Ok(Message::Binary(bytes))) => ClientMessage::Binary(bytes),
                        Some(Ok(Message::Close(_))) => {
                            // The library answers it; this sends the answer on its way.
                            let _ = socket.flush().await;
                            return Err(PeerGone);
                        }
                        Some(Ok(_)) => continue,
                        Some(Err(error)) => return close_reason(&error).map(EndCause::GoodbyeDue).ok_or(PeerGone),
                        None => return Err(PeerGone),
                    };
                    let allowed = self.rate_limiter.try_acquire(&self.limits);
                    pending_command = Some(respond(self.flow.session(), message, &self.limits, allowed));
                }
                // Whoever has much to catch up with is heard in between.
                () = std::future::ready(()), if reads == READS_PER_TURN => reads = 0,
            }
        }
    }

    async fn write_output<IO>(&mut self, socket: &mut WebSocketStream<IO>) -> Result<(), PeerGone>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        write(socket, std::iter::from_fn(|| self.flow.next_chunk())).await
    }
}

/// Hears the next thing, once everything that was said before has left. The library answers each ping when it reads it,
/// and would read on while its answers wait: a peer that does not read them could make it keep any number.
async fn receive<IO>(socket: &mut WebSocketStream<IO>) -> Option<Result<Message, Error>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = socket.flush().await {
        return Some(Err(error));
    }
    socket.next().await
}

/// Writes whole frames, after what the library has to send. They do not go through its buffer,
/// which would copy each, and keep the room of the largest for as long as the connection lasts.
async fn write<IO>(
    socket: &mut WebSocketStream<IO>,
    chunks: impl IntoIterator<Item = Bytes>,
) -> Result<(), PeerGone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    socket.flush().await.map_err(|_| PeerGone)?;
    let io = socket.get_mut();
    for chunk in chunks {
        io.write_all(&chunk).await.map_err(|_| PeerGone)?;
    }
    io.flush().await.map_err(|_| PeerGone)
}

fn close_reason(error: &Error) -> Option<CloseReason> {
    match error {
        Error::Utf8(_) => Some(CloseReason::Malformed),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(CloseReason::TooLarge),
        Error::Protocol(_) => Some(CloseReason::Protocol),
        _ => None,
    }
}
