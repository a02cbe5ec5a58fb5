//! Readers of a log that is much larger than the rings: from the beginning, from far back, the
//! newest, beside live messages, beside readers that take nothing, and over damage.

mod catch_up_world;

use std::{collections::BTreeMap, sync::Arc};

use catch_up_world::{Frame, Reader, World, gaps, seqs};
use tricast_core::{MessageId, ReadLimit, Seq, Start};

/// Messages of a log that has many segments; rings hold 8 of each channel.
const MESSAGES: usize = 6000;

fn after(world: &World, seq: Seq) -> Start {
    Start::After(MessageId { epoch: world.hub.log().epoch(), seq })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn earliest_reads_the_whole_log_in_order() {
    let world = World::new().await;
    world.publish(&["a", "b", "c"], MESSAGES).await;
    let mut reader = Reader::join(&world, &["a", "b", "c"], Start::Earliest).await;
    let frames = reader.read_to(MESSAGES as Seq).await;
    assert_eq!(seqs(&frames), (1..=MESSAGES as Seq).collect::<Vec<_>>());
    let mut one = Reader::join(&world, &["b"], Start::Earliest).await;
    let frames = one.read_to(MESSAGES as Seq - 1).await;
    assert_eq!(seqs(&frames), (2..MESSAGES as Seq).step_by(3).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newest_has_exactly_as_many_as_asked_for() {
    let world = World::new().await;
    world.publish(&["a", "b"], MESSAGES).await;
    for newest in [1, 7, 8, 9, 100, 1023, 1024, 1025, MESSAGES / 2 - 1, MESSAGES / 2, MESSAGES] {
        let mut reader = Reader::join(&world, &["a"], Start::Newest(newest)).await;
        let frames = reader.read_to(MESSAGES as Seq - 1).await;
        let held = newest.min(MESSAGES / 2);
        let first = MESSAGES + 1 - 2 * held;
        let expected: Vec<Seq> = (first as Seq..MESSAGES as Seq).step_by(2).collect();
        assert_eq!(seqs(&frames), expected, "the newest {newest}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_from_anywhere_misses_nothing_of_many_channels() {
    let world = World::new().await;
    let names: Vec<String> = (0..40).map(|n| format!("room.{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.publish(&names, MESSAGES).await;
    for seq in [0, 1, 39, 40, 41, 2500, MESSAGES as Seq - 330, MESSAGES as Seq - 1] {
        let mut reader = Reader::join(&world, &names, after(&world, seq)).await;
        let frames = reader.read_to(MESSAGES as Seq).await;
        assert!(frames.contains(&Frame::Hello { recovered: true }), "after {seq}");
        assert_eq!(seqs(&frames), (seq + 1..=MESSAGES as Seq).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_catch_up_while_others_publish() {
    let world = Arc::new(World::new().await);
    world.publish(&["a", "b"], MESSAGES / 2).await;
    let publishing = {
        let world = world.clone();
        tokio::spawn(async move {
            for _ in 0..MESSAGES / 20 {
                world.publish(&["a", "b"], 10).await;
            }
        })
    };
    let mut reading = Vec::new();
    for n in 0..10 {
        let world = world.clone();
        reading.push(tokio::spawn(async move {
            let start = after(&world, 100 * n);
            let mut reader = Reader::join(&world, &["a", "b"], start).await;
            let frames = reader.read_to(MESSAGES as Seq).await;
            assert_eq!(seqs(&frames), (100 * n + 1..=MESSAGES as Seq).collect::<Vec<_>>());
        }));
    }
    for one in reading {
        one.await.expect("reads");
    }
    publishing.await.expect("publishes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_reads_catches_up_beside_many_that_take_nothing() {
    let world = World::new().await;
    world.publish(&["a", "b"], MESSAGES).await;
    let mut crowd = Vec::new();
    for n in 0..200 {
        let mut reader = Reader::join(&world, &["a"], after(&world, 2 * n)).await;
        // It takes nothing of what it asks for.
        reader.ask();
        crowd.push(reader);
    }
    let mut reader = Reader::join(&world, &["b"], Start::Earliest).await;
    let frames = reader.read_to(MESSAGES as Seq).await;
    assert_eq!(frames.len(), 1 + MESSAGES / 2);
    assert!(world.engine.stats().read_bytes <= world.read_memory, "the memory keeps to its limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portions_leave_memory_when_their_readers_are_done() {
    let world = World::new().await;
    world.publish(&["a"], MESSAGES).await;
    let mut reader = Reader::join(&world, &["a"], Start::Earliest).await;
    reader.read_to(MESSAGES as Seq).await;
    // What they leave for others goes after a second.
    world.until(|world| world.engine.stats().read_bytes == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_a_gap_and_never_wrong_content() {
    let world = World::new().await;
    world.publish(&["a", "b"], MESSAGES).await;
    world.damage_the_middle().await;
    let mut reader = Reader::join(&world, &["a", "b"], Start::Earliest).await;
    let frames = reader.read_to(MESSAGES as Seq).await;
    let gaps = gaps(&frames);
    assert!(!gaps.is_empty(), "the loss is told");
    assert!(world.engine.stats().damaged > 0, "and counted");
    let mut found: BTreeMap<Seq, bool> = seqs(&frames).into_iter().map(|seq| (seq, true)).collect();
    for (_, first, last) in &gaps {
        (*first..=*last).for_each(|seq| {
            found.entry(seq).or_insert(false);
        });
    }
    assert_eq!(found.into_keys().collect::<Vec<_>>(), (1..=MESSAGES as Seq).collect::<Vec<_>>());
    let lost = (1..=MESSAGES as Seq).filter(|seq| !seqs(&frames).contains(seq)).count();
    assert!((1..=2).contains(&lost), "{lost} messages lost by one byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_pages_reach_back_to_the_beginning() {
    let world = World::new().await;
    world.publish(&["a", "b"], MESSAGES).await;
    let channel = "a".parse().expect("a channel");
    let limit = ReadLimit { messages: 1000, bytes: 1 << 20 };
    let (mut start, mut all) = (Start::Earliest, Vec::new());
    loop {
        let page = world.hub.history(&channel, start, limit, None).await.expect("a page");
        assert!(page.gap.is_none());
        all.extend(page.messages.iter().map(|message| message.id.seq));
        start = Start::After(page.id);
        if !page.more {
            break;
        }
    }
    assert_eq!(all, (1..MESSAGES as Seq).step_by(2).collect::<Vec<_>>());
}
