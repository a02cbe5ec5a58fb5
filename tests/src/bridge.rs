//! Transports other than plain HTTP/1.1, at an address that plain clients connect to: so a test
//! with plain clients also runs over TLS and HTTP/2.

use std::{io, net::SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::client::TlsStream;
use tricast::Gateway;

use crate::{Certificate, translator::Translator, way::Transport};

/// The buffer of each socket of the bridge, as far as the test's own process decides it. Without a
/// bound the kernel lets a socket that is read grow to `tcp_rmem`, 32 MiB on some machines: then
/// the bridge takes a whole backlog from the gateway though its client reads nothing.
const ROOM: u32 = 64 << 10;

/// Leads from an address to the gateway, while it is there.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Bridge {
    /// `None` where none is needed.
    pub(crate) async fn open(
        transport: Transport,
        gateway: &Gateway,
        certificate: Option<Certificate>,
    ) -> Option<Self> {
        let certificate = certificate?;
        let there = gateway.tls_address()?;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has one");
        let task = match transport {
            Transport::Clear => return None,
            Transport::Tls => tokio::spawn(async move {
                loop {
                    let (client, _) = listener.accept().await.expect("accepts");
                    let connector = certificate.connector(&["http/1.1"]);
                    tokio::spawn(async move {
                        // A gateway that has gone is no failure of the bridge.
                        let Ok(server) = connect(there).await else { return };
                        prepare(&client);
                        let name = "localhost".try_into().expect("a name");
                        let Ok(server) = connector.connect(name, server).await else { return };
                        carry(client, server).await;
                    });
                }
            }),
            Transport::Http2 => {
                let connector = certificate.connector(&["h2"]);
                let mut translator = Translator::connect(&connector, there).await;
                tokio::spawn(async move {
                    loop {
                        let (client, _) = listener.accept().await.expect("accepts");
                        prepare(&client);
                        tokio::spawn(translator.carry(client));
                    }
                })
            }
        };
        Some(Self { address, task })
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects to the gateway, with little room for what it sends.
pub(crate) async fn connect(there: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(ROOM)?;
    socket.set_nodelay(true)?;
    socket.connect(there).await
}

/// Leaves a client's socket little room for what it has not taken.
fn prepare(client: &TcpStream) {
    client.set_nodelay(true).expect("a socket");
    let socket = socket2::SockRef::from(client);
    socket.set_send_buffer_size(ROOM as usize).expect("a socket");
}

/// Carries bytes in both directions. A reset on one side becomes a reset on the other; an end
/// becomes an end, even without the close_notify of TLS.
async fn carry(mut client: TcpStream, mut server: TlsStream<TcpStream>) {
    let carried = copy_bidirectional(&mut client, &mut server).await;
    if carried.is_err_and(|error| error.kind() != io::ErrorKind::UnexpectedEof) {
        for socket in [&client, server.get_ref().0] {
            let _ = socket2::SockRef::from(socket).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}
