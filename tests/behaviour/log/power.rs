//! The power fails under a gateway, and its disk, which is simulated, loses what was not synced.
//! What was acknowledged or seen is there, or its readers are told; and no id has two contents.
//! `POWER_SEEDS=500` tries more than the few of each run.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use serde_json::Value;
use tricast_disk::{
    DiskEngine, DiskMeters, EngineConfig, Fsync,
    disk::simulated::{Fault, SimulatedDisk},
    planted::Planted,
};
use tricast_tests::{Reader, Server, Way, Wire, each_wire, run};

/// What the outside knows of a log over all of its lives.
struct World {
    seed: u64,
    wire: Wire,
    fsync: Fsync,
    disk: SimulatedDisk,
    rng: Rng,
    boot: u32,
    sent: u32,
    /// The text of each id that anybody was told of.
    promised: BTreeMap<u64, String>,
    /// The ids from which readers will resume.
    left: Vec<String>,
}

fn seq_of(id: &str) -> u64 {
    id.rsplit_once('-').and_then(|(_, seq)| seq.parse().ok()).expect("an id")
}

impl World {
    fn new(seed: u64, wire: Wire, fsync: Fsync) -> Self {
        let (disk, promised, left) = Default::default();
        let rng = Rng::with_seed(seed);
        Self { seed, wire, fsync, disk, rng, boot: 0, sent: 0, promised, left }
    }

    async fn start(&self) -> Server {
        let mut config = EngineConfig::new(self.fsync, 1 << 30);
        config.store.machine.boot = format!("boot {}", self.boot);
        (config.store.segment_bytes, config.store.ballast) = (16 << 10, 4096);
        config.store.reserve = 1000;
        let settings = "[history]\nmessages = 5\n[shutdown]\ngrace = \"1s\"";
        Server::with_engine(settings, |log| {
            let disk = Arc::new(self.disk.clone());
            DiskEngine::open_on(disk, config, log, DiskMeters::new()).expect("opens")
        })
        .await
    }

    fn promise(&mut self, id: &str, text: &str) {
        let before = self.promised.insert(seq_of(id), text.to_owned());
        let same = before.as_deref().is_none_or(|before| before == text);
        assert!(same, "seed {}: {id} is {text} and was {before:?}", self.seed);
    }

