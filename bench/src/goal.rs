//! What a figure should be, and what it is.

use std::fmt::Write as _;

/// A figure and the most that it should be, or the least.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) figure: &'static str,
    pub(crate) bound: Bound,
    pub(crate) unit: &'static str,
    pub(crate) reached: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_reached(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.reached <= most,
            Bound::AtLeast(least) => self.reached >= least,
        }
    }
}

/// The goals as a table.
pub(crate) fn goals(goals: &[Goal]) -> String {
    let mut table = String::from("| figure | goal | measured | |\n|---|---|---|---|\n");
    for goal in goals {
        let Goal { figure, bound, unit, reached } = goal;
        let (sign, bound) = match bound {
            Bound::AtMost(most) => ('≤', most),
            Bound::AtLeast(least) => ('≥', least),
        };
        let verdict = if goal.is_reached() { "reached" } else { "missed" };
        let _ =
            writeln!(table, "| {figure} | {sign} {bound}{unit} | {reached:.2}{unit} | {verdict} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_at_its_bound_has_reached_it() {
        for (bound, reached, is) in [
            (Bound::AtMost(2.0), 2.0, true),
            (Bound::AtMost(2.0), 2.01, false),
            (Bound::AtLeast(0.6), 0.6, true),
            (Bound::AtLeast(0.6), 0.59, false),
            // What could not be measured is not reached.
            (Bound::AtMost(2.0), f64::NAN, false),
        ] {
            let goal = Goal { figure: "f", bound, unit: " µs", reached };
            assert_eq!(goal.is_reached(), is, "{goal:?}");
        }
    }
}
