//! A disk, and the lives of an engine on it.

use std::sync::Arc;

use tricast_core::{
    Bounds, ChannelName, ChannelRules, Data, Draft, Engine, EngineError, Epoch, Gap, History, Hub,
    Limits, Log, Meters, Namespaces, PublishError, ReadLimit, Receipt, Seq, Start,
};

use crate::{
    Config, DiskEngine, DiskMeters, EngineConfig, Fsync, Machine, StartError,
    disk::{Disk, simulated::SimulatedDisk},
};

/// One life of an engine.
pub(super) struct Life {
    pub(super) engine: Arc<DiskEngine>,
    pub(super) hub: Arc<Hub>,
}

pub(super) fn channel(name: &str) -> ChannelName {
    name.parse().expect("a name")
}

pub(super) fn draft(name: &str, text: &str) -> Draft {
    Draft::new(channel(name), Data::Text(text.to_owned()))
}

/// Small segments, so that tests have many.
pub(super) fn config(fsync: Fsync) -> EngineConfig {
    let machine = Machine { id: "machine".to_owned(), boot: "boot".to_owned() };
    let store = Config {
        segment_bytes: 16 << 10,
        ballast: 4096,
        reserve: 1000,
        always: fsync == Fsync::Always,
        ..Config::for_bytes(1 << 30, machine)
    };
    EngineConfig { store, ..EngineConfig::new(fsync, 1 << 30) }
}

/// A log whose rings hold three messages of each channel; those of some are not on the disk.
fn log(unlogged: &[&str]) -> Arc<Log> {
    let rules = ChannelRules::default().with_history(Bounds::default().with_messages(3));
    let not_logged = Arc::new(rules.clone().with_log(false));
    let namespace = |name: &&str| (name.parse().expect("a pattern"), not_logged.clone());
    let list = unlogged.iter().map(namespace).collect();
    let limits = Limits::default().with_rules(Namespaces::new(list, Arc::new(rules)));
    Arc::new(Log::new(Epoch::begin(0), limits))
}

impl Life {
    /// Begins another life on a disk.
    pub(super) fn begin(disk: &SimulatedDisk, config: EngineConfig) -> Self {
        Self::begin_on(Arc::new(disk.clone()), config)
    }

    pub(super) fn begin_on(disk: Arc<dyn Disk>, config: EngineConfig) -> Self {
        Self::start(disk, config, &["typing"]).expect("opens")
    }

    /// Begins another life on a disk, with these channels not on the disk.
    pub(super) fn try_begin_without(
        disk: &SimulatedDisk,
        config: EngineConfig,
        unlogged: &[&str],
    ) -> Result<Self, StartError> {
        Self::start(Arc::new(disk.clone()), config, unlogged)
    }

    fn start(
        disk: Arc<dyn Disk>,
        config: EngineConfig,
        unlogged: &[&str],
    ) -> Result<Self, StartError> {
        let log = log(unlogged);
        let engine = DiskEngine::open_on(disk, config, log.clone(), DiskMeters::new())?;
        let hub = Hub::new(log, engine.clone(), Meters::new(), 100);
        Ok(Self { engine, hub })
    }

    pub(super) async fn publish(&self, draft: Draft) -> Result<Receipt, EngineError> {
        self.hub.publish(draft).await.map_err(|error| match error {
            PublishError::Engine(error) => error,
            error => panic!("{error}"),
        })
    }

    pub(super) async fn publish_all(&self, name: &str, texts: std::ops::RangeInclusive<u32>) {
        for text in texts {
            self.publish(draft(name, &text.to_string())).await.expect("is published");
        }
    }

    pub(super) async fn history(&self, name: &str, start: Start) -> History {
        let limit = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
        self.hub.history(&channel(name), start, limit, None).await.expect("reads")
    }

    /// All that a channel has from `start` on, page after page: the seqs and the texts of its
    /// messages, and the gaps that are told.
    pub(super) async fn pages(&self, name: &str, start: Start) -> (Vec<(Seq, String)>, Vec<Gap>) {
        let (mut messages, mut gaps, mut next) = (Vec::new(), Vec::new(), start);
        loop {
            let history = self.history(name, next).await;
            messages.extend(history.messages.iter().map(|message| {
                let text = String::from_utf8_lossy(message.draft.data.as_bytes()).into_owned();
                (message.id.seq, text)
            }));
            gaps.extend(history.gap);
            if !history.more {
                return (messages, gaps);
            }
            next = Start::After(history.id);
        }
    }

    /// All messages that a channel has: the seqs, and the texts.
    pub(super) async fn all(&self, name: &str) -> Vec<(Seq, String)> {
        self.pages(name, Start::Earliest).await.0
    }

    /// Ends it as a process ends that is told to.
    pub(super) async fn close(self) {
        self.engine.close().await.expect("closes");
    }

    /// Ends it as a process ends that is killed.
    pub(super) fn kill(self) {
        let Self { engine, hub } = self;
        drop(hub);
        assert_eq!(Arc::strong_count(&engine), 1, "nobody else has it");
        drop(engine);
    }
}
