//! Lives that end at any call of the disk, with the power or without it: what was acknowledged is
//! there once, no seq names two messages, and what is missing is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use tricast_core::{Engine as _, EngineError, Epoch, Gap, MessageId, Seq, Start};

use super::world::{Life, config, draft};
use crate::{
    EngineConfig, Fsync,
    disk::simulated::{Fault, SimulatedDisk},
};

const CHANNELS: [&str; 3] = ["a", "b", "typing"];

/// What the outside knows of a log over all of its lives.
#[derive(Default)]
struct Outside {
    epoch: Option<Epoch>,
    /// The text of each seq that anybody has seen, or was told of.
    seen: BTreeMap<Seq, (usize, String)>,
    acknowledged: BTreeSet<Seq>,
    /// The channels that were logged in each life.
    never_unlogged: BTreeSet<&'static str>,
    /// The number of messages that were sent.
    sent: u32,
}

impl Outside {
    fn saw(&mut self, seq: Seq, channel: usize, text: &str, seed: u64) {
        let before = self.seen.insert(seq, (channel, text.to_owned()));
        let same = before.is_none_or(|before| before == (channel, text.to_owned()));
        assert!(same, "seed {seed}: {seq} names two messages");
    }

    /// Publishes with a window, as NDJSON publishers do.
    async fn publish(&mut self, life: &Life, rng: &mut Rng, seed: u64) {
        let window = rng.usize(1..12);
        let mut tickets = Vec::new();
        for _ in 0..window {
            self.sent += 1;
            let (channel, text) = (rng.usize(..CHANNELS.len()), self.sent.to_string());
            let size = if rng.u8(..10) == 0 { 3000 } else { 0 };
            let text = format!("{text}{}", " ".repeat(size));
            let id: Option<Arc<str>> = rng.bool().then(|| Arc::from(&*self.sent.to_string()));
            let message = || draft(CHANNELS[channel], &text).with_idempotency(id.clone());
            tickets.push((channel, text.clone(), life.engine.append(message())));
            if id.is_some() && rng.bool() {
                tickets.push((channel, text.clone(), life.engine.append(message())));
            }
        }
        let mut by_text: BTreeMap<String, Seq> = BTreeMap::new();
        for (channel, text, ticket) in tickets {
            match ticket.await {
                Ok(receipt) => {
                    let seq = receipt.id.seq;
                    assert_eq!(*by_text.entry(text.clone()).or_insert(seq), seq, "seed {seed}");
                    self.saw(seq, channel, &text, seed);
                    self.acknowledged.insert(seq);
                }
                Err(EngineError::Full | EngineError::Unknown(_) | EngineError::Unavailable(_)) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }

    /// Reads all as a reader that has nothing, and as readers that resume.
    async fn read(&mut self, life: &Life, all_is_there: bool, rng: &mut Rng, seed: u64) {
        let epoch = life.hub.log().epoch();
        assert_eq!(*self.epoch.get_or_insert(epoch), epoch, "seed {seed}");
        for (n, name) in CHANNELS.iter().enumerate() {
            let held = life.all(name).await;
            let texts: BTreeSet<&String> = held.iter().map(|(_, text)| text).collect();
            assert_eq!(texts.len(), held.len(), "seed {seed}: one of them is there twice");
            held.iter().for_each(|(seq, text)| self.saw(*seq, n, text, seed));
            let after = rng.u64(..=life.hub.log().head().seq);
            let start = Start::After(MessageId { epoch, seq: after });
            let (messages, gaps) = life.pages(name, start).await;
            let got: BTreeSet<Seq> = messages.into_iter().map(|(seq, _)| seq).collect();
            let is_told = |seq: &Seq| {
                let covers = |gap: &Gap| gap.first <= Some(*seq) && gap.last >= Some(*seq);
                gaps.iter().any(covers)
            };
            for seq in &self.acknowledged {
                if self.seen[seq].0 != n || *seq <= after || got.contains(seq) {
                    continue;
                }
                assert!(is_told(seq), "seed {seed}: {seq} is lost in silence");
                let is_logged = self.never_unlogged.contains(name);
                assert!(!(all_is_there && is_logged), "seed {seed}: {seq} is lost");
            }
        }
    }
}

fn life_config(fsync: Fsync, boot: u32) -> EngineConfig {
    let mut config = config(fsync);
    config.store.machine.boot = format!("boot {boot}");
    config.store.segment_bytes = 4096;
    config.store.reserve = 50;
    config
}

async fn lives(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let fsync = *rng
        .choice(&[Fsync::Always, Fsync::Every(Duration::from_millis(1)), Fsync::Os])
        .expect("one");
    let disk = SimulatedDisk::default();
    let mut outside = Outside { never_unlogged: CHANNELS.into(), ..Outside::default() };
    let (mut boot, mut all_is_there) = (0, true);
    for _ in 0..rng.u32(2..6) {
        if rng.bool() {
            disk.fail_after(rng.u32(..40), Fault::Death);
        }
        let unlogged: Vec<&str> =
            CHANNELS.into_iter().filter(|name| *name != "a" && rng.u8(..3) == 0).collect();
        outside.never_unlogged.retain(|name| !unlogged.contains(name));
        let begin = || Life::try_begin_without(&disk, life_config(fsync, boot), &unlogged);
        let life = begin().unwrap_or_else(|_| {
            disk.heal();
            begin().expect("opens")
        });
        outside.read(&life, all_is_there, &mut rng, seed).await;
        for _ in 0..rng.u32(1..8) {
            if rng.u8(..4) == 0 {
                let fault = *rng.choice(&[Fault::Death, Fault::Error, Fault::Full]).expect("one");
                disk.fail_after(rng.u32(..12), fault);
            }
            outside.publish(&life, &mut rng, seed).await;
        }
        // What readers have seen is promised as much as what publishers were told.
        for (n, name) in CHANNELS.iter().enumerate() {
            for (seq, text) in life.all(name).await {
                outside.saw(seq, n, &text, seed);
                outside.acknowledged.insert(seq);
            }
        }
        if rng.u8(..4) == 0 {
            // It may fail, as the disk may.
            let _ = life.engine.close().await;
        }
        life.kill();
        if rng.u8(..3) == 0 {
            disk.lose_power(&mut rng);
            boot += 1;
            all_is_there &= fsync == Fsync::Always;
        }
        disk.heal();
    }
    let life = Life::try_begin_without(&disk, life_config(fsync, boot), &[]).expect("opens");
    outside.read(&life, all_is_there, &mut rng, seed).await;
}

/// Lives `count` logs, from this seed on.
pub(super) fn live(from: u64, count: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    for seed in from..from + count {
        runtime.block_on(lives(seed));
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_silence_and_no_id_is_given_twice() {
    let number = |name, or| std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(or);
    live(number("SEED", 0), number("LIVES", 200));
}
