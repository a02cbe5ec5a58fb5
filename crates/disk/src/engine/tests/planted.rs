//! The negative controls: with each bug of the engine one of its tests fails.

use std::panic::catch_unwind;

use super::{crashes, failures, restarts};
use crate::{engine::read, planted::Planted};

/// The lives that a bug may have until it is found.
const LIVES: u64 = 1000;

fn lives() {
    crashes::live(0, LIVES);
}

/// The test that finds a bug.
fn finder(bug: Planted) -> fn() {
    match bug {
        Planted::AcknowledgedBeforeSync
        | Planted::AcknowledgedBeforeWrite
        | Planted::RepeatAhead
        | Planted::RepeatPublished
        | Planted::FailureIgnored
        | Planted::UnloggedNotReserved
        | Planted::RingOverHole
        | Planted::EarlierForgotten
        | Planted::HoleSilent => lives,
        Planted::OrderLost | Planted::EndBeforeQueue => {
            restarts::tickets_settle_in_order_and_those_in_flight_at_the_end_are_settled
        }
        Planted::PortionCut => restarts::a_clean_end_and_a_kill_lose_nothing_that_was_acknowledged,
        Planted::FloorSilent => restarts::what_is_too_much_is_let_go_and_its_readers_are_told,
        Planted::EmptiedUnderReaders => failures::what_is_let_go_under_a_reader_is_read_to_its_end,
        Planted::FullKeepsAll => failures::what_is_too_much_makes_room_on_a_full_disk,
        Planted::TurnKept => read::fair_queue::tests::lines_take_turns_whatever_their_length,
        Planted::ReaderSkipped => {
            read::fair_queue::tests::a_line_that_has_to_wait_keeps_its_turn_and_others_pass
        }
        Planted::LoanEndless => {
            read::tests::a_reader_waits_while_memory_is_used_up_and_a_loan_lasts_a_second
        }
        other => panic!("no test is named for {other:?}"),
    }
}

#[test]
fn the_tests_of_the_engine_find_each_planted_bug() {
    let mut missed: Vec<Planted> = Vec::new();
    for bug in Planted::ENGINE {
        Planted::plant(Some(*bug));
        let found = catch_unwind(finder(*bug)).is_err();
        Planted::plant(None);
        println!("{bug:?}: {}", if found { "found" } else { "missed" });
        missed.extend((!found).then_some(*bug));
    }
    assert!(missed.is_empty(), "these are not found: {missed:?}");
}
