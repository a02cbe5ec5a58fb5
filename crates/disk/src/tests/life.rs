//! The lives of one log, from a seed: each opens it, uses it, and ends in some way.

use std::sync::Arc;

use bytes::Bytes;
use tricast_core::Seq;

use super::world::{World, channel};
use crate::{
    AppendError, Config, DataKind, Machine, OpenError, Opened, Record, Retention, SealJob, Store,
    disk::simulated::{Fault, SimulatedDisk},
};

/// One log through some lives.
pub(super) struct Lives {
    pub(super) rng: fastrand::Rng,
    pub(super) disk: SimulatedDisk,
    world: World,
    boot: u32,
    time: u64,
    pub(super) ends: u64,
    trace: bool,
    /// Writing back failed at the last end, unseen.
    write_back_failed: bool,
}

/// A log while it is open.
struct Life {
    store: Store,
    jobs: Vec<SealJob>,
    /// The next seq.
    next: Seq,
    always: bool,
    /// Appended, and to be shown when they are durable.
    waiting: Vec<Record>,
}

impl Lives {
    pub(super) fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        let trace = std::env::var("TRACE").is_ok();
        let (disk, world) = (SimulatedDisk::default(), World::default());
        Self { rng, disk, world, boot: 0, time: 0, ends: 0, trace, write_back_failed: false }
    }

    pub(super) fn run(&mut self) {
        for _ in 0..self.rng.usize(2..10) {
            self.live();
            self.end();
        }
    }

    fn config(&mut self) -> Config {
        Config {
            always: self.rng.bool(),
            segment_bytes: 2000,
            reserve: 40,
            ballast: 300,
            machine: Machine { id: "m".to_owned(), boot: self.boot.to_string() },
            logged: None,
        }
    }

    fn open(&mut self, config: Config) -> Result<(Store, Opened), OpenError> {
        let epoch = || "e".parse().expect("an epoch");
        Store::open(Arc::new(self.disk.clone()), config, epoch)
    }

    /// Opens copies of the log and dies at each call of the disk, and each copy then opens well.
    fn die_at_each_call(&mut self, config: &Config) {
        for calls in 0.. {
            let (rng, disk, world) = (self.rng.clone(), self.disk.fork(), self.world.clone());
            let mut copy = Self { rng, disk, world, ..*self };
            copy.disk.fail_after(calls, Fault::Death);
            if copy.open(config.clone()).is_ok() {
                return;
            }
            copy.disk.heal();
            copy.world.not_opened();
            let opened = copy.open(config.clone());
            let (store, opened) = opened.expect("opens after a death in the opening");
            copy.world.opened(&store.reader(), &opened, &mut copy.rng);
        }
    }

    fn live(&mut self) {
        // The first sync after such a failure tells of it, and no later one.
        let only_told_once = std::mem::take(&mut self.write_back_failed);
        let healthy = self.rng.u8(0..4) != 0 || only_told_once;
        if !healthy {
            let fault = if self.rng.u8(0..4) == 0 { Fault::Error } else { Fault::Death };
            self.world.may_lose |= fault == Fault::Error;
            self.disk.fail_after(self.rng.u32(0..30), fault);
        }
        let config = self.config();
        if self.rng.u8(0..16) == 0 && !only_told_once {
            self.die_at_each_call(&config);
        }
        let always = config.always;
        let (store, opened) = match self.open(config) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(!healthy, "it does not open: {error}");
                self.world.not_opened();
                return;
            }
        };
        if self.trace {
            println!("always {always} boot {} {opened:?}", self.boot);
        }
        self.world.opened(&store.reader(), &opened, &mut self.rng);
        let next = opened.head + 1;
        let mut life = Life { store, jobs: Vec::new(), next, always, waiting: Vec::new() };
        let fault = match self.rng.u8(0..5) {
            0 | 1 => Some(Fault::Death),
            2 => Some(Fault::Error),
            3 => Some(Fault::Full),
            _ => None,
        };
        if let Some(fault) = fault {
            self.disk.fail_after(self.rng.u32(0..120), fault);
        }
        for _ in 0..self.rng.usize(0..60) {
            self.act(&mut life);
        }
        if self.rng.bool() && life.waiting.is_empty() {
            self.close(life);
        }
    }

    fn close(&mut self, life: Life) {
        let content = self.rng.bool().then(|| vec![self.rng.u8(..); self.rng.usize(0..50)]);
        let kept =
            content.as_ref().is_some_and(|content| life.store.keep_presence(content).is_ok());
        let closed = life.store.close().is_ok();
        if closed {
            self.world.promised.extend(self.world.shown.keys());
            self.world.promised.extend(self.world.erasures.keys());
        } else {
            // It may have written down that the disk failed.
            self.world.may_lose = true;
        }
        (self.world.presence, self.world.presence_unsure) = (content, !(kept && closed));
    }

    fn retain(&mut self, life: &mut Life) {
        let age = self.rng.bool().then(|| self.rng.u64(50..500));
        let retention = Retention { bytes: self.rng.u64(2000..10_000), age };
        match life.store.retain(retention, self.time, self.rng.u64(0..5)) {
            Ok(let_go) => self.world.floor = let_go.floor,
            Err(_) => self.world.floor_unknown = true,
        }
    }

    fn act(&mut self, life: &mut Life) {
        match self.rng.u8(0..24) {
            0..=11 => self.append(life),
            12..=14 => self.give_unlogged(life),
            15..=17 => self.sync(life),
            18 => drop(life.store.roll()),
            19 | 20 => {
                life.jobs.extend(life.store.seal_jobs());
                if !life.jobs.is_empty() && self.rng.bool() {
                    let job = life.jobs.swap_remove(self.rng.usize(0..life.jobs.len()));
                    if job.run().is_err() && self.rng.bool() {
                        life.jobs.push(job);
                    }
                }
            }
            21 => {
                let reader = life.store.reader();
                self.world.check(&reader, &mut self.rng, false);
            }
            22 => self.retain(life),
            _ => {}
        }
    }

    fn record(&mut self, seq: Seq) -> Record {
        self.time += self.rng.u64(0..5);
        let size = self.rng.usize(0..90);
        let byte = if self.rng.bool() { 0 } else { self.rng.u8(..) };
        let data = Bytes::from(vec![byte; size]);
        let channel = channel(self.rng.u8(0..5));
        let mut record = Record::new(seq, self.time, channel, DataKind::Bytes, data);
        record.end = self.rng.u8(0..8) == 0;
        record.online = self.rng.bool().then(|| self.rng.u32(..));
        record.event = self.rng.bool().then(|| "an event".into());
        if self.rng.u8(0..3) == 0 {
            let mut tag = [0; 16];
            self.rng.fill(&mut tag);
            record.idempotency = Some(tag);
        }
        if self.rng.u8(0..8) == 0 {
            let (time, channel) = (record.time, record.channel);
            record = Record::new(seq, time, channel, DataKind::Bytes, Bytes::new());
            record.erases = Some(self.rng.u64(0..seq));
        }
        record
    }

    fn append(&mut self, life: &mut Life) {
        let mut records = Vec::new();
        let mut next = life.next;
        for _ in 0..self.rng.usize(1..6) {
            let skipped = if self.rng.u8(0..4) == 0 { self.rng.u64(0..5) } else { 0 };
            next += skipped;
            let mut record = self.record(next);
            record.skipped = next - 1 - life.store.last.max(last_of(&records));
            records.push(record);
            next += 1;
        }
        let appended = life.store.append(&records);
        if self.trace {
            let seqs: Vec<_> = records.iter().map(|record| record.seq).collect();
            println!("append {seqs:?} {appended:?}");
        }
        for record in &mut records {
            record.skipped = 0;
        }
        match appended {
            Ok(()) => {
                life.next = next;
                match life.always {
                    true => life.waiting.extend(records),
                    false => self.show(records),
                }
                if life.always {
                    self.sync(life);
                }
            }
            Err(AppendError::Full) => {}
            Err(AppendError::Failed(_)) => {
                life.next = next;
                self.world.unknown.extend(records.into_iter().map(|one| (one.seq, one)));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn show(&mut self, records: Vec<Record>) {
        for record in records {
            assert!(record.seq > self.world.given, "{} is given again", record.seq);
            self.world.given = record.seq;
            match record.erases {
                Some(_) => self.world.erasures.insert(record.seq, record),
                None => self.world.shown.insert(record.seq, record),
            };
        }
    }

    fn give_unlogged(&mut self, life: &mut Life) {
        if life.store.reserve(life.next).is_ok() && life.waiting.is_empty() {
            self.world.given = life.next;
            life.next += 1;
        }
    }

    fn sync(&mut self, life: &mut Life) {
        match life.store.sync() {
            Ok(upto) => {
                let waiting = std::mem::take(&mut life.waiting);
                self.show(waiting);
                let World { shown, erasures, promised, .. } = &mut self.world;
                let durable = shown.range(..=upto).chain(erasures.range(..=upto));
                promised.extend(durable.map(|(seq, _)| *seq));
            }
            Err(_) => {
                let waiting = std::mem::take(&mut life.waiting);
                self.world.unknown.extend(waiting.into_iter().map(|one| (one.seq, one)));
            }
        }
    }

    /// The process is gone, and perhaps the machine.
    fn end(&mut self) {
        self.disk.heal();
        self.ends += 1;
        if self.rng.bool() {
            self.disk.lose_power(&mut self.rng);
            self.boot += 1;
            (self.world.may_lose, self.world.same_boot) = (true, false);
        } else if self.rng.u8(0..8) == 0 && self.disk.fail_to_write_back(&mut self.rng) {
            (self.world.may_lose, self.write_back_failed) = (true, true);
        }
        if self.rng.u8(0..8) == 0 && self.disk.flip_bit(&mut self.rng, ".log").is_some() {
            (self.world.damaged, self.world.just_damaged) = (true, true);
        }
        if self.rng.u8(0..8) == 0 {
            self.disk.flip_bit(&mut self.rng, ".idx");
        }
        if self.rng.u8(0..16) == 0
            && let Some(flip) = self.disk.flip_bit(&mut self.rng, "meta")
        {
            let config = self.config();
            let refused = self.open(config).err();
            assert!(matches!(refused, Some(OpenError::Meta(_))), "{refused:?}");
            self.disk.flip_back(flip);
        }
    }
}

fn last_of(records: &[Record]) -> Seq {
    records.last().map_or(0, |record| record.seq)
}
