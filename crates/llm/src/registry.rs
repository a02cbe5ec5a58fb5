//! The registry of runs: which are open in a channel, which of a user, which prompts they repeat,
//! and the ended ones that can still be asked for.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;
use tricast_core::{ChannelName, Trust, UserId, network_of};

use crate::{
    Busy, Planted, PromptError, PromptKey, PromptMark, RelayConfig, Run, RunId, Starter, run::Stop,
    run_end::By,
};

/// How long an ended run can be asked for.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// The most ended runs.
const KEPT: usize = 1000;

/// The most bytes of their answers.
const KEPT_BYTES: usize = 16 << 20;

/// The most runs that wait in one channel.
const QUEUED: usize = 16;

/// The most bytes of the prompts of open runs.
const PROMPT_MEMORY: usize = 64 << 20;

/// Open runs of the demo for one address.
const DEMOS: usize = 2;

/// Those who have a limit of open runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(UserId),
    Network(IpAddr),
    /// The demo, from an address.
    Demo(Option<IpAddr>),
}

/// A scope, and the idempotency key in it.
type ScopedKey = (Arc<str>, Arc<str>);

/// A scope, and the hash of a body.
type Mark = (Arc<str>, [u8; 32]);

/// The run of the first prompt with a key, and the hash of its body.
type FirstPrompt = (RunId, [u8; 32]);

/// All runs.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    runs: HashMap<RunId, Entry>,
    /// The open runs of each channel, the oldest first.
    open: HashMap<ChannelName, Vec<Arc<Run>>>,
    holders: HashMap<Holder, usize>,
    keys: HashMap<ScopedKey, FirstPrompt>,
    /// The newest run of each request that may be repeated without a key.
    marks: HashMap<Mark, RunId>,
    ended: VecDeque<Ended>,
    ended_bytes: usize,
    prompt_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    run: Arc<Run>,
    holders: Vec<Holder>,
    key: Option<PromptKey>,
    mark: Option<Mark>,
    prompt_bytes: usize,
}

#[derive(Debug)]
struct Ended {
    run: RunId,
    channel: ChannelName,
    at: Instant,
    bytes: usize,
}

/// What is asked of the registry for a prompt.
pub(crate) struct Admission<'a> {
    pub(crate) busy: Busy,
    pub(crate) key: Option<PromptKey>,
    pub(crate) mark: Option<PromptMark>,
    pub(crate) prompt_bytes: usize,
    pub(crate) is_demo: bool,
    pub(crate) relay: &'a RelayConfig,
}

/// A prompt that is admitted.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// A run of its own, once these have ended.
    New { before: Vec<Arc<Run>> },
    /// The run that it repeats.
    Repeat(Arc<Run>),
}

impl Registry {
    /// Takes in a new run, unless its prompt repeats another one.
    pub(crate) fn admit(
        &mut self,
        run: &Arc<Run>,
        admission: Admission<'_>,
    ) -> Result<Admitted, PromptError> {
        let Admission { busy, key, mark, prompt_bytes, is_demo, relay } = admission;
        self.forget_old();
        if let Some(key) = &key
            && let Some((first, body_hash)) = self.keys.get(&(key.scope.clone(), key.key.clone()))
            && let Some(entry) = self.runs.get(first)
        {
            return match *body_hash == key.body_hash {
                true => Ok(Admitted::Repeat(entry.run.clone())),
                false => Err(PromptError::BodyMismatch),
            };
        }
        let mark = mark.map(|mark| (mark.is_repeat, (mark.scope, mark.body_hash)));
        if let Some((true, mark)) = &mark
            && let Some(entry) = self.marks.get(mark).and_then(|first| self.runs.get(first))
            && entry.run.claim()
        {
            return Ok(Admitted::Repeat(entry.run.clone()));
        }
        let holders = holders_of(&run.starter, is_demo);
        for holder in &holders {
            let most = match holder {
                Holder::Demo(_) => DEMOS,
                Holder::User(_) | Holder::Network(_) => relay.runs_per_user,
            };
            if most > 0 && self.holders.get(holder).is_some_and(|open| *open >= most) {
                return Err(PromptError::TooManyRuns(most));
            }
        }
        // One alone is admitted whatever its size: the settings allow it.
        let is_full = self.prompt_bytes.saturating_add(prompt_bytes) > PROMPT_MEMORY;
        if is_full && self.prompt_bytes > 0 {
            return Err(PromptError::Full);
        }
        let before = self.before(&run.channel, busy)?;
        holders.iter().for_each(|one| *self.holders.entry(one.clone()).or_default() += 1);
        if let Some(key) = &key {
            self.keys.insert((key.scope.clone(), key.key.clone()), (run.id, key.body_hash));
        }
        let mark = mark.map(|(_, mark)| mark);
        self.marks.extend(mark.clone().map(|mark| (mark, run.id)));
        self.prompt_bytes += prompt_bytes;
        self.open.entry(run.channel.clone()).or_default().push(run.clone());
        self.runs.insert(run.id, Entry { run: run.clone(), holders, key, mark, prompt_bytes });
        Ok(Admitted::New { before })
    }

