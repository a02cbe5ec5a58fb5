//! Peers that send for as long as the gateway reads, and read nothing: pongs, answers, errors and
//! refusals must not pile up, on any delivery, over TLS and HTTP/2. The gateway is the program
//! itself, so that its memory is its own.

mod attack;
mod crowd;
mod gateway;
mod http1;
mod http2;
mod transport;

use attack::Attack;
use futures_util::{StreamExt as _, stream};
use gateway::Gateway;
use transport::Transport;
use tricast_tests::Certificate;

/// Cases at a time: a case waits for most of its time.
const AT_ONCE: usize = 6;

/// The ways in which the gateway writes.
const DELIVERIES: [&str; 3] = ["auto", "epoll", "generic"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_that_does_not_read_does_not_exhaust_memory() {
    let certificate = Certificate::make();
    // UNREAD_ONLY=pings shows what one kind of attack does.
    let only = std::env::var("UNREAD_ONLY").unwrap_or_default();
    let mut cases = Vec::new();
    for attack in Attack::all() {
        for transport in Transport::ALL {
            for delivery in DELIVERIES {
                let case = Case { attack: attack.clone(), transport, delivery };
                if attack.fits(transport) && case.name().contains(&only) {
                    cases.push(case);
                }
            }
        }
    }
    assert!(!cases.is_empty(), "no attack has {only:?} in its name");
    let run = stream::iter(&cases).map(|case| case.run(&certificate)).buffer_unordered(AT_ONCE);
    let failures: Vec<String> = run.filter_map(std::future::ready).collect().await;
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// One attack on one gateway.
struct Case {
    attack: Attack,
    transport: Transport,
    delivery: &'static str,
}

impl Case {
    fn name(&self) -> String {
        format!("{}, {}, {}", self.attack.name(), self.transport.name(), self.delivery)
    }

    /// Reply what is wrong, if anything is.
    async fn run(&self, certificate: &Certificate) -> Option<String> {
        let gateway = Gateway::start(self.delivery, certificate).await;
        let (idle, sockets) = (gateway.memory(), gateway.sockets().await);
        let attacker = self.attack.begin(&gateway, self.transport, certificate).await;
        // Whatever an attacker makes the gateway do, other clients are served.
        gateway.serves_others().await;
        let growth = gateway.peak().saturating_sub(idle);
        let sent = attacker.sent();
        drop(attacker);
        gateway.wait_for_sockets(sockets).await;
        let figures = format!("{} KiB more than idle, for {} KiB sent", growth >> 10, sent >> 10);
        println!("{}: {figures}", self.name());
        (growth >= self.attack.bound()).then(|| format!("{}: {figures}", self.name()))
    }
}
