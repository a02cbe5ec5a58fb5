//! Subscribers that read nothing.

use tokio::net::TcpSocket;
use tricast_core::Wire;

use crate::{Connection, Endpoint as _, Server, stream_head};

/// A subscriber with a small window that reads nothing.
pub async fn stalled_reader(server: &Server, wire: Wire, channel: &str) -> Connection {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    let socket = socket.connect(server.address()).await.expect("connects");
    let mut connection = Connection { socket, buffer: Vec::new() };
    connection.send(format!("{}\r\n\r\n", stream_head(wire, channel))).await;
    connection.head().await;
    connection
}

/// A subscriber that reads nothing, and more for it than the kernel holds.
pub async fn reader_with_backlog(server: &Server, wire: Wire, channel: &str) -> Connection {
    let reader = stalled_reader(server, wire, channel).await;
    let large = "x".repeat(200_000);
    for _ in 0..60 {
        server.publish(channel, &large).await;
    }
    reader
}