    /// Returns the runs whose end a new one waits for.
    fn before(&self, channel: &ChannelName, busy: Busy) -> Result<Vec<Arc<Run>>, PromptError> {
        let Some(open) = self.open.get(channel) else { return Ok(Vec::new()) };
        match busy {
            Busy::Parallel => Ok(Vec::new()),
            Busy::Refuse => {
                open.last().map_or(Ok(Vec::new()), |run| Err(PromptError::Busy { run: run.id }))
            }
            Busy::Queue if open.len() > QUEUED => Err(PromptError::QueueFull),
            Busy::Queue => Ok(open.clone()),
            Busy::Replace => {
                for run in open {
                    run.stop(Stop::Cancelled(By::Replaced));
                }
                Ok(open.clone())
            }
        }
    }

    /// Moves a run to the ended ones.
    pub(crate) fn end(&mut self, run: &Run, keep: usize) {
        self.close(run);
        debug_assert!(!run.is_open(), "{run:?}");
        let bytes = run.ended().map_or(0, |end| end.choices.get().len());
        self.ended_bytes += bytes;
        let channel = run.channel.clone();
        self.ended.push_back(Ended { run: run.id, channel, at: Instant::now(), bytes });
        let of_channel = |ended: &Ended| ended.channel == run.channel;
        if self.ended.iter().filter(|ended| of_channel(ended)).count() > keep.max(1)
            && let Some(oldest) = self.ended.iter().position(of_channel)
        {
            self.forget(oldest);
        }
        self.forget_old();
    }

    /// Forgets a run that has not begun.
    pub(crate) fn withdraw(&mut self, run: &Run) {
        if !Planted::PlaceKept.is_on() {
            self.close(run);
        }
        self.remove(run.id);
    }

    /// Takes a run that is about to end out of the open ones.
    pub(crate) fn close(&mut self, run: &Run) {
        if let Some(open) = self.open.get_mut(&run.channel) {
            open.retain(|other| other.id != run.id);
            if open.is_empty() {
                self.open.remove(&run.channel);
            }
        }
        let Some(entry) = self.runs.get_mut(&run.id) else { return };
        self.prompt_bytes -= std::mem::take(&mut entry.prompt_bytes);
        if Planted::HolderKept.is_on() {
            return;
        }
        for holder in std::mem::take(&mut entry.holders) {
            if let Some(open) = self.holders.get_mut(&holder) {
                *open -= 1;
                if *open == 0 {
                    self.holders.remove(&holder);
                }
            }
        }
    }

    fn forget_old(&mut self) {
        while let Some(oldest) = self.ended.front()
            && (oldest.at.elapsed() >= KEPT_FOR
                || self.ended.len() > KEPT
                || self.ended_bytes > KEPT_BYTES)
        {
            self.forget(0);
        }
    }

    fn forget(&mut self, place: usize) {
        let Some(ended) = self.ended.remove(place) else { return };
        self.ended_bytes -= ended.bytes;
        self.remove(ended.run);
    }

    fn remove(&mut self, run: RunId) {
        let Some(entry) = self.runs.remove(&run) else { return };
        if let Some(key) = entry.key {
            self.keys.remove(&(key.scope, key.key));
        }
        if let Some(mark) = entry.mark
            && self.marks.get(&mark) == Some(&run)
        {
            self.marks.remove(&mark);
        }
    }

    pub(crate) fn find(&mut self, run: &RunId) -> Option<Arc<Run>> {
        self.forget_old();
        self.runs.get(run).map(|entry| entry.run.clone())
    }

    /// Checks that nothing of the runs that have ended counts as open.
    #[cfg(test)]
    pub(crate) fn assert_idle(&self) {
        assert!(self.open.is_empty() && self.holders.is_empty(), "{self:?}");
        assert_eq!((self.prompt_bytes, self.runs.len()), (0, self.ended.len()), "{self:?}");
        assert!(self.keys.len() <= self.runs.len() && self.marks.len() <= self.runs.len());
    }

    /// Returns the open runs of a channel, the oldest first.
    pub(crate) fn open_in(&self, channel: &ChannelName) -> Vec<Arc<Run>> {
        self.open.get(channel).cloned().unwrap_or_default()
    }

    /// Returns all runs that have not ended.
    pub(crate) fn all_open(&self) -> Vec<Arc<Run>> {
        self.runs.values().map(|entry| &entry.run).filter(|run| run.is_open()).cloned().collect()
    }
}

/// Returns those who hold a run. A claimed user does not count: anyone could
/// use up the runs of another.
fn holders_of(starter: &Starter, is_demo: bool) -> Vec<Holder> {
    let identity = &starter.identity;
    let network = identity.address.map(network_of);
    let mut holders = Vec::new();
    if is_demo {
        holders.push(Holder::Demo(network));
    }
    if !starter.is_backend {
        let user = identity.user.clone().filter(|_| identity.trust == Trust::Verified);
        holders.extend(user.map(Holder::User).or(network.map(Holder::Network)));
    }
    holders
}

#[cfg(test)]
#[path = "tests/registry.rs"]
mod tests;
