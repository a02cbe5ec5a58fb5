//! Who is told of the starts and ends of runs, such as the application's own service.

use crate::RunReport;

/// Is told of the starts and ends of runs, each in the order in which they happen.
///
/// It is called by the task that drives the run, so it must return quickly.
pub trait RunObserver: std::fmt::Debug + Send + Sync {
    /// Receives a run whose first message is in the log.
    fn started(&self, run: &RunReport);

    /// Receives a run that has ended, with its answer and its usage.
    fn ended(&self, run: &RunReport);
}
