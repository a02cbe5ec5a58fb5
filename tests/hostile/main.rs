//! Hostile clients, all at once, and a normal subscriber on each wire that must not notice: it misses nothing, and
//! with HOSTILE_SECONDS (make soak) its latency is held against that of a quiet time.

mod attacks;
mod witness;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tricast_admission::KeyHash;
use tricast_tests::{Connection, SECRET, program};
use witness::Witness;

const KEY: &str = "tricast_key_the-backend-of-the-hostile-suite-publishes";

/// How long each time lasts in `make test`: long enough for every attack to begin many times.
const SECONDS: u64 = 6;

/// A latency within this of the quiet one is as good: the granularity of the machines this runs on.
const GRAIN: Duration = Duration::from_millis(2);

#[test]
fn a_normal_subscriber_does_not_notice() {
    raise_file_limit();
    // Attackers have machines of their own; here they must not take the processor from those who are measured.
    let step_back = || {
        let _ = nice(19);
    };
    let mut hostile = tokio::runtime::Builder::new_multi_thread();
    hostile.worker_threads(4).on_thread_start(step_back).enable_all();
    let hostile = hostile.build().expect("a runtime");
    hostile.block_on(run());
}

async fn run() {
    let soak = std::env::var("HOSTILE_SECONDS").ok().map(|text| text.parse().expect("seconds"));
    let time = Duration::from_secs(soak.unwrap_or(SECONDS));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    let settings = format!(
        "[[key]]\nname = \"backend\"\nhash = \"{}\"\npublish = [\"**\"]
         [[namespace]]\npattern = \"public\"\nsubscribe = \"anyone\"\npublish = \"backend\"
         [tokens]\nsecret = \"{SECRET}\"\n[ws]\ncompression = true\nrate = 100
         [limits]\nhead_timeout = \"3s\"\nbody_timeout = \"3s\"\nconnections_per_user = 50
         [rates]\nmessages_per_user = 100\n[logging]\nlevel = \"warn\"",
        KeyHash::of(KEY)
    );
    std::fs::write(&file, settings).expect("writes");
    let mut command = program::tricast();
    command.arg("--config").arg(&file);
    let (mut child, address, admin) = program::start_both(&mut command).await;

    // The normal clients have threads of their own: what the attackers do to each other is not what is measured.
    let normal = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let normal = normal.expect("a runtime");
    let starting = normal.spawn(Witness::start(address, KEY));
    let witness = starting.await.expect("the witness starts");
    let quiet = witness.watch_for(time).await;
    let stop = CancellationToken::new();
    // HOSTILE_ONLY=bombs shows what one kind of attack does.
    let only = std::env::var("HOSTILE_ONLY").unwrap_or_default();
    let attacks = attacks::begin(address, &stop, &only);
    // They are under way when it counts.
    sleep(Duration::from_secs(1)).await;
    let attacked = witness.watch_for(time).await;
    stop.cancel();
    let counts = attacks.finish().await;
    witness.finish().await;

    println!("quiet    {quiet}\nattacked {attacked}\n{counts:#?}");
    for (name, count) in &counts.0 {
        assert!(*count > 0, "the attack {name} never came through");
    }
    assert!(child.try_wait().expect("ours").is_none(), "the gateway lives");
    if soak.is_some() {
        let most = (2 * quiet.p99()).max(quiet.p99() + GRAIN);
        assert!(attacked.p99() <= most, "p99 {:?}, quiet {:?}", attacked.p99(), quiet.p99());
    }
    // Nothing is left of them.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let connection = Connection::open(admin).await;
        let text = connection.request("GET /metrics HTTP/1.1\r\nHost: localhost", b"").await.text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name)).expect(name);
            line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
        };
        // This one, and the witness's publisher may be a moment late.
        if value("tricast_sockets ") <= 2.0 {
            break;
        }
        assert!(Instant::now() < deadline, "left behind: {text}");
        sleep(Duration::from_millis(50)).await;
    }
    child.kill().await.expect("ends");
    normal.shutdown_background();
}

/// Ten thousand connections are ten thousand files.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("may raise it");
}
