//! Bugs that tests plant, to see that the tests find them: a test that never failed proves nothing.
//! Outside of tests each is compiled out.

macro_rules! bugs {
    (
        table { $($(#[$of_table:meta])* $table:ident,)* }
        storm { $($(#[$of_storm:meta])* $storm:ident,)* }
        log { $($(#[$of_log:meta])* $log:ident,)* }
    ) => {
        /// A bug that a test can plant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Planted {
            $($(#[$of_table])* $table,)*
            $($(#[$of_storm])* $storm,)*
            $($(#[$of_log])* $log,)*
        }

        #[cfg(test)]
        impl Planted {
            /// Those that the table of outcomes finds.
            pub(crate) const TABLE: &[Self] = &[$(Self::$table,)*];
            /// Those that only a storm of prompts finds.
            pub(crate) const STORM: &[Self] = &[$(Self::$storm,)*];
        }
    };
}

bugs! {
    table {
        /// The clean end of a body is taken for the end of the answer.
        EndBelieved,
        /// `[DONE]` is taken for the end of the answer.
        DoneBelieved,
        /// A connection that breaks is taken for the end of the answer.
        CutBelieved,
        /// One finished choice is taken for all of them.
        OneChoiceEnough,
        /// An event that lacks its end counts behind a cut.
        TornEventRead,
        /// An error as plain JSON behind the last event is passed over.
        StrayPassedOver,
        /// A prompt is sent again although content has come.
        ContentRetried,
        /// A rejected request is sent again.
        RejectionRetried,
        /// A delta that only has a role counts as content.
        RoleIsContent,
        /// A refusal of the credentials is told with its details.
        DetailsTold,
        /// Comments of the upstream are no sign of life.
        CommentsIgnored,
        /// Comments of the upstream count as content.
        CommentsAreContent,
        /// The upstream's wish when to be asked again is passed over.
        RetryAfterIgnored,
        /// An upstream that failed has no stand-in.
        FallbackForgotten,
        /// A run waits for none.
        QueueIgnored,
        /// A run that waits for others cannot be cancelled.
        QueuedDeaf,
        /// What was read last is not published before the end.
        LastDeltaLost,
        /// The offset of a delta is that of the delta before.
        OffsetStale,
        /// Answers are not searched for keys.
        KeyPassed,
        /// A run is cancelled although somebody listens.
        ListenersIgnored,
        /// The runs of backends are cancelled as orphans.
        BackendOrphaned,
        /// A cancelled run ends as a failure.
        CancelFails,
    }
    storm {
        /// A run that has ended counts among those of its user.
        HolderKept,
        /// A run that has not begun keeps its place in the channel.
        PlaceKept,
    }
    log {
        /// A message that may be in the log already is published again.
        UnknownRepeated,
        /// A run waits for the log for ever.
        LogAwaited,
    }
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

impl Planted {
    /// Plants this bug in all runs of this thread, or removes the one that is planted.
    #[cfg(test)]
    pub(crate) fn plant(bug: Option<Self>) {
        PLANTED.set(bug);
    }

    #[cfg(test)]
    pub(crate) fn is_on(self) -> bool {
        PLANTED.get() == Some(self)
    }

    #[cfg(not(test))]
    pub(crate) const fn is_on(self) -> bool {
        let _ = self;
        false
    }
}
