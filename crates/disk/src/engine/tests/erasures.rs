//! What is erased.

use std::time::Duration;

use tricast_core::{Engine as _, Gap, MessageId, Seq, Start};

use super::world::{Life, channel, config, draft};
use crate::{EngineConfig, Fsync, disk::simulated::SimulatedDisk};

async fn erase(life: &Life, name: &str) -> MessageId {
    life.hub.erase_history(channel(name)).await.expect("is erased")
}

fn after(life: &Life, seq: Seq) -> Start {
    Start::After(MessageId { epoch: life.hub.log().epoch(), seq })
}

async fn texts(life: &Life, name: &str) -> Vec<String> {
    life.all(name).await.into_iter().map(|(_, text)| text).collect()
}

fn lost(gaps: &[Gap]) -> Vec<(Option<Seq>, Option<Seq>)> {
    gaps.iter().map(|gap| (gap.first, gap.last)).collect()
}

#[tokio::test]
async fn what_is_erased_is_in_no_answer_and_its_readers_are_told() {
    for fsync in [Fsync::Always, Fsync::Every(Duration::from_millis(10)), Fsync::Os] {
        let disk = SimulatedDisk::default();
        let mut life = Life::begin(&disk, config(fsync));
        life.publish_all("a", 1..=6).await;
        life.publish_all("b", 1..=2).await;
        let upto = erase(&life, "a").await;
        life.publish_all("a", 7..=8).await;
        for round in 0..3 {
            assert_eq!(texts(&life, "a").await, ["7", "8"], "{fsync:?}, round {round}");
            assert_eq!(texts(&life, "b").await, ["1", "2"]);
            let (messages, gaps) = life.pages("a", after(&life, 2)).await;
            assert_eq!((messages.len(), lost(&gaps)), (2, vec![(Some(3), Some(6))]));
            // Who had all of them has lost nothing.
            for seq in [6, upto.seq] {
                let (messages, gaps) = life.pages("a", after(&life, seq)).await;
                assert_eq!((messages.len(), gaps), (2, vec![]), "after {seq}");
            }
            assert_eq!(life.history("a", Start::Newest(5)).await.messages.len(), 2);
            // Whatever is in the rings is told apart, too.
            life.hub.log().sweep(0);
            assert_eq!(texts(&life, "a").await, ["7", "8"]);
            match round {
                0 => life.close().await,
                _ => life.kill(),
            }
            life = Life::begin(&disk, config(fsync));
        }
        erase(&life, "a").await;
        assert_eq!(texts(&life, "a").await, <[&str; 0]>::default());
    }
}

#[tokio::test]
async fn an_erasure_reaches_exactly_what_is_before_it_in_the_order() {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, config(Fsync::Always));
    for round in 0..20 {
        let message = |n: u32| life.engine.append(draft("a", &(round * 4 + n).to_string()));
        let before = [message(0), message(1)];
        let erasure = life.engine.erase(channel("a"));
        let erased = tokio::spawn(erasure);
        for ticket in before {
            ticket.await.expect("is published");
        }
        let upto = erased.await.expect("ends").expect("is erased").seq;
        life.publish(draft("a", "kept")).await.expect("is published");
        let left = life.all("a").await;
        assert!(left.iter().all(|(seq, _)| *seq > upto), "{left:?} and {upto}");
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

#[tokio::test]
async fn an_erasure_of_what_is_not_logged_ends_with_it() {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, config(Fsync::Os));
    life.publish_all("typing", 1..=2).await;
    let taken = disk.taken();
    erase(&life, "typing").await;
    assert_eq!(disk.taken(), taken, "nothing is written");
    life.publish_all("typing", 3..=3).await;
    assert_eq!(texts(&life, "typing").await, ["3"]);
    let (messages, gaps) = life.pages("typing", after(&life, 1)).await;
    assert_eq!((messages.len(), lost(&gaps)), (1, vec![(Some(2), Some(2))]));
}

#[tokio::test]
async fn an_erasure_leaves_with_what_it_erased() {
    let disk = SimulatedDisk::default();
    let few = || EngineConfig { bytes: 64 << 10, ..config(Fsync::Os) };
    let life = Life::begin(&disk, few());
    life.publish_all("a", 1..=3).await;
    for n in 0..100 {
        erase(&life, if n % 2 == 0 { "a" } else { "b" }).await;
    }
    let large = "x".repeat(4000);
    for _ in 0..60 {
        life.publish(draft("c", &large)).await.expect("is published");
    }
    life.close().await;
    let life = Life::begin(&disk, few());
    assert!(life.engine.stats().floor > 103, "it was let go");
    let log = life.hub.log();
    assert_eq!(format!("{log:?}").matches("erasures: Erasures({})").count(), 1);
    let start = life.history("a", after(&life, 1)).await;
    assert!(start.messages.is_empty() && start.gap.is_some(), "{start:?}");
}
