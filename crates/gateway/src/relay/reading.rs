//! Runs as their clients see them: an id alone is never a right.

use tricast_admission::Pass;
use tricast_core::{Action, Kind};
use tricast_llm::{By, Cancelled, RunId, RunReport, Status};

use crate::{
    http::{kinds, problem::Problem},
    relay::Relay,
};

impl Relay {
    /// Returns the report of a run. Whether the client may read it is still to be checked.
    ///
    /// # Errors
    /// When there is no such run.
    pub(crate) fn report(&self, run: &str) -> Result<RunReport, Problem> {
        let known = run.parse::<RunId>().ok().and_then(|run| self.runs.report(&run));
        known.ok_or_else(unknown_run)
    }

    /// Whether the client may read the channel of a run, by the rules that are known here. A
    /// channel of one answer is for the client that has asked.
    pub(crate) fn may_read(&self, pass: &Pass, report: &RunReport) -> bool {
        match report.channel.is_of_answer() {
            true => {
                let (own, asked) = (pass.identity(), &report.starter.identity);
                own.trust == asked.trust && own.user == asked.user
            }
            false => pass.allows(Action::Read, &report.channel),
        }
    }

    /// Cancels a run, and returns how it has ended; `None` if it has not, after some seconds.
    ///
    /// # Errors
    /// When there is no such run, or the client may not cancel it.
    pub(crate) async fn cancel(&self, pass: &Pass, run: &str) -> Result<Option<Status>, Problem> {
        let (report, by) = self.cancellable(pass, run)?;
        let cancelled = self.runs.cancel(&report.run, by).await.ok_or_else(unknown_run)?;
        Ok(match cancelled {
            Cancelled::Ended(end) => Some(end.status),
            Cancelled::Cancelling => None,
        })
    }

    /// Cancels a run without waiting for its end, which comes as a message. Returns its status:
    /// that of its end if it had ended before.
    ///
    /// # Errors
    /// As [`cancel`](Self::cancel).
    pub(crate) fn begin_cancel(&self, pass: &Pass, run: &str) -> Result<&'static str, Problem> {
        let (report, by) = self.cancellable(pass, run)?;
        if let Some(end) = report.end {
            return Ok(end.status.name());
        }
        self.runs.begin_cancel(&report.run, by);
        Ok(CANCELLING)
    }

    /// Checks that the client may cancel a run: its user may, and who may prompt in its channel,
    /// and a backend that may read it.
    fn cancellable(&self, pass: &Pass, run: &str) -> Result<(RunReport, By), Problem> {
        let report = self.report(run)?;
        // Who may not know of the run learns nothing of it.
        if !self.may_read(pass, &report) {
            return Err(unknown_run());
        }
        let user = report.starter.user();
        // Who may read the channel of one answer has asked for it.
        let is_own = report.channel.is_of_answer()
            || user.is_some() && user == pass.identity().user.as_ref();
        let by = match (pass.is_backend(), is_own) {
            (true, _) => By::Backend,
            (false, true) => By::User,
            (false, false) if pass.allows(Action::Prompt, &report.channel) => {
                if pass.identity().user.is_some() { By::User } else { By::Client }
            }
            (false, false) => {
                let detail = "only the user of this run, who may prompt in its channel, or a \
                              backend may cancel it";
                return Err(Problem::new(Kind::Forbidden, detail));
            }
        };
        Ok((report, by))
    }
}

/// The status of a run that was told to end and has not.
pub(crate) const CANCELLING: &str = "cancelling";

/// The problem of a run that is not there, or that the client may not read.
pub(crate) fn unknown_run() -> Problem {
    let detail = "there is no such run, or you may not read its channel; a run can be asked for \
                  until ten minutes after its end";
    Problem::new(kinds::UNKNOWN_RUN, detail)
}
