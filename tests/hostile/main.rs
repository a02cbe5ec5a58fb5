//! Hostile clients, all at once, and a normal subscriber on each wire that must not notice: it
//! misses nothing. With HOSTILE_SECONDS (make soak) its latency is compared with that of quiet
//! times, in turn.

mod attacks;
mod witness;

use std::{net::SocketAddr, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tricast_admission::KeyHash;
use tricast_tests::{Connection, SECRET, program};
use witness::Witness;

const KEY: &str = "tricast_key_the-backend-of-the-hostile-suite-publishes";

/// The length of each time in `make test`: long enough for every attack to begin many times.
const SECONDS: u64 = 6;

/// The number of quiet and of attacked times to compare latencies; the medians of their p99 count.
const TURNS: usize = 5;

/// A latency within this of the quiet one is as good: a tick of the kernel's scheduler
/// (CONFIG_HZ=250). The gateway, its clients and its attackers share a few processors here, and a
/// thread that wakes while all of them are busy waits for the next tick, whatever the gateway does.
const GRAIN: Duration = Duration::from_millis(4);

#[test]
fn a_normal_subscriber_does_not_notice() {
    raise_file_limit();
    let mut hostile = tokio::runtime::Builder::new_multi_thread();
    hostile.worker_threads(4).on_thread_start(lower_priority).enable_all();
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

    // The normal clients have threads of their own: the attackers' effect on each other is not
    // measured.
    let normal = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let normal = normal.expect("a runtime");
    let starting = normal.spawn(Witness::start(address, KEY));
    let witness = starting.await.expect("the witness starts");
    // HOSTILE_ONLY=bombs shows what one kind of attack does.
    let only = std::env::var("HOSTILE_ONLY").unwrap_or_default();
    let (mut quiet, mut attacked) = (Vec::new(), Vec::new());
    for _ in 0..if soak.is_some() { TURNS } else { 1 } {
        let latency = witness.watch_for(time).await;
        println!("quiet    {latency}");
        quiet.push(latency.p99());

        let stop = CancellationToken::new();
        let attacks = attacks::begin(address, &stop, &only);
        let begun = timeout(Duration::from_secs(60), attacks.under_way()).await;
        begun.expect("all attacks are under way within a minute");
        let latency = witness.watch_for(time).await;
        stop.cancel();
        let counts = attacks.finish().await;
        println!("attacked {latency}, by {counts:?}");
        attacked.push(latency.p99());

        for (name, count) in &counts.0 {
            assert!(*count > 0, "the attack {name} never came through");
        }
        assert!(child.try_wait().expect("ours").is_none(), "the gateway lives");
        // Nothing is left of them: the normal clients, and who asks.
        wait_for_sockets(admin, 5).await;
    }
    witness.finish().await;
    // The publisher may be a moment late.
    wait_for_sockets(admin, 2).await;
    let (quiet, attacked) = (median(quiet), median(attacked));
    println!("medians of p99: quiet {quiet:?}, attacked {attacked:?}");
    if soak.is_some() {
        assert!(attacked <= (2 * quiet).max(quiet + GRAIN), "it is noticed");
    }
    child.kill().await.expect("ends");
    normal.shutdown_background();
}

/// Attackers have machines of their own; here they must not take the processor from the measured
/// ones.
fn lower_priority() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        .expect("anybody may step back");
}

/// Waits until the gateway has no more than `most` sockets.
async fn wait_for_sockets(admin: SocketAddr, most: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let connection = Connection::open(admin).await;
        let text = connection.request("GET /metrics HTTP/1.1\r\nHost: localhost", b"").await.text();
        let line = text.lines().find(|line| line.starts_with("tricast_sockets "));
        let count =
            line.and_then(|line| line.rsplit(' ').next()).and_then(|word| word.parse().ok());
        if count.is_some_and(|count: usize| count <= most) {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {text}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Ten thousand connections are ten thousand files.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("may raise it");
}
