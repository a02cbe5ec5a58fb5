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
pub fn spawn_vital(
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
