//! The way from the clients of a test to its gateway: one for each test, at the end of its name.

use std::{cell::Cell, pin::Pin};

use tricast::settings::Delivery;

/// Delivery and transport. Not every transport is tested with every delivery: over TLS and HTTP/2
/// there is only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In clear, with the delivery that the gateway chooses.
    Auto,
    /// In clear, over shards that do without io_uring.
    Epoll,
    /// In clear, over the generic delivery.
    Generic,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS, all clients of a test on one connection.
    Http2,
}

/// The protocols between the clients of a test and its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Clear,
    Tls,
    Http2,
}

thread_local! {
    static UNDER_TEST: Cell<Way> = const { Cell::new(Way::Auto) };
}

impl Way {
    /// The way of the test that this thread runs.
    pub fn under_test() -> Self {
        UNDER_TEST.get()
    }

    pub(crate) fn transport(self) -> Transport {
        match self {
            Way::Auto | Way::Epoll | Way::Generic => Transport::Clear,
            Way::Tls => Transport::Tls,
            Way::Http2 => Transport::Http2,
        }
    }
}

impl Transport {
    pub(crate) fn is_encrypted(self) -> bool {
        self != Transport::Clear
    }
}

/// The delivery under test. Only the thread that runs the test knows it.
pub fn delivery() -> Delivery {
    match Way::under_test() {
        Way::Auto | Way::Tls | Way::Http2 => Delivery::Auto,
        Way::Epoll => Delivery::Epoll,
        Way::Generic => Delivery::Generic,
    }
}

/// Runs a test to its end on this thread; gateways that it starts are reached over `way`.
pub fn run<F: Future<Output = ()>>(way: Way, test: F) {
    // Hundreds of tests share one copy of the runtime's code.
    run_boxed(way, Box::pin(test));
}

fn run_boxed(way: Way, test: Pin<Box<dyn Future<Output = ()> + '_>>) {
    let _reset = Reset(UNDER_TEST.replace(way));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

/// Puts the way back that was under test before: a thread may run several tests.
struct Reset(Way);

impl Drop for Reset {
    fn drop(&mut self) {
        UNDER_TEST.set(self.0);
    }
}
