//! Kills, power failures, failing and full disks and flipped bits, from a seed:
//! `SEED=… LIVES=… cargo test --release -p tricast-disk crashes`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::life::Lives;
use crate::planted::Planted;

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

#[test]
fn nothing_promised_is_lost_and_nothing_is_lost_in_silence() {
    let (first, lives) = (number("SEED", 1), number("LIVES", 3000));
    let (mut ends, mut calls) = (0, 0);
    for seed in first..first + lives {
        let mut log = Lives::new(seed);
        let lived = catch_unwind(AssertUnwindSafe(|| log.run()));
        assert!(lived.is_ok(), "SEED={seed} LIVES=1 TRACE=1 shows the life that failed");
        ends += log.ends;
        calls += log.disk.calls();
    }
    println!("{lives} logs, {ends} ends, {calls} calls of the disk");
}

/// Each planted bug makes the test above fail. The bugs are planted for one thread.
#[test]
fn the_crash_test_finds_each_planted_bug() {
    const MOST: u64 = 3000;
    let found: Vec<_> =
        Planted::STORE.iter().map(|bug| (*bug, seed_that_finds(*bug, MOST))).collect();
    for (bug, seed) in &found {
        println!("{bug:?}: {seed:?}");
    }
    let missed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).collect();
    assert!(missed.is_empty(), "in {MOST} logs the test did not find {missed:?}");
}

fn seed_that_finds(bug: Planted, most: u64) -> Option<u64> {
    Planted::plant(Some(bug));
    let found = (1..=most).find(|seed| {
        let lived = catch_unwind(AssertUnwindSafe(|| Lives::new(*seed).run()));
        lived.is_err()
    });
    Planted::plant(None);
    found
}