    /// Publishes a message, and returns its text if it was acknowledged.
    async fn publish(&mut self, server: &Server) -> Option<String> {
        self.sent += 1;
        let text = format!("{}:{}", self.sent, "x".repeat(self.rng.usize(..400)));
        let answer = server.post("/publish/a", "", text.as_bytes()).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 503, "seed {}: {answer:?}", self.seed);
            return None;
        }
        self.promise(answer.json()["id"].as_str().expect("an id"), &text);
        Some(text)
    }

    /// Takes in what a reader gets, up to a message with this text or so many messages. Returns the
    /// seqs, and the first and the last seq of each gap.
    async fn read(
        &mut self,
        reader: &mut Reader,
        last: &str,
        most: usize,
    ) -> (Vec<u64>, Vec<(u64, u64)>) {
        let (mut seqs, mut gaps) = (Vec::new(), Vec::new());
        while seqs.len() < most {
            let document = reader.document().await;
            if document["event"] == "tricast.gap" {
                assert_eq!(document["certain"], false, "seed {}: {document}", self.seed);
                let end = |name: &str| document[name].as_u64().expect("a number");
                gaps.push((end("first"), end("last")));
                continue;
            }
            let data = document["data"].as_str();
            let text = data.unwrap_or_else(|| panic!("seed {}: {document}", self.seed));
            let id = document["id"].as_str().expect("an id");
            assert!(seqs.last() < Some(&seq_of(id)), "seed {}: {id} is out of order", self.seed);
            self.promise(id, text);
            seqs.push(seq_of(id));
            if text == last {
                break;
            }
        }
        (seqs, gaps)
    }

    /// All readers of before come back.
    async fn resume_all(&mut self, server: &Server) {
        let last = self.publish(server).await.expect("the disk is well");
        for id in self.left.clone() {
            let mut reader = Reader::open_after(server, self.wire, "a", Some(&id)).await;
            let hello = reader.control("hello").await;
            let (seqs, gaps) = self.read(&mut reader, &last, usize::MAX).await;
            let told = Value::from(gaps.is_empty());
            assert_eq!(hello["recovered"], told, "seed {}: {hello} {gaps:?}", self.seed);
            for (seq, text) in self.promised.range(seq_of(&id) + 1..) {
                if seqs.contains(seq) {
                    continue;
                }
                let seed = self.seed;
                assert_ne!(self.fsync, Fsync::Always, "seed {seed}: {seq} is lost: {text}");
                let is_told = gaps.iter().any(|(first, last)| (first..=last).contains(&seq));
                assert!(is_told, "seed {seed}: {seq} is lost in silence: {text}");
            }
        }
        let mut reader = Reader::open(server, self.wire, "a?since=earliest").await;
        reader.control("hello").await;
        self.read(&mut reader, &last, usize::MAX).await;
    }

    /// One life, up to a power failure.
    async fn live(&mut self) {
        let server = self.start().await;
        self.resume_all(&server).await;
        let mut reader = Reader::open(&server, self.wire, "a").await;
        let hello = reader.control("hello").await;
        self.left.push(hello["id"].as_str().expect("an id").to_owned());
        let mut acknowledged = 0;
        let dies_at = self.rng.usize(1..40);
        for n in 0..40 {
            if n == dies_at {
                self.disk.fail_after(self.rng.u32(..4), Fault::Death);
            }
            if self.rng.u8(..8) == 0 {
                // Something is synced, with one of the policies.
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            match self.publish(&server).await {
                Some(_) => acknowledged += 1,
                None => break,
            }
        }
        // What was acknowledged can be read, whatever has become of the disk.
        let most = self.rng.usize(..=acknowledged);
        self.read(&mut reader, "", most).await;
        self.left.extend(reader.last_id.clone());
        drop(reader);
        self.disk.fail_after(0, Fault::Death);
        server.gateway.shutdown().await;
        self.disk.lose_power(&mut self.rng);
        self.disk.heal();
        self.boot += 1;
    }
}

async fn lives(seed: u64, wire: Wire, fsync: Fsync) {
    let mut world = World::new(seed, wire, fsync);
    for _ in 0..2 {
        world.live().await;
    }
    let server = world.start().await;
    world.resume_all(&server).await;
}

fn seeds() -> u64 {
    std::env::var("POWER_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

async fn a_power_failure_loses_nothing_that_was_acknowledged(wire: Wire) {
    for seed in 0..seeds() {
        lives(seed, wire, Fsync::Always).await;
    }
}

async fn a_power_failure_loses_nothing_in_silence(wire: Wire) {
    for seed in 0..seeds() {
        lives(seed, wire, Fsync::Every(Duration::from_millis(5))).await;
    }
}

/// The negative control.
#[test]
fn both_tests_find_planted_bugs() {
    let every = Fsync::Every(Duration::from_millis(5));
    for (bug, fsync) in [
        (Planted::AcknowledgedBeforeSync, Fsync::Always),
        (Planted::HoleSilent, every),
        (Planted::NoJump, every),
        (Planted::BootIgnored, every),
    ] {
        Planted::plant(Some(bug));
        let found = (0..60).find(|seed| {
            let lived = || run(Way::Auto, lives(*seed, Wire::Chunked, fsync));
            catch_unwind(AssertUnwindSafe(lived)).is_err()
        });
        Planted::plant(None);
        assert!(found.is_some(), "{bug:?} is not found");
    }
}

each_wire!(
    a_power_failure_loses_nothing_that_was_acknowledged,
    a_power_failure_loses_nothing_in_silence,
);
