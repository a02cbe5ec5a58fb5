//! The desk with a clock of the test: sharing, memory, shares, and loans that end.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tricast_core::{
    Data, Draft, Epoch, Portion, ReadLimit, ReadMemory, ReadRequest, Seq, Stored, UserId,
};

use super::{
    desk::{Asked, Desk, Served, Task},
    shelf::LOAN,
};

/// Data of one message, of which each portion has one.
const DATA: usize = 8 << 10;
const LIMIT: ReadLimit = ReadLimit { messages: 1, bytes: DATA };
/// A portion is expected to occupy so much; it occupies a little less.
const ESTIMATE: usize = DATA + 512;

/// A desk, its memory, and the time.
struct Office {
    memory: ReadMemory,
    desk: Desk<usize>,
    now: Instant,
    /// Who is not there any more.
    left: BTreeSet<usize>,
    reads: usize,
    /// What each reader has been lent and has not given back.
    held: HashMap<usize, Served<usize>>,
}

impl Office {
    /// Has memory for `portions`.
    fn with_room_for(portions: usize) -> Self {
        let memory = ReadMemory::new(portions * ESTIMATE);
        let desk = Desk::new(memory.clone());
        let (left, held) = Default::default();
        Self { memory, desk, now: Instant::now(), left, reads: 0, held }
    }

    fn portion(&self, request: &ReadRequest) -> Portion {
        let (channel, after) = request.channels[0].clone();
        let draft = Draft::new(channel, Data::Text("x".repeat(DATA)));
        let stored = Stored { seq: after + 1, time: 0, online: None, draft };
        Portion::new(Epoch::begin(0), vec![stored], Vec::new(), after + 1, &self.memory)
    }

    fn ask(&mut self, reader: usize, request: ReadRequest) {
        if let Some(served) = self.desk.ask(Asked::new(request, self.now, reader), self.now) {
            self.held.insert(reader, served);
        }
    }

    /// Does all that can be done now. Returns who was served.
    fn work(&mut self) -> Vec<usize> {
        let mut served_now = Vec::new();
        self.desk.expire(self.now);
        loop {
            let left = self.left.clone();
            let all = match self.desk.next(self.now, |reader| left.contains(reader)) {
                None => return served_now,
                Some(Task::Serve(served)) => vec![served],
                Some(Task::Read(reading)) => {
                    self.reads += 1;
                    let portion = Arc::new(self.portion(&reading.asked.request));
                    self.desk.finish(reading, portion, self.now)
                }
            };
            for mut served in all {
                // A reader has a weak reference alone.
                served.portion = Arc::new(self.nothing());
                served_now.push(served.asked.answer);
                self.held.insert(served.asked.answer, served);
            }
        }
    }

    fn nothing(&self) -> Portion {
        Portion::new(Epoch::begin(0), Vec::new(), Vec::new(), 0, &self.memory)
    }

