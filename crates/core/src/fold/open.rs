//! The folds that are open in one channel.

use std::sync::Arc;

use crate::{
    Message, MessageId, Seq, Whole,
    fold::{
        part::FoldMember,
        snapshot::{Snapshot, Under},
    },
    message::memory::MemoryShare,
    sync::Mutex,
};

/// A fold has so many messages that are not merged yet before they are.
const MERGE_AT: usize = 64;

/// The open folds of a channel, and of each what has left the ring.
#[derive(Debug, Default)]
pub(crate) struct OpenFolds {
    open: Vec<OpenFold>,
    /// The snapshot that was needed last; readers that come at the same time share it.
    newest: Mutex<Option<Arc<Snapshot>>>,
}

/// A fold: the whole of what has left the ring, as of the message that left it last.
#[derive(Debug)]
struct OpenFold {
    member: Arc<FoldMember>,
    /// The seq of the message that begins it.
    begun: Seq,
    /// What is merged; nothing before the first merge.
    whole: Option<Merged>,
    /// What follows, in order.
    rest: Vec<Arc<Message>>,
    /// How often something was merged.
    merges: u64,
}

/// Messages of one fold, and what they are to be added to.
#[derive(Debug)]
pub(crate) struct MergeJob {
    member: Arc<FoldMember>,
    pub(crate) whole: Option<Whole>,
    pub(crate) rest: Vec<Arc<Message>>,
    merges: u64,
}

#[derive(Debug)]
struct Merged {
    whole: Whole,
    _share: MemoryShare,
}

impl OpenFolds {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Opens a fold with the message that begins it, unless it is open.
    pub(crate) fn begin(&mut self, key: &Arc<str>, message: Arc<Message>) {
        if self.find(key).is_none() {
            let (member, begun) = (Arc::new(FoldMember::new(key.clone())), message.id.seq);
            self.open.push(OpenFold { member, begun, whole: None, rest: vec![message], merges: 0 });
        }
    }

    /// Returns the fold that a message adds to, if it is open.
    pub(crate) fn find(&self, key: &str) -> Option<Arc<FoldMember>> {
        self.open.iter().find(|fold| &*fold.member.key == key).map(|fold| fold.member.clone())
    }

    /// Adds a message that leaves the ring, if its fold is open.
    pub(crate) fn add(&mut self, member: &Arc<FoldMember>, message: Arc<Message>) {
        let fold = self.open.iter_mut().find(|fold| Arc::ptr_eq(&fold.member, member));
        fold.into_iter().for_each(|fold| fold.rest.push(message.clone()));
    }

    /// Closes a fold: the message that ends it carries the whole.
    pub(crate) fn end(&mut self, key: &str, seq: Seq) {
        if let Some(at) = self.open.iter().position(|fold| &*fold.member.key == key) {
            self.open.remove(at).member.end(seq);
        }
        self.forget_snapshot();
    }

    /// Closes all of them: another epoch begins.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.forget_snapshot();
    }

    /// Frees the memory of the snapshot that was needed last.
    pub(crate) fn forget_snapshot(&mut self) {
        self.newest.lock().take();
    }

    /// Returns the snapshot at a position: `make` is given what has been added by then to each
    /// fold. `held` are the parts up to there that are in the ring. `None` if nothing is under way.
    pub(crate) fn snapshot(
        &self,
        id: MessageId,
        held: &[&Arc<Message>],
        make: impl FnOnce(Vec<Under>) -> Snapshot,
    ) -> Option<Arc<Snapshot>> {
        let mut newest = self.newest.lock();
        if let Some(newest) = newest.as_ref().filter(|newest| newest.id == id) {
            return Some(newest.clone());
        }
        let with_parts: Vec<Under> =
            self.under_way(id.seq, held).filter(Under::has_parts).collect();
        if with_parts.is_empty() {
            return None;
        }
        let snapshot = Arc::new(make(with_parts));
        *newest = Some(snapshot.clone());
        Some(snapshot)
    }

    /// Returns what was added by `seq` to each fold that had begun by then. `held` are the parts up
    /// to there that are in the ring.
    pub(crate) fn under_way(
        &self,
        seq: Seq,
        held: &[&Arc<Message>],
    ) -> impl Iterator<Item = Under> {
        let begun = self.open.iter().filter(move |fold| fold.begun <= seq);
        begun.map(|fold| fold.under_way(held))
    }

    /// Whether something is to be merged.
    pub(crate) fn is_due(&self) -> bool {
        self.open.iter().any(|fold| fold.rest.len() >= MERGE_AT)
    }

    /// Returns what is to be merged; [`put`](Self::put) takes the result.
    pub(crate) fn due(&self) -> impl Iterator<Item = MergeJob> {
        let due = self.open.iter().filter(|fold| fold.rest.len() >= MERGE_AT);
        due.map(|fold| MergeJob {
            member: fold.member.clone(),
            whole: fold.whole.as_ref().map(|merged| merged.whole.clone()),
            rest: fold.rest.clone(),
            merges: fold.merges,
        })
    }

    /// Replaces messages by what they were merged into, unless somebody else has done so.
    pub(crate) fn put(&mut self, job: &MergeJob, whole: Whole, share: MemoryShare) {
        let same = |fold: &&mut OpenFold| {
            Arc::ptr_eq(&fold.member, &job.member) && fold.merges == job.merges
        };
        if let Some(fold) = self.open.iter_mut().find(same) {
            fold.rest.drain(..job.rest.len());
            fold.rest.shrink_to(MERGE_AT);
            fold.whole = Some(Merged { whole, _share: share });
            fold.merges += 1;
        }
    }
}

impl OpenFold {
    fn under_way(&self, held: &[&Arc<Message>]) -> Under {
        let of_this = |message: &&&Arc<Message>| {
            message.fold.as_ref().is_some_and(|fold| Arc::ptr_eq(fold, &self.member))
        };
        let held = held.iter().filter(of_this).map(|message| Arc::clone(message));
        Under {
            whole: self.whole.as_ref().map(|merged| merged.whole.clone()),
            rest: self.rest.iter().cloned().chain(held).collect(),
        }
    }
}
