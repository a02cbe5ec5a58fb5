//! Threads that the program cannot go on without.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{Builder, JoinHandle},
};

/// Starts a thread. Should its work fail or panic, the program ends, so that whoever runs it starts it anew: a
/// gateway that has lost one of these would go on to look healthy and serve nobody.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn_critical(
    name: String,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let thread = name.clone();
    Builder::new().name(name).spawn(move || {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(thread, %error, "cannot go on; the gateway ends"),
            Err(_) => tracing::error!(thread, "has panicked; the gateway ends"),
        }
        std::process::abort();
    })
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Command, time::Duration};

    use super::*;

    /// Runs itself once more in a process that may die.
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
                assert!(begin.elapsed() < Duration::from_secs(20), "{how}: it lives on");
                std::thread::sleep(Duration::from_millis(10));
            };
            assert_eq!(status.signal(), signal, "{how}: {status}");
        }
    }
}
