//! Disks that are full, and disks that fail.

use std::{sync::Arc, time::Duration};

use tricast_core::{Engine as _, EngineError, Health, Start};

use super::{
    gated::GatedDisk,
    world::{Life, config, draft},
};
use crate::{
    EngineConfig, Fsync,
    disk::simulated::{Fault, SimulatedDisk},
};

/// A life with ten messages, whose disk is full since then.
async fn full() -> (SimulatedDisk, Life) {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, config(Fsync::Os));
    life.publish_all("a", 1..=10).await;
    disk.set_room(Some(disk.taken()));
    let refused = life.publish(draft("a", "refused")).await;
    assert!(matches!(refused, Err(EngineError::Full)), "{refused:?}");
    (disk, life)
}

/// Waits until a full disk is tried again, at most as long as a test may.
async fn until_published(life: &Life, name: &str, text: &str) {
    for _ in 0..600 {
        match life.publish(draft(name, text)).await {
            Ok(_) => return,
            Err(EngineError::Full) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("there is room, and nothing is published");
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_logged_and_goes_on_when_there_is_room() {
    let (disk, life) = full().await;
    assert!(matches!(life.engine.health(), Health::Away { .. }));
    life.publish(draft("typing", "x")).await.expect("needs no room");
    assert_eq!(life.all("a").await.len(), 10);
    disk.set_room(None);
    until_published(&life, "a", "11").await;
    assert!(life.engine.health().is_live());
    let before = life.all("a").await;
    assert_eq!(before.len(), 11);
    life.kill();
    let life = Life::begin(&disk, config(Fsync::Os));
    assert_eq!(life.all("a").await, before, "what was refused does not come back");
}

#[tokio::test]
async fn a_full_disk_is_noticed_to_have_room_while_nobody_publishes() {
    let (disk, life) = full().await;
    disk.set_room(None);
    for _ in 0..600 {
        if life.engine.health().is_live() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is room, and the log is away");
}

#[tokio::test]
async fn a_full_disk_is_noticed_to_have_room_while_only_unlogged_messages_come() {
    let (disk, life) = full().await;
    disk.set_room(None);
    for _ in 0..600 {
        if life.engine.health().is_live() {
            return;
        }
        life.publish(draft("typing", "x")).await.expect("needs no room");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("there is room, and the log is away");
}

#[tokio::test]
async fn an_opened_log_on_a_full_disk_is_read_and_goes_on_later() {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, config(Fsync::Os));
    life.publish_all("a", 1..=10).await;
    life.kill();
    disk.set_room(Some(disk.taken()));
    let life = Life::begin(&disk, config(Fsync::Os));
    assert_eq!(life.all("a").await.len(), 10);
    disk.set_room(None);
    until_published(&life, "a", "11").await;
}

#[tokio::test]
async fn an_error_of_the_disk_is_the_end_until_the_next_start() {
    for fsync in [Fsync::Always, Fsync::Os] {
        let disk = SimulatedDisk::default();
        let life = Life::begin(&disk, config(fsync));
        life.publish_all("a", 1..=10).await;
        let once = || draft("a", "once").with_idempotency(Arc::from("order-17"));
        disk.fail_after(0, Fault::Error);
        let (first, repeat) = (life.engine.append(once()), life.engine.append(once()));
        let (first, repeat) = (first.await, repeat.await);
        assert!(matches!(first, Err(EngineError::Unknown(_))), "{first:?}");
        let is_refused =
            matches!(repeat, Err(EngineError::Unknown(_) | EngineError::Unavailable(_)));
        assert!(is_refused, "{repeat:?}");
        disk.heal();
        for name in ["a", "typing"] {
            let later = life.publish(draft(name, "later")).await;
            assert!(matches!(later, Err(EngineError::Unavailable(_))), "{later:?}");
        }
        assert!(matches!(life.engine.health(), Health::Failed { .. }));
        assert_eq!(life.all("a").await.len(), 10, "readers get what was visible");
        assert!(life.engine.close().await.is_err());
        life.kill();
        let life = Life::begin(&disk, config(fsync));
        let receipt = life.publish(once()).await.expect("is published, now or then");
        let all = life.all("a").await;
        assert_eq!(all.iter().filter(|(_, text)| text == "once").count(), 1);
        assert!(receipt.id.seq > 10);
    }
}

#[tokio::test]
async fn a_sync_beside_the_writer_that_fails_is_the_end() {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, config(Fsync::Every(Duration::from_millis(200))));
    life.publish_all("a", 1..=1).await;
    // The write is one call, and the sync is the next.
    disk.fail_after(1, Fault::Error);
    let _ = life.publish(draft("a", "2")).await;
    for _ in 0..600 {
        if matches!(life.engine.health(), Health::Failed { .. }) {
            return;
        }
        let _ = life.publish(draft("a", "more")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a sync failed, and nobody noticed");
}

#[tokio::test]
pub(super) async fn what_is_let_go_under_a_reader_is_read_to_its_end() {
    let disk = GatedDisk::default();
    let small = EngineConfig { bytes: 64 << 10, ..config(Fsync::Os) };
    let life = Life::begin_on(Arc::new(disk.clone()), small);
    let publish = async |from, to| {
        for n in from..=to {
            let text = format!("{n:1000}");
            life.publish(draft("a", &text)).await.expect("is published");
        }
    };
    publish(1, 50).await;
    assert_eq!(life.engine.stats().floor, 0);
    disk.shut();
    let let_go = async {
        while !disk.has_waiting() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        publish(51, 200).await;
        while life.engine.stats().floor < 50 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        disk.open();
    };
    let (history, ()) = tokio::join!(life.history("a", Start::Earliest), let_go);
    let seqs: Vec<_> = history.messages.iter().map(|message| message.id.seq).collect();
    // What the question was about: the rings hold the newest three.
    assert_eq!(seqs[..47], (1..=47).collect::<Vec<_>>());
    assert_eq!(life.engine.stats().damaged, 0);
}

/// A disk that has so much room beside what it holds.
fn limit(disk: &SimulatedDisk, room: usize) {
    disk.set_room(Some(disk.taken() + room));
}

#[tokio::test]
pub(super) async fn what_is_too_much_makes_room_on_a_full_disk() {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, EngineConfig { bytes: 64 << 10, ..config(Fsync::Os) });
    // The disk is full between the moment at which there is too much and the next segment.
    limit(&disk, 86 << 10);
    for n in 0..500 {
        let published = life.publish(draft("a", &format!("{n:1000}"))).await;
        assert!(published.is_ok(), "{n}: {published:?}");
    }
    assert!(life.engine.stats().floor > 300, "{:?}", life.engine);
    assert!(life.engine.health().is_live());
}

#[tokio::test]
async fn what_is_too_old_makes_room_on_a_full_disk() {
    let disk = SimulatedDisk::default();
    let age = Some(Duration::from_millis(500));
    let life = Life::begin(&disk, EngineConfig { age, ..config(Fsync::Os) });
    let first = life.publish(draft("a", "first")).await.expect("is published");
    limit(&disk, 60 << 10);
    let text = "x".repeat(1000);
    while life.publish(draft("a", &text)).await.is_ok() {
        assert!(life.engine.stats().head < 1000, "the disk is full");
    }
    let floor = life.engine.stats().floor;
    until_published(&life, "a", &text).await;
    assert!(life.engine.stats().floor > floor.max(first.id.seq));
    assert!(life.engine.health().is_live());
    let gap = life.history("a", Start::After(first.id)).await.gap.expect("is told");
    assert_eq!(gap.first, Some(first.id.seq + 1));
}
