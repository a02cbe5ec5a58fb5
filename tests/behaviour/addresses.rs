//! Settings that are addresses, with fixed ports, on the program itself: settings that `tricast
//! check` accepts also start, and the gateway answers at each address.

use std::{net::SocketAddr, os::fd::OwnedFd, path::PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
};
use tricast_tests::{Certificate, Connection, FixedPort, eventually, program};

/// A gateway with an address for each key, all of them fixed.
struct Site {
    plain: FixedPort,
    encrypted: FixedPort,
    admin: FixedPort,
    certificate: Certificate,
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self {
            plain: FixedPort::reserve(),
            encrypted: FixedPort::reserve(),
            admin: FixedPort::reserve(),
            certificate: Certificate::make(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The keys that are addresses, and what goes with them.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let file = |name| self.certificate.file(name).display().to_string();
        vec![
            ("bind", self.plain.address.to_string()),
            ("admin.bind", self.admin.address.to_string()),
            ("tls.bind", self.encrypted.address.to_string()),
            ("tls.certificate", file("cert.pem")),
            ("tls.key", file("key.pem")),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// Writes those of the settings whose keys are `wanted`.
    fn write(&self, wanted: impl Fn(&str) -> bool) {
        let wanted = self.settings().into_iter().filter(|(key, _)| wanted(key));
        let lines: String = wanted.map(|(key, value)| format!("{key} = {value:?}\n")).collect();
        std::fs::write(self.file(), lines).expect("writes");
    }

    /// The program, with nothing but what is in the file.
    fn program(&self) -> Command {
        let mut command = program::tricast();
        command.env_remove("TRICAST__BIND").env_remove("TRICAST__ADMIN__BIND");
        command.arg("--config").arg(self.file());
        command
    }

    fn first_line(&self) -> String {
        format!(
            "tricast listening on http://{}, https://{}, admin on http://{}\n",
            self.plain.address, self.encrypted.address, self.admin.address
        )
    }

    /// `check` and the start agree, and there is an answer at each address.
    async fn works(&self, command: impl Fn() -> Command) -> Child {
        checks(command()).await;
        let (child, said) = program::start_and_read_line(&mut command()).await;
        assert_eq!(said, self.first_line());
        self.answers().await;
        child
    }

    async fn answers(&self) {
        assert_eq!(get(self.plain.address, "/online/a").await, 200);
        assert_eq!(get(self.admin.address, "/readyz").await, 200);
        self.answers_encrypted(self.encrypted.address).await;
    }

    async fn answers_encrypted(&self, address: SocketAddr) {
        let socket = TcpStream::connect(address).await.expect("somebody listens");
        let connector = self.certificate.connector(&["http/1.1"]);
        let name = "localhost".try_into().expect("a name");
        let mut stream = connector.connect(name, socket).await.expect("TLS");
        let request = b"GET /online/a HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.expect("takes it");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("answers");
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

async fn checks(mut command: Command) {
    let output = command.arg("check").output().await.expect("runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    assert!(output.status.success() && said == "the settings are valid\n", "{said}");
}

async fn get(address: SocketAddr, path: &str) -> u16 {
    let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1");
    Connection::open(address).await.request(&head, b"").await.status
}

fn signal(child: &Child, signal: Signal) {
    let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("runs");
    kill_process(process, signal).expect("is ours");
}

#[tokio::test]
async fn from_the_file() {
    let site = Site::new();
    site.write(|_| true);
    site.works(|| site.program()).await;
}

#[tokio::test]
async fn from_the_environment() {
    let site = Site::new();
    site.write(|_| false);
    let program = || {
        let mut command = site.program();
        for (key, value) in site.settings() {
            let name = format!("TRICAST__{}", key.to_uppercase().replace('.', "__"));
            command.env(name, value);
        }
        command
    };
    site.works(program).await;
}

/// Each alone, with any port for the others.
#[tokio::test]
async fn one_at_a_time() {
    for key in ["bind", "admin.bind", "tls.bind"] {
        let site = Site::new();
        site.write(|own| own == key || own.starts_with("tls.") && own != "tls.bind");
        let program = || {
            let mut command = site.program();
            for (other, name) in [
                ("bind", "TRICAST__BIND"),
                ("admin.bind", "TRICAST__ADMIN__BIND"),
                ("tls.bind", "TRICAST__TLS__BIND"),
            ] {
                if other != key {
                    command.env(name, "127.0.0.1:0");
                }
            }
            command
        };
        checks(program()).await;
        let (_child, said) = program::start_and_read_line(&mut program()).await;
        let address = &site.settings().into_iter().find(|(own, _)| *own == key).expect("is one").1;
        assert!(said.contains(&format!("://{address}")), "{key}: {said}");
        match key {
            "bind" => assert_eq!(get(site.plain.address, "/online/a").await, 200),
            "admin.bind" => assert_eq!(get(site.admin.address, "/readyz").await, 200),
            _ => site.answers_encrypted(site.encrypted.address).await,
        }
    }
}

/// Several for one key, of both families of sockets.
#[tokio::test]
async fn lists_of_them() {
    let site = Site::new();
    let more = [FixedPort::reserve(), FixedPort::reserve()];
    site.write(|key| !matches!(key, "bind" | "tls.bind"));
    let socket = site.folder.path().join("http.sock");
    let lists = [
        ("BIND", format!("{},{},unix:{}", site.plain.address, more[0].address, socket.display())),
        ("TLS__BIND", format!("{},{}", site.encrypted.address, more[1].address)),
    ];
    let program = || {
        let mut command = site.program();
        for (name, list) in &lists {
            command.env(format!("TRICAST__{name}"), list);
        }
        command
    };
    checks(program()).await;
    let (_child, _) = program::start_and_read_line(&mut program()).await;
    site.answers().await;
    assert_eq!(get(more[0].address, "/online/a").await, 200);
    site.answers_encrypted(more[1].address).await;
    tokio::net::UnixStream::connect(&socket).await.expect("somebody listens");
}

/// After a handover the successor also listens at an address that the settings have gained.
#[tokio::test]
async fn by_a_successor_whose_settings_have_gained_it() {
    for gained in ["bind", "admin.bind", "tls"] {
        let site = Site::new();
        // Before the change there is another address, or none.
        let before = [FixedPort::reserve(), FixedPort::reserve()];
        site.write(|key| !key.starts_with(gained));
        let mut text = std::fs::read_to_string(site.file()).expect("is there");
        match gained {
            "bind" => text.push_str(&format!("bind = \"{}\"\n", before[0].address)),
            "admin.bind" => text.push_str(&format!("admin.bind = \"{}\"\n", before[0].address)),
            _ => {}
        }
        std::fs::write(site.file(), text).expect("writes");
        let (mut old, _) = program::start_and_read_line(&mut site.program()).await;
        site.write(|_| true);
        checks(site.program()).await;
        signal(&old, Signal::USR2);
        assert!(old.wait().await.expect("ends").success());
        site.answers().await;
        let new = program::process_listening_at(site.admin.address).await;
        let new = Pid::from_raw(new.cast_signed()).expect("a process");
        kill_process(new, Signal::TERM).expect("is ours");
        eventually("the new one has ended", async || {
            TcpStream::connect(site.admin.address).await.err().map(drop)
        })
        .await;
    }
}

/// As systemd does it, beside settings that name the same addresses; and a hang-up after that.
#[tokio::test]
async fn with_inherited_sockets() {
    let all = ["http", "https", "admin"];
    for handed in [&all[..], &all[..1], &all[1..2], &all[2..]] {
        let site = Site::new();
        site.write(|_| true);
        checks(site.program()).await;
        let addresses = [site.plain.address, site.encrypted.address, site.admin.address];
        let sockets: Vec<(&str, OwnedFd)> = all
            .iter()
            .zip(addresses)
            .filter(|(name, _)| handed.contains(name))
            .map(|(name, address)| {
                let socket = std::net::TcpListener::bind(address).expect("is free");
                (*name, socket.into())
            })
            .collect();
        let mut command = site.program();
        program::hand_in(&mut command, &sockets);
        drop(sockets);
        let (mut child, said) = program::start_and_read_line(&mut command).await;
        assert_eq!(said, site.first_line());
        site.answers().await;
        let mut errors = program::errors(&mut child);
        signal(&child, Signal::HUP);
        errors.until("settings reloaded").await;
        site.answers().await;
    }
}

/// The creator of inherited sockets decides how they share a port: systemd's
/// `BindIPv6Only=ipv6-only`.
#[tokio::test]
async fn sockets_of_both_families_are_inherited_at_one_port() {
    let port = FixedPort::reserve();
    let number = port.address.port();
    let socket = |domain, address: SocketAddr| -> OwnedFd {
        let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("a socket");
        if domain == Domain::IPV6 {
            socket.set_only_v6(true).expect("a socket");
        }
        socket.bind(&address.into()).expect("binds");
        socket.listen(16).expect("listens");
        socket.into()
    };
    let (v4, v6) = (([127, 0, 0, 1], number).into(), (std::net::Ipv6Addr::UNSPECIFIED, number));
    let sockets = [("http", socket(Domain::IPV4, v4)), ("http", socket(Domain::IPV6, v6.into()))];
    let mut command = program::tricast();
    command.env("TRICAST__INSECURE", "true");
    program::hand_in(&mut command, &sockets);
    drop(sockets);
    let (mut child, said) = program::start_and_read_line(&mut command).await;
    assert!(said.contains(&format!("http://[::]:{number}")), "{said}");
    for address in [v4, (std::net::Ipv6Addr::LOCALHOST, number).into()] {
        assert_eq!(get(address, "/online/a").await, 200, "{address}");
    }
    let mut errors = program::errors(&mut child);
    signal(&child, Signal::HUP);
    errors.until("settings reloaded").await;
}

/// Addresses that conflict are refused before the gateway listens anywhere.
#[tokio::test]
async fn addresses_that_exclude_each_other_are_found_by_check() {
    let port = FixedPort::reserve().address.port();
    for (one, other) in [
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}")),
        (format!("0.0.0.0:{port}"), format!("127.0.0.1:{port}")),
        (format!("[::]:{port}"), format!("[::1]:{port}")),
        (format!("[::]:{port}"), format!("127.0.0.1:{port}")),
        (format!("[::ffff:127.0.0.1]:{port}"), format!("127.0.0.1:{port}")),
    ] {
        for (name, list) in [("TRICAST__BIND", format!("{one},{other}")), ("TRICAST__BIND", one)] {
            let mut command = program::tricast();
            command.env("TRICAST__INSECURE", "true").env(name, &list);
            if !list.contains(',') {
                command.env("TRICAST__ADMIN__BIND", &other);
            }
            let output = command.arg("check").output().await.expect("runs");
            let said = String::from_utf8(output.stderr).expect("text");
            assert!(!output.status.success() && said.contains(&other), "{list}, {other}: {said}");
        }
    }
}
