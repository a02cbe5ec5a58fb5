//! Threads that the process cannot go on without.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{Builder, JoinHandle},
};

/// Starts a thread whose failure or panic aborts the process, so that the service manager restarts
/// it. A gateway that had lost such a thread would look healthy and serve no one.
///
/// # Errors
/// If the system refuses a thread.
pub fn spawn_critical(
    name: String,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let thread = name.clone();
    Builder::new().name(name).spawn(move || {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(thread, %error, "critical thread failed; aborting"),
            Err(_) => tracing::error!(thread, "critical thread panicked; aborting"),
        }
        std::process::abort();
    })
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Command, time::Duration};

    use super::*;

    /// Runs itself again in a child process, which may abort.
    #[test]
    fn the_program_ends_with_its_thread() {
        const DIE: &str = "TRICAST_TEST_DIES";
        let end = |how: &'static str| -> io::Result<()> {
            match how {
                "panic" => panic!("on purpose"),
                "error" => Err(io::Error::other("on purpose")),
                _ => Ok(()),
            }
        };
        if let Ok(how) = std::env::var(DIE) {
            let how = ["panic", "error", "well"].into_iter().find(|known| *known == how);
            let thread = spawn_critical("doomed".into(), move || end(how.expect("known")));
            thread.expect("starts").join().expect("a thread that ends well");
            return;
        }
        for (how, signal) in [("panic", Some(6)), ("error", Some(6)), ("well", None)] {
            let this = std::env::current_exe().expect("this program");
            let mut command = Command::new(this);
            command.args(["--exact", "critical::tests::the_program_ends_with_its_thread"]);
            let mut child = command.env(DIE, how).spawn().expect("starts");
            let begin = std::time::Instant::now();
            let status = loop {
                if let Some(status) = child.try_wait().expect("runs") {
                    break status;
                }
                assert!(begin.elapsed() < Duration::from_secs(20), "{how}: still running");
                std::thread::sleep(Duration::from_millis(10));
            };
            assert_eq!(status.signal(), signal, "{how}: {status}");
        }
    }
}