    fn give_back(&mut self, reader: usize) {
        let served = self.held.remove(&reader).expect("it holds a portion");
        self.desk.give_back(served.id.expect("it was lent"), &served.asked.parties);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn user(name: &str) -> Option<UserId> {
    Some(name.parse().expect("a user"))
}

fn request(channel: &str, after: Seq, user: Option<UserId>) -> ReadRequest {
    let channels = vec![(channel.parse().expect("a channel"), after)];
    ReadRequest { channels, until: 1_000_000, limit: LIMIT, user, address: None }
}

#[test]
fn readers_at_one_place_share_one_read() {
    let mut office = Office::with_room_for(10);
    (0..1000).for_each(|reader| office.ask(reader, request("a", 5, None)));
    assert_eq!(office.work().len(), 1000);
    office.ask(1000, request("a", 5, None));
    assert!(office.held.contains_key(&1000), "it is lent at once");
    assert_eq!(office.reads, 1);
    assert!(office.memory.bytes() <= ESTIMATE, "one portion is in memory");
}

#[test]
fn readers_of_a_portion_that_is_being_read_join_it() {
    let mut office = Office::with_room_for(10);
    office.ask(0, request("a", 5, None));
    let Some(Task::Read(reading)) = office.desk.next(office.now, |_| false) else {
        panic!("it has to be read")
    };
    office.ask(1, request("a", 5, None));
    assert!(office.desk.next(office.now, |_| false).is_none(), "it waits for the first");
    let portion = Arc::new(office.portion(&reading.asked.request));
    let served = office.desk.finish(reading, portion, office.now);
    assert_eq!(served.iter().map(|one| one.asked.answer).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_portion_that_reaches_into_the_rings_of_a_reader_is_not_lent_to_it() {
    let mut office = Office::with_room_for(10);
    office.ask(0, request("a", 5, None));
    office.work();
    office.ask(1, ReadRequest { until: 5, ..request("a", 5, None) });
    assert!(!office.held.contains_key(&1));
    office.work();
    assert_eq!(office.reads, 2);
}

#[test]
pub(in crate::engine) fn a_reader_waits_while_memory_is_used_up_and_a_loan_lasts_a_second() {
    let mut office = Office::with_room_for(3);
    (0..5).for_each(|reader| office.ask(reader, request(&format!("c{reader}"), 0, None)));
    assert_eq!(office.work(), [0, 1, 2]);
    assert!(office.work().is_empty(), "nothing has come back");
    office.give_back(1);
    assert_eq!(office.work(), [3], "what was given back leaves for others");
    office.pass(LOAN - Duration::from_millis(1));
    assert!(office.work().is_empty());
    office.pass(Duration::from_millis(1));
    assert_eq!(office.work(), [4]);
    // What they give back too late is gone already.
    [0, 2, 3, 4].into_iter().for_each(|reader| office.give_back(reader));
    office.pass(LOAN);
    office.work();
    assert!(office.desk.is_idle());
    assert_eq!(office.memory.bytes(), 0);
}

#[test]
fn a_portion_stays_for_the_next_reader_while_there_is_room() {
    let mut office = Office::with_room_for(2);
    office.ask(0, request("a", 0, None));
    office.work();
    office.give_back(0);
    office.ask(1, request("a", 0, None));
    assert!(office.held.contains_key(&1));
    office.give_back(1);
    office.ask(2, request("b", 0, None));
    office.ask(3, request("c", 0, None));
    assert_eq!(office.work(), [2, 3], "it goes once others need its room");
}

#[test]
fn one_user_has_at_most_an_eighth_and_others_pass() {
    let mut office = Office::with_room_for(24);
    for reader in 0..20 {
        office.ask(reader, request("a", reader as Seq, user("alice")));
    }
    office.ask(20, request("b", 0, user("bob")));
    assert_eq!(office.work(), [0, 20, 1, 2]);
    // She may have more of what she has already.
    office.ask(21, request("a", 1, user("alice")));
    assert!(office.held.contains_key(&21));
    office.give_back(0);
    assert_eq!(office.work(), [3]);
    office.give_back(1);
    assert!(office.work().is_empty(), "her other reader still has it");
    office.give_back(21);
    assert_eq!(office.work(), [4]);
}

#[test]
fn one_network_has_at_most_an_eighth_whatever_users_it_claims() {
    let mut office = Office::with_room_for(24);
    for reader in 0..20 {
        let address = Some(format!("2001:db8::{reader:x}").parse().expect("an address"));
        let claimed = user(&format!("user{reader}"));
        office.ask(reader, ReadRequest { address, ..request("a", reader as Seq, claimed) });
    }
    assert_eq!(office.work(), [0, 1, 2]);
}

#[test]
fn readers_that_have_left_are_passed_over() {
    let mut office = Office::with_room_for(1);
    office.ask(0, request("a", 0, None));
    office.work();
    (1..100).for_each(|reader| office.ask(reader, request("a", reader as Seq, None)));
    office.left = (1..99).collect();
    office.give_back(0);
    assert_eq!(office.work(), [99]);
    assert_eq!(office.reads, 2);
}

#[test]
fn what_unfinished_pages_hold_does_not_stop_the_readers_that_finish_them() {
    let mut office = Office::with_room_for(2);
    let pages: Vec<Portion> =
        (0..3).map(|seq| office.portion(&request("page", seq, None))).collect();
    office.ask(0, request("a", 0, None));
    office.ask(1, request("b", 0, None));
    assert_eq!(office.work(), [0], "one at a time");
    office.give_back(0);
    assert_eq!(office.work(), [1]);
    drop(pages);
}

#[test]
fn a_reader_catches_up_beside_a_thousand_that_take_nothing() {
    let mut office = Office::with_room_for(200);
    let crowd = 1000;
    for reader in 0..crowd {
        office.ask(reader, request("a", 1 + reader as Seq, user(&format!("user{reader}"))));
    }
    let mut read = 0;
    office.ask(crowd, request("b", read, user("busy")));
    for _ in 0..10_000 {
        office.work();
        if office.held.contains_key(&crowd) {
            office.give_back(crowd);
            read += 1;
            office.ask(crowd, request("b", read, user("busy")));
        }
        office.pass(Duration::from_millis(1));
    }
    // The crowd is served in five seconds, and from then on the one has all memory.
    assert!(read > 4000, "{read} portions in ten seconds");
    assert!(office.memory.bytes() <= office.memory.limit());
}

#[test]
fn a_request_without_a_limit_waits_for_all_memory() {
    let mut office = Office::with_room_for(2);
    office.ask(0, request("a", 0, None));
    let all = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
    office.work();
    office.ask(1, ReadRequest { limit: all, ..request("b", 0, user("alice")) });
    assert!(office.work().is_empty());
    office.give_back(0);
    assert_eq!(office.work(), [1]);
}
