//! Bugs that tests plant, to see that the tests find them: a test that never failed proves nothing.
//! Without the feature `simulation` each is compiled out.

macro_rules! bugs {
    (
        store { $($(#[$of_store:meta])* $store:ident,)* }
        engine { $($(#[$of_engine:meta])* $engine:ident,)* }
    ) => {
        /// A bug that a test can plant in the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Planted { $($(#[$of_store])* $store,)* $($(#[$of_engine])* $engine,)* }
        impl Planted {
            /// Those of the store.
            pub const STORE: &[Self] = &[$(Self::$store,)*];
            /// Those of the engine.
            pub const ENGINE: &[Self] = &[$(Self::$engine,)*];
        }
        #[allow(unused_imports, reason = "each is used where it is planted")]
        pub(crate) use Planted::*;
    };
}

bugs! {
    store {
        /// A new segment's name is not made durable.
        NameNotSynced,
        /// Recovery believes what the page cache shows, and does not write it again.
        TailTrusted,
        /// The seqs go on after the last record, although later ones may have been given.
        NoJump,
        /// A torn tail is cut before the jump is written down.
        CutBeforeJump,
        /// A log that failed goes on.
        AppendAfterFailure,
        /// A sync leaves out the segment before the newest.
        OlderNotSynced,
        /// Seqs are given before their reservation is durable.
        NotReserved,
        /// `meta` is renamed before its content is durable.
        MetaNotSynced,
        /// An index is used although its checksum is wrong.
        IndexTrusted,
        /// A record's checksum is not compared.
        ChecksumUnchecked,
        /// A record's checksum does not tell segments apart.
        ChecksumUnseeded,
        /// Segments are removed before the floor is written down.
        FloorUnwritten,
        /// Unlogged seqs count as lost.
        SkippedIgnored,
        /// The jump after a crash of the process alone counts as lost.
        VoidForgotten,
        /// Zeros are taken for a record.
        ZerosTaken,
        /// A reader sees what is being written.
        BeyondVisible,
        /// Receipts are read from indexes alone, also where one is damaged.
        ReceiptsNotRebuilt,
        /// After a power failure the end of the log is taken for complete.
        BootIgnored,
        /// A clean end is not written down before the next life's first record.
        CleanKept,
        /// A short write on a full disk is not cut back.
        FullNotCut,
        /// An erasure is acknowledged before it is durable.
        ErasureNotSynced,
        /// Erasures are read from indexes alone.
        ErasuresNotRebuilt,
        /// A damaged record is skipped in silence.
        DamageSilent,
    }
    engine {
        /// `always`: a message is visible and acknowledged before it is durable.
        AcknowledgedBeforeSync,
        /// A message is visible and acknowledged before it is written.
        AcknowledgedBeforeWrite,
        /// A repeat of a message that is on its way is acknowledged before that message.
        RepeatAhead,
        /// A repeat of a message that is on its way is published too.
        RepeatPublished,
        /// A write or a sync that failed counts as done.
        FailureIgnored,
        /// The seqs of messages that are not logged are not reserved.
        UnloggedNotReserved,
        /// Messages are queued in another order than that of their seqs.
        OrderLost,
        /// The end does not wait for what is queued.
        EndBeforeQueue,
        /// Rings begin below a hole.
        RingOverHole,
        /// What was not logged in an earlier part counts as never published.
        EarlierForgotten,
        /// A line of readers keeps its turn as long as it has somebody.
        TurnKept,
        /// A reader is taken out of its line although it has to wait.
        ReaderSkipped,
        /// A loan has no end.
        LoanEndless,
        /// A portion leaves out its last message.
        PortionCut,
        /// A portion tells no hole.
        HoleSilent,
        /// A portion does not tell that what it begins with was let go.
        FloorSilent,
        /// A full disk lets go of nothing.
        FullKeepsAll,
        /// What is let go is emptied before it is removed, under those that read it.
        EmptiedUnderReaders,
    }
}

#[cfg(any(test, feature = "simulation"))]
mod switch {
    use std::cell::Cell;

    use super::Planted;

    thread_local! { static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) }; }

    impl Planted {
        /// Plants this bug in all logs of this thread and of the threads that they start, or
        /// removes the one that is planted.
        pub fn plant(bug: Option<Self>) {
            PLANTED.set(bug);
        }

        pub(crate) fn is_on(self) -> bool {
            PLANTED.get() == Some(self)
        }
    }

    /// What a thread runs that has the bug of the thread that starts it.
    pub(crate) fn inherited<T>(run: impl FnOnce() -> T) -> impl FnOnce() -> T {
        let planted = PLANTED.get();
        move || {
            PLANTED.set(planted);
            run()
        }
    }
}

#[cfg(any(test, feature = "simulation"))]
pub(crate) use switch::inherited;

#[cfg(not(any(test, feature = "simulation")))]
pub(crate) fn inherited<T>(run: impl FnOnce() -> T) -> impl FnOnce() -> T {
    run
}

#[cfg(not(any(test, feature = "simulation")))]
impl Planted {
    pub(crate) const fn is_on(self) -> bool {
        false
    }
}
