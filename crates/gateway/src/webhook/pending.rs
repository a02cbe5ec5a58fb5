//! The events that have not been taken for delivery: in order, and none that another has made void.

use std::collections::{HashMap, VecDeque};

use tricast_core::{ChannelName, unix_millis};

use crate::webhook::event::{Event, What};

/// About the most bytes of one batch, unless a single event has more.
const BATCH_BYTES: usize = 64 * 1024;

/// Room that is kept when nothing waits.
const ROOM: usize = 64;

/// Events that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Those that have become void leave a hole, until they would have had their turn.
    events: VecDeque<Option<Noted>>,
    /// How many have been before the first of `events`.
    before: u64,
    /// Which of them, counted from the first there ever was, is the last that says whether anybody listens to a channel.
    last: HashMap<ChannelName, u64>,
    holes: usize,
    places: usize,
    /// The number of the newest that was taken.
    seq: u64,
}

#[derive(Debug)]
struct Noted {
    what: What,
    /// Milliseconds since 1970.
    time: u64,
}

impl Waiting {
    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        self.events.len() - self.holes
    }

    /// How many of them have happened, and do not only stand for lost ones.
    pub(crate) fn real(&self) -> usize {
        self.events.iter().flatten().filter(|noted| noted.what.is_real()).count()
    }

    /// Adds one, unless there would be more than `most` places taken; whether it did.
    pub(crate) fn push(&mut self, what: What, most: usize) -> bool {
        if self.is_said(&what) || self.takes_back(&what) {
            return true;
        }
        if self.places + what.places() > most {
            match self.events.back_mut() {
                Some(Some(Noted { what: What::Lost(count), .. })) => *count += 1,
                _ => self.add(What::Lost(1)),
            }
            return false;
        }
        self.add(what);
        true
    }

    fn add(&mut self, what: What) {
        if let What::Online(channel) | What::Gone(channel) = &what {
            self.last.insert(channel.clone(), self.before + self.events.len() as u64);
        }
        self.places += what.places();
        self.events.push_back(Some(Noted { what, time: unix_millis() }));
    }

    /// What waits last about the channel of `what`.
    fn last_about(&mut self, what: &What) -> Option<&mut Option<Noted>> {
        let (What::Online(channel) | What::Gone(channel)) = what else { return None };
        let number = self.last.get(channel)?;
        self.events.get_mut((number - self.before) as usize)
    }

    /// It waits already. So it is where somebody asks for one kind of events alone.
    fn is_said(&mut self, what: &What) -> bool {
        let kind = what.kind();
        self.last_about(what)
            .and_then(|noted| noted.as_ref())
            .is_some_and(|it| it.what.kind() == kind)
    }

    /// Somebody is back before it was told that the last has left: neither need be told. So whoever comes and goes
    /// all the time takes one place of the queue, and not all of them.
    fn takes_back(&mut self, what: &What) -> bool {
        let What::Online(channel) = what else { return false };
        let Some(gone) = self.last_about(what).and_then(Option::take) else { return false };
        self.last.remove(channel);
        self.places -= gone.what.places();
        self.holes += 1;
        while let Some(None) = self.events.back() {
            self.events.pop_back();
            self.holes -= 1;
        }
        true
    }

    /// Takes the next `most`, or as many as make a batch. They have their numbers from here on.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Event> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < most {
            // By the bytes too: many a service takes no more than a megabyte, or a tenth of that.
            if let Some(Some(next)) = self.events.front() {
                bytes += next.what.bytes();
                if bytes > BATCH_BYTES && !taken.is_empty() {
                    break;
                }
            }
            let Some(next) = self.events.pop_front() else { break };
            let number = self.before;
            self.before += 1;
            let Some(Noted { what, time }) = next else {
                self.holes -= 1;
                continue;
            };
            if let What::Online(channel) | What::Gone(channel) = &what
                && self.last.get(channel) == Some(&number)
            {
                self.last.remove(channel);
            }
            self.places -= what.places();
            self.seq += 1;
            taken.push(Event { what, seq: self.seq, time });
        }
        if self.events.is_empty() {
            // A quiet gateway keeps no room for a storm it once had.
            self.events.shrink_to(ROOM);
            self.last.shrink_to(ROOM);
        }
        taken
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        let seq = self.seq;
        *self = Self { seq, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &[Event]) -> String {
        let one = |event: &Event| match &event.what {
            What::Online(channel) => format!("{} +{channel}", event.seq),
            What::Gone(channel) => format!("{} -{channel}", event.seq),
            What::Lost(count) => format!("{} lost {count}", event.seq),
            other => panic!("{other:?}"),
        };
        events.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn say(waiting: &mut Waiting, words: &str) {
        for word in words.split(' ') {
            let channel = word[1..].parse().expect("fits");
            let what = if word.starts_with('+') { What::Online } else { What::Gone };
            waiting.push(what(channel), 4);
        }
    }

    #[test]
    fn who_is_back_before_it_was_told_has_not_gone() {
        let mut waiting = Waiting::default();
        say(&mut waiting, "+a");
        assert_eq!(told(&waiting.take(9)), "1 +a");
        say(&mut waiting, "+b -a +a -a +c +a -b");
        assert_eq!(told(&waiting.take(9)), "2 +b, 3 +c, 4 -b");
        assert_eq!((waiting.len(), waiting.places, waiting.holes), (0, 0, 0));
        say(&mut waiting, "-a +d +a");
        assert_eq!((waiting.len(), waiting.places, waiting.holes), (1, 1, 1));
        say(&mut waiting, "-a");
        assert_eq!(told(&waiting.take(1)), "5 +d");
        say(&mut waiting, "+a");
        assert_eq!((waiting.len(), told(&waiting.take(9)).as_str()), (0, ""));
        assert_eq!((waiting.last.len(), waiting.places, waiting.holes), (0, 0, 0));
    }

    /// Somebody may ask for one kind alone.
    #[test]
    fn what_waits_already_is_not_said_again() {
        for (words, once) in [("+a +a +a +b", "1 +a, 2 +b"), ("-a -a -b -a", "1 -a, 2 -b")] {
            let mut waiting = Waiting::default();
            say(&mut waiting, words);
            assert_eq!(told(&waiting.take(9)), once);
            say(&mut waiting, &words[..2]);
            assert_eq!(waiting.len(), 1, "it was taken, so it is news again");
        }
    }

    #[test]
    fn whoever_comes_and_goes_all_the_time_pushes_nobody_out() {
        let mut waiting = Waiting::default();
        for _ in 0..1000 {
            say(&mut waiting, "+a -a");
        }
        say(&mut waiting, "+b");
        assert_eq!(told(&waiting.take(9)), "1 +a, 2 -a, 3 +b");
    }
}
