//! A shard: one thread, its sockets, and the order in which it looks after them.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mio::{Events, Poll};
use slab::Slab;
use tricast_core::{Doorbell, Format, Hub, Portion, Run, ShardId};

use crate::{
    conn::Conn,
    desks::Desks,
    inbox::{INBOX, Inbox, Note},
    job::Job,
    send::{Calls, Sender},
    shards::Rules,
    timers::Timers,
};

/// How long a round is for what was posted, so that a storm of newcomers does not keep anybody from its messages.
const NOTES: Duration = Duration::from_micros(300);

/// How long a round is for those that have something to say or hear of their own.
const TURNS: Duration = Duration::from_micros(300);

/// Room for notes that is kept when all of them are read.
const NOTES_KEPT: usize = 64;

/// The most that is joined into one send. A reader that takes only part of it keeps the rest alive.
const RUN: Portion = Portion { messages: 256, bytes: 16 * 1024 };

pub(crate) struct Shard {
    pub(crate) hub: Arc<Hub>,
    pub(crate) rules: Rules,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) id: ShardId,
    pub(crate) poll: Poll,
    pub(crate) inbox: Arc<Inbox>,
    /// The inbox as the log knows it.
    pub(crate) doorbell: Arc<dyn Doorbell>,
    notes: VecDeque<Note>,
    pub(crate) conns: Slab<Conn>,
    /// Connections that there have been.
    pub(crate) births: u32,
    pub(crate) desks: Desks,
    /// Runs that are on their way to more readers than one slice has.
    jobs: VecDeque<Job>,
    /// Channels whose run has been passed on to everybody.
    pub(crate) done: Vec<usize>,
    /// Connections that have more to say or hear.
    pub(crate) turns: VecDeque<u32>,
    pub(crate) timers: Timers,
    /// The formats in use; connections name theirs by its place.
    pub(crate) formats: Vec<&'static dyn Format>,
    pub(crate) sent: Vec<io::Result<usize>>,
    /// Scratch room.
    pub(crate) frames: Vec<Bytes>,
    pub(crate) buffer: Box<[u8]>,
    pub(crate) now: Instant,
    closing: bool,
}

impl Shard {
    pub(crate) fn new(
        hub: Arc<Hub>,
        rules: Rules,
        runtime: tokio::runtime::Handle,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let inbox = Inbox::new(poll.registry())?;
        let doorbell: Arc<dyn Doorbell> = inbox.clone();
        let id = hub.log().open_shard(doorbell.clone());
        Ok(Self {
            hub,
            rules,
            runtime,
            id,
            poll,
            inbox,
            doorbell,
            notes: VecDeque::new(),
            conns: Slab::new(),
            births: 0,
            desks: Desks::default(),
            jobs: VecDeque::new(),
            done: Vec::new(),
            turns: VecDeque::new(),
            timers: Timers::new(),
            formats: Vec::new(),
            sent: Vec::new(),
            frames: Vec::new(),
            buffer: vec![0; 16 * 1024].into(),
            now: Instant::now(),
            closing: false,
        })
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Looks after its connections until told to close.
    pub(crate) fn run(mut self, calls: Calls) -> io::Result<()> {
        self.inbox.own();
        let mut sender = calls.sender();
        let mut events = Events::with_capacity(256);
        while !self.closing {
            let timeout = match self.has_work() {
                true => Some(Duration::ZERO),
                false => self.timers.idle(self.timers.millis(Instant::now())),
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.round(&events, &mut *sender);
        }
        Ok(())
    }

    /// A little of everything, so that nobody waits for somebody else's crowd.
    pub(crate) fn round(&mut self, events: &Events, sender: &mut dyn Sender) {
        self.now = Instant::now();
        for event in events.iter().filter(|event| event.token() != INBOX) {
            let key = event.token().0 as u32;
            let ends = event.is_read_closed() || event.is_error();
            self.on_event(key, event.is_readable() || ends, ends);
        }
        self.read_notes();
        self.give_turns();
        for job in self.take_news() {
            self.carry_on(job, sender);
        }
        // One of those that were not done at once: a huge channel does not keep small ones waiting.
        if let Some(job) = self.jobs.pop_front() {
            self.carry_on(job, sender);
        }
        let now = self.timers.millis(self.now);
        while let Some((millis, key)) = self.timers.pop(now) {
            self.on_timer(millis, key);
        }
    }

    fn has_work(&self) -> bool {
        !(self.notes.is_empty()
            && self.turns.is_empty()
            && self.jobs.is_empty()
            && self.done.is_empty()
            && !self.inbox.has_rung())
    }

    fn read_notes(&mut self) {
        self.inbox.take(&mut self.notes);
        let begin = Instant::now();
        while let Some(note) = self.notes.pop_front() {
            match note {
                Note::Newcomer(newcomer) => self.welcome(*newcomer),
                Note::Called(key) => self.on_ring(key),
                Note::Answered { key, birth, answer } => self.answer(key, birth, answer),
                Note::Close => self.closing = true,
            }
            if begin.elapsed() > NOTES {
                return;
            }
        }
        self.notes.shrink_to(NOTES_KEPT);
    }

    fn give_turns(&mut self) {
        let begin = Instant::now();
        for _ in 0..self.turns.len() {
            if let Some(key) = self.turns.pop_front() {
                self.have_turn(key);
            }
            if begin.elapsed() > TURNS {
                return;
            }
        }
    }

    /// Passes a run on to the next readers.
    fn carry_on(&mut self, mut job: Job, sender: &mut dyn Sender) {
        match self.advance(&mut job, sender) {
            true => self.done.push(job.slot()),
            false => self.jobs.push_back(job),
        }
    }

    /// A channel stays busy from when its run is taken until the news behind that run are taken: else a
    /// reader of several channels could be passed a younger message of another one first.
    fn take_news(&mut self) -> Vec<Job> {
        self.inbox.clear_ring();
        for slot in self.done.drain(..) {
            self.desks.set_busy(slot, false);
        }
        let mut runs: Vec<Run> = Vec::new();
        let desks = &self.desks;
        self.hub.log().take_news(self.id, |slot| desks.is_busy(slot), RUN, &mut runs);
        let mut jobs = Vec::with_capacity(runs.len());
        for run in runs {
            let slot = run.slot;
            if let Some(desk) = self.desks.get(slot) {
                jobs.push(Job::new(run, desk.members.len()));
                self.desks.set_busy(slot, true);
            }
        }
        jobs
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.inbox.close();
        self.hub.log().close_shard(self.id);
    }
}
