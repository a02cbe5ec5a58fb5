//! A queue in which each party has a line of its own, and the lines take turns.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use crate::planted;

/// What to do with the first of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken.
    Take,
    /// It has left.
    Discard,
    /// Its line has to wait, and others may pass.
    Pass,
    /// All have to wait.
    Stop,
}

/// What waits, in lines that take turns.
#[derive(Debug)]
pub(super) struct FairQueue<L, T> {
    lines: HashMap<L, VecDeque<T>>,
    /// The lines that are not empty; the first has its turn.
    turns: VecDeque<L>,
}

impl<L, T> Default for FairQueue<L, T> {
    fn default() -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<L: Clone + Eq + Hash, T> FairQueue<L, T> {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Adds `item` to the end of a line.
    pub(super) fn push(&mut self, line: L, item: T) {
        let waiting = self.lines.entry(line.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(line);
        }
        waiting.push_back(item);
    }

    /// Takes the first item that may be taken. Its line goes to the end; a line that has to wait
    /// keeps its turn.
    pub(super) fn pop(&mut self, mut judge: impl FnMut(&T) -> Verdict) -> Option<T> {
        let mut turn = 0;
        while let Some(line) = self.turns.get(turn).cloned() {
            let Some(waiting) = self.lines.get_mut(&line) else { break };
            let verdict = waiting.front().map(&mut judge);
            match verdict {
                Some(Verdict::Stop) => return None,
                Some(Verdict::Pass) if !planted::ReaderSkipped.is_on() => {
                    turn += 1;
                    continue;
                }
                Some(Verdict::Take | Verdict::Discard | Verdict::Pass) | None => {}
            }
            let item = waiting.pop_front();
            if waiting.is_empty() {
                self.lines.remove(&line);
                self.turns.remove(turn);
            } else if verdict == Some(Verdict::Take) && !planted::TurnKept.is_on() {
                self.turns.remove(turn);
                self.turns.push_back(line);
            }
            if verdict == Some(Verdict::Take) {
                return item;
            }
        }
        None
    }
}

#[cfg(test)]
pub(in crate::engine) mod tests {
    use super::*;

    fn filled(lines: &[(&'static str, usize)]) -> FairQueue<&'static str, (&'static str, usize)> {
        let mut queue = FairQueue::default();
        for (line, items) in lines {
            (0..*items).for_each(|n| queue.push(*line, (*line, n)));
        }
        queue
    }

    #[test]
    pub(in crate::engine) fn lines_take_turns_whatever_their_length() {
        let mut queue = filled(&[("a", 1000), ("b", 2), ("c", 1)]);
        let first: Vec<_> = (0..6).filter_map(|_| queue.pop(|_| Verdict::Take)).collect();
        assert_eq!(first, [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("a", 2)]);
    }

    #[test]
    pub(in crate::engine) fn a_line_that_has_to_wait_keeps_its_turn_and_others_pass() {
        let mut queue = filled(&[("a", 2), ("b", 2)]);
        let pass_a = |item: &(&str, usize)| match item.0 {
            "a" => Verdict::Pass,
            _ => Verdict::Take,
        };
        assert_eq!(queue.pop(pass_a), Some(("b", 0)));
        assert_eq!(queue.pop(pass_a), Some(("b", 1)));
        assert_eq!(queue.pop(pass_a), None);
        assert_eq!(queue.pop(|_| Verdict::Take), Some(("a", 0)));
    }

    #[test]
    fn nobody_passes_one_for_which_all_have_to_wait() {
        let mut queue = filled(&[("a", 1), ("b", 1)]);
        let stop_at_a = |item: &(&str, usize)| match item.0 {
            "a" => Verdict::Stop,
            _ => Verdict::Take,
        };
        assert_eq!(queue.pop(stop_at_a), None);
        assert_eq!(queue.pop(|_| Verdict::Take), Some(("a", 0)));
        assert_eq!(queue.pop(|_| Verdict::Take), Some(("b", 0)));
        assert!(queue.is_empty());
        assert!(queue.lines.is_empty(), "an empty line is forgotten");
    }

    #[test]
    fn those_that_have_left_are_discarded() {
        let mut queue = filled(&[("a", 3), ("b", 1)]);
        let a_left = |item: &(&str, usize)| match item {
            ("a", 0 | 1) => Verdict::Discard,
            _ => Verdict::Take,
        };
        assert_eq!(queue.pop(a_left), Some(("a", 2)));
        assert_eq!(queue.pop(a_left), Some(("b", 0)));
        assert!(queue.is_empty());
    }
}
