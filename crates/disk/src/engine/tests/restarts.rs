//! What another life finds.

use std::{sync::Arc, time::Duration};

use tricast_core::{Engine as _, EngineError, Start};

use super::world::{Life, config, draft};
use crate::{
    DiskEngine, DiskMeters, EngineConfig, Fsync, OpenError, StartError,
    disk::{real::RealDisk, simulated::SimulatedDisk},
};

const POLICIES: [Fsync; 3] = [Fsync::Always, Fsync::Every(Duration::from_millis(10)), Fsync::Os];

#[tokio::test]
pub(super) async fn a_clean_end_and_a_kill_lose_nothing_that_was_acknowledged() {
    for fsync in POLICIES {
        for clean in [true, false] {
            let disk = SimulatedDisk::default();
            let life = Life::begin(&disk, config(fsync));
            let epoch = life.hub.log().epoch();
            life.publish_all("a", 1..=500).await;
            life.publish_all("b", 1..=2).await;
            let before = life.all("a").await;
            assert_eq!(before.len(), 500);
            let head = life.hub.log().head();
            if clean {
                life.close().await;
            } else {
                life.kill();
            }

            let life = Life::begin(&disk, config(fsync));
            assert_eq!(life.hub.log().epoch(), epoch);
            assert_eq!(life.all("a").await, before, "{fsync:?} {clean}");
            let resumed = life.history("a", Start::After(head)).await;
            assert!(resumed.messages.is_empty() && resumed.gap.is_none(), "{resumed:?}");
            let next = life.publish(draft("a", "next")).await.expect("is published");
            assert!(next.id.seq > head.seq, "no seq is given twice");
            let resumed = life.history("a", Start::After(head)).await;
            assert_eq!(resumed.messages[0].id, next.id);
            assert!(resumed.gap.is_none(), "the jump is explained: {resumed:?}");
        }
    }
}

#[tokio::test]
async fn a_life_after_a_kill_after_a_kill_still_has_all() {
    let disk = SimulatedDisk::default();
    let mut all = Vec::new();
    for round in 0..5 {
        let life = Life::begin(&disk, config(Fsync::Os));
        assert_eq!(life.all("a").await, all);
        life.publish_all("a", round * 10 + 1..=round * 10 + 10).await;
        // Its seqs are explained, and are nobody's loss.
        life.publish_all("typing", 1..=3).await;
        all = life.all("a").await;
        let from = all[0].0 - 1;
        let epoch = life.hub.log().epoch();
        let start = Start::After(tricast_core::MessageId { epoch, seq: from });
        let history = life.history("a", start).await;
        assert!(history.gap.is_none(), "{history:?}");
        life.kill();
    }
    assert_eq!(all.len(), 50);
}

#[tokio::test]
async fn what_is_not_logged_is_numbered_and_forgotten() {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, config(Fsync::Os));
    life.publish_all("a", 1..=1).await;
    life.publish_all("typing", 1..=1).await;
    let last = life.publish(draft("a", "2")).await.expect("is published");
    assert_eq!(last.id.seq, 3);
    assert_eq!(life.all("typing").await.len(), 1);
    life.close().await;
    let life = Life::begin(&disk, config(Fsync::Os));
    assert!(life.all("typing").await.is_empty());
    assert_eq!(life.all("a").await, [(1, "1".to_owned()), (3, "2".to_owned())]);
}

/// A channel that is logged now, and was not for a while: nobody has what it had then.
#[tokio::test]
async fn what_was_not_logged_for_a_while_is_a_gap_and_nothing_else() {
    for clean in [true, false] {
        let disk = SimulatedDisk::default();
        let mut heads = Vec::new();
        let begin = |unlogged: &[&str]| {
            Life::try_begin_without(&disk, config(Fsync::Os), unlogged).expect("opens")
        };
        for unlogged in [&[][..], &["a"], &[]] {
            let life = begin(unlogged);
            life.publish_all("a", 1..=5).await;
            life.publish_all("b", 1..=5).await;
            heads.push(life.hub.log().head());
            if clean {
                life.close().await;
            } else {
                life.kill();
            }
        }
        let life = begin(&[]);
        for head in &heads {
            let after = |seq| Start::After(tricast_core::MessageId { seq, ..*head });
            let (_, gaps) = life.pages("b", after(head.seq)).await;
            assert!(gaps.is_empty(), "b was always logged: {gaps:?}");
            // From before the life.
            let (messages, gaps) = life.pages("a", after(head.seq - 10)).await;
            assert_eq!(messages.len(), 5, "those of the last life: {messages:?}");
            let is_last = head == &heads[2];
            assert_eq!(gaps.is_empty(), is_last, "{clean} {head}: {gaps:?}");
            let told = |gap: &tricast_core::Gap| gap.last >= Some(heads[1].seq) && !gap.certain;
            assert!(gaps.iter().all(told), "{gaps:?}");
        }
        assert_eq!(life.all("a").await.len(), 5, "from where it is complete");
        assert_eq!(life.history("a", Start::Newest(9)).await.messages.len(), 5);
        assert_eq!(life.all("b").await.len(), 15);
    }
}

