//! Bugs that tests plant, to see that the crash test finds them: a test that never failed proves
//! nothing. Without the feature `simulation` each is compiled out.

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A bug that a test can plant in the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Planted { $($(#[$doc])* $name,)* }
        impl Planted {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
        #[allow(unused_imports, reason = "each is used where it is planted")]
        pub(crate) use Planted::*;
    };
}

bugs! {
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
    /// A damaged record is skipped in silence.
    DamageSilent,
}

#[cfg(any(test, feature = "simulation"))]
mod switch {
    use std::cell::Cell;

    use super::Planted;

    thread_local! { static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) }; }

    impl Planted {
        /// Plants this bug in all logs of this thread, or removes the one that is planted.
        pub fn plant(bug: Option<Self>) {
            PLANTED.set(bug);
        }

        pub(crate) fn is_on(self) -> bool {
            PLANTED.get() == Some(self)
        }
    }
}

#[cfg(not(any(test, feature = "simulation")))]
impl Planted {
    pub(crate) const fn is_on(self) -> bool {
        false
    }
}
