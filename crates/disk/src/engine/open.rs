//! Opening: recovery, the rings, the receipts, the threads.

use std::{
    io,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    thread::Builder,
    time::{Duration, Instant},
};

use tricast_core::{
    Accepted, Beginning, EarlierRules, Epoch, Log, MessageId, Placed, Receipt, Seq, Tagger,
    unix_millis,
};

use crate::{
    Config, OpenError, Opened, Reader, Store,
    disk::{Disk, real::RealDisk},
    engine::{
        DiskEngine,
        config::{EngineConfig, Fsync},
        extent::extent_of,
        folder::{self, FolderError},
        logged,
        meters::DiskMeters,
        millis,
        read::Reads,
        receipts::Receipts,
        sealer::Sealer,
        sequencer::Sequencer,
        syncing,
        tags::LogTagger,
        upkeep::Upkeep,
        warm_up::{self, Warm},
        writer::Writer,
    },
    planted::{self, inherited},
};

/// A clock that is behind the newest message of the log by this much is reported.
const CLOCK_AHEAD: Duration = Duration::from_secs(60);
/// How many messages of the warm-up become visible under one lock.
const BATCH: usize = 1024;

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory is not one for a log.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system gives no thread.
    #[error("cannot start a thread of the log: {0}")]
    Thread(io::Error),
}

impl DiskEngine {
    /// Opens the log in `folder`, which is made if it is missing, and begins `log` with it. The log
    /// is ready when this returns.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn open(
        folder: &Path,
        config: EngineConfig,
        log: Arc<Log>,
        meters: DiskMeters,
    ) -> Result<Arc<Self>, StartError> {
        folder::prepare(folder)?;
        let disk = RealDisk::open(folder).map_err(OpenError::Io)?;
        Self::open_on(Arc::new(disk), config, log, meters)
    }

    /// Opens the log on a disk. Otherwise the same as [`open`](Self::open).
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_on(
        disk: Arc<dyn Disk>,
        config: EngineConfig,
        log: Arc<Log>,
        meters: DiskMeters,
    ) -> Result<Arc<Self>, StartError> {
        let epoch = log.epoch();
        let logged = Some(logged::to_text(&log.logged_namespaces()));
        let store = Config { logged, ..config.store.clone() };
        let (store, opened) = Store::open(disk, store, || epoch)?;
        let reader = store.reader();
        report(&opened, &reader, config.fsync);
        let tagger = LogTagger::new(&opened.key);
        let as_tagger: Arc<dyn Tagger> = Arc::new(tagger.clone());
        let warm = warm_up::read(&reader, config.warm_up, &as_tagger).map_err(OpenError::Io)?;
        begin(&log, &opened, warm, &reader);
        let receipts = receipts(&reader, &config, opened.epoch).map_err(OpenError::Io)?;
        let newest = reader.shared.segments().iter().map(|it| it.summary().newest).max();
        let place = (opened.head, newest.unwrap_or_default());
        let sequencer = Sequencer::new(log.clone(), tagger, receipts, config.queue, place);
        let sequencer = Arc::new(sequencer);
        let is_dirty = Arc::new(AtomicBool::new(false));
        let syncing = match config.fsync {
            Fsync::Every(interval) => {
                let (syncer, dirty) = (store.syncer(), is_dirty.clone());
                let (sequencer, meters) = (sequencer.clone(), meters.clone());
                let run = move || syncing::run(&syncer, &sequencer, &dirty, &meters, interval);
                Some(spawn("log-sync", run)?)
            }
            Fsync::Always | Fsync::Os => None,
        };
        let reads = Reads::start(
            log.clone(),
            reader.clone(),
            as_tagger.clone(),
            config.read_memory,
            meters.clone(),
        )
        .map_err(StartError::Thread)?;
        let (keeper, retention) = (store.keeper(), config.retention());
        let upkeep = Upkeep::new(log.clone(), sequencer.clone(), reader.clone(), keeper, retention);
        let upkeep = Arc::new(upkeep);
        let sealer = Sealer::start(sequencer.clone(), upkeep.clone());
        let writer = Writer {
            log,
            sequencer: sequencer.clone(),
            store,
            tagger: as_tagger,
            sealer: sealer.map_err(StartError::Thread)?,
            roll: config.roll_at(),
            upkeep,
            config,
            meters,
            is_dirty,
            last: opened.head,
            look: Instant::now(),
        };
        let writing = spawn("log-write", move || writer.run())?;
        let threads = [Some(writing), syncing].into_iter().flatten().collect();
        Ok(Arc::new(Self { reads, reader, sequencer, threads }))
    }
}

fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    Builder::new().name(name.to_owned()).spawn(inherited(run)).map_err(StartError::Thread)
}

/// Says what was found.
fn report(opened: &Opened, reader: &Reader, fsync: Fsync) {
    let Opened { epoch, head, floor, unclean, lost, torn, damages, .. } = opened;
    let (bytes, segments) = (reader.bytes(), reader.segments());
    let power_failure = match fsync {
        Fsync::Always => "takes nothing that was acknowledged".to_owned(),
        Fsync::Every(time) => format!("takes the last {time:?}, and readers are told"),
        Fsync::Os => "takes what the system had not written, and readers are told".to_owned(),
    };
    tracing::info!(
        %epoch, head, floor, bytes, segments, unclean, torn, power_failure, "the log is open"
    );
    if let Some((first, last)) = lost {
        tracing::warn!(
            first,
            last,
            "the end of the log was lost with the power; readers of these ids are told a gap"
        );
    }
    let newest = reader.shared.segments().iter().map(|it| it.summary().newest).max();
    let ahead = Duration::from_millis(newest.unwrap_or_default().saturating_sub(unix_millis()));
    if ahead > CLOCK_AHEAD {
        tracing::warn!(
            ?ahead,
            "the log has messages of the future: the clock is wrong, or was; until then messages \
             get the time of the newest, and nothing ages: neither history nor idempotency ids"
        );
    }
    if *damages > 0 {
        tracing::warn!(damages, "the log has damaged records; their readers are told a gap");
    }
}

/// Begins the log with the end of what the disk has.
fn begin(log: &Log, opened: &Opened, warm: Warm, reader: &Reader) {
    let Opened { epoch, lineage, head, earlier, .. } = opened;
    let rules = |(upto, text): &(Seq, String)| EarlierRules {
        upto: *upto,
        is_logged: logged::from_text(text),
    };
    log.begin(Beginning {
        epoch: *epoch,
        lineage: lineage.clone(),
        after: warm.after,
        head: *head,
        extent: Some(extent_of(reader)),
        earlier: match planted::EarlierForgotten.is_on() {
            true => Vec::new(),
            false => earlier.iter().map(rules).collect(),
        },
        erased: reader.erased(),
    });
    let mut messages = warm.messages.into_iter();
    loop {
        let batch: Vec<Placed> = messages
            .by_ref()
            .take(BATCH)
            .map(|stored| Placed { stored, reservation: None })
            .collect();
        if batch.is_empty() {
            break;
        }
        Accepted::announce_all(log.accept_all(batch));
    }
    log.advance(*head);
    let presence = opened.presence.as_deref().unwrap_or_default();
    let without_room = log.restore_presence(presence);
    if without_room > 0 {
        tracing::warn!(
            channels = without_room,
            "limits.channels has no room for all channels that had users; these are announced when \
             they come back"
        );
    }
}

/// The receipts of the last life that still count.
fn receipts(reader: &Reader, config: &EngineConfig, epoch: Epoch) -> io::Result<Receipts> {
    let window = millis(config.idempotency_window);
    let mut receipts = Receipts::new(window, config.idempotency_entries);
    for logged in reader.receipts(unix_millis().saturating_sub(window))? {
        let id = MessageId { epoch, seq: logged.seq };
        let subscribers = logged.subscribers.unwrap_or_default();
        let receipt = Receipt { id, subscribers, duplicate: false };
        receipts.insert(logged.idempotency, receipt, logged.time);
    }
    Ok(receipts)
}