#[tokio::test]
async fn what_is_not_logged_any_more_is_gone_and_its_readers_are_told() {
    let disk = SimulatedDisk::default();
    let life = Life::try_begin_without(&disk, config(Fsync::Os), &[]).expect("opens");
    let first = life.publish(draft("typing", "1")).await.expect("is published");
    life.publish_all("typing", 2..=9).await;
    life.publish_all("a", 1..=1).await;
    life.close().await;

    let life = Life::begin(&disk, config(Fsync::Os));
    let head = life.hub.log().head().seq;
    assert_eq!(life.all("a").await.len(), 1);
    for start in [Start::Earliest, Start::Newest(2)] {
        let history = life.history("typing", start).await;
        assert!(history.messages.is_empty() && history.gap.is_none(), "{start:?}: {history:?}");
    }
    let resumed = life.history("typing", Start::After(first.id)).await;
    assert_eq!(resumed.gap.and_then(|gap| gap.last), Some(head), "is told");
    life.publish_all("typing", 10..=20).await;
    assert!(life.hub.log().floor(&super::world::channel("typing")) > head);
    assert_eq!(life.all("typing").await.len(), 3, "its ring");
}

#[tokio::test]
async fn an_idempotency_id_gets_its_first_receipt_after_a_kill() {
    let disk = SimulatedDisk::default();
    let once = || draft("a", "once").with_idempotency(Arc::from("order-17"));
    let life = Life::begin(&disk, config(Fsync::Os));
    let first = life.publish(once()).await.expect("is published");
    life.kill();
    let life = Life::begin(&disk, config(Fsync::Os));
    let again = life.publish(once()).await.expect("is a repeat");
    assert_eq!((again.id, again.duplicate), (first.id, true));
    let other = draft("b", "once").with_idempotency(Arc::from("order-17"));
    assert!(!life.publish(other).await.expect("is another channel's").duplicate);
    assert_eq!(life.all("a").await.len(), 1);
    life.close().await;
    let forgetful = EngineConfig { idempotency_window: Duration::ZERO, ..config(Fsync::Os) };
    let life = Life::begin(&disk, forgetful);
    // The clock may show the same millisecond still.
    while life.publish(once()).await.expect("settles").duplicate {}
    assert_eq!(life.all("a").await.len(), 2);
}

#[tokio::test]
async fn a_log_is_open_once_and_again_after_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || RealDisk::open(folder.path()).expect("opens");
    let life = Life::begin_on(Arc::new(open()), config(Fsync::Os));
    life.publish_all("a", 1..=3).await;
    let log = Arc::new(tricast_core::Log::new(
        tricast_core::Epoch::begin(0),
        tricast_core::Limits::default(),
    ));
    let second = DiskEngine::open_on(Arc::new(open()), config(Fsync::Os), log, DiskMeters::new());
    assert!(matches!(second, Err(StartError::Open(OpenError::Locked))));
    life.engine.close().await.expect("closes");
    life.engine.close().await.expect("is closed");
    let refused = life.publish(draft("a", "late")).await;
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    let other = Life::begin_on(Arc::new(open()), config(Fsync::Os));
    other.publish_all("a", 4..=4).await;
    assert_eq!(life.all("a").await.len(), 3, "it still reads");
    assert_eq!(other.all("a").await.len(), 4);
}

#[tokio::test]
pub(super) async fn what_is_too_much_is_let_go_and_its_readers_are_told() {
    let disk = SimulatedDisk::default();
    let small = EngineConfig { bytes: 64 << 10, ..config(Fsync::Os) };
    let life = Life::begin(&disk, small.clone());
    let first = life.publish(draft("a", "first")).await.expect("is published");
    for _ in 0..200 {
        life.publish(draft("a", &"x".repeat(1000))).await.expect("is published");
    }
    // The sealing thread lets go, a little after the messages have settled.
    let begun = std::time::Instant::now();
    while life.engine.stats().bytes >= 100 << 10 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", life.engine);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let floor = life.engine.stats().floor;
    assert!(floor > 0, "{:?}", life.engine);
    let resumed = life.history("a", Start::After(first.id)).await;
    let gap = resumed.gap.expect("is told");
    // It may have risen meanwhile.
    let risen = life.engine.stats().floor;
    assert_eq!(gap.first, Some(first.id.seq + 1));
    assert!(gap.last.is_some_and(|last| (floor..=risen).contains(&last)), "{gap:?}");
    life.kill();
    let life = Life::begin(&disk, small);
    let kept = life.engine.stats().floor;
    assert!(kept >= risen, "{kept} after {risen}");
    assert!(life.all("a").await[0].0 > kept);
}

#[tokio::test]
pub(super) async fn tickets_settle_in_order_and_those_in_flight_at_the_end_are_settled() {
    let disk = SimulatedDisk::default();
    let life = Life::begin(&disk, config(Fsync::Always));
    let tickets: Vec<_> =
        (0..2000).map(|n| life.engine.append(draft("a", &n.to_string()))).collect();
    let closing = life.engine.close();
    let mut last = 0;
    for ticket in tickets {
        let seq = ticket.await.expect("came before the end").id.seq;
        assert_eq!(seq, last + 1);
        last = seq;
    }
    closing.await.expect("closes");
    assert_eq!(life.all("a").await.len(), 2000);
}
