//! Clients and servers for tests: gateways of this process, readers on each wire, plain HTTP.

mod backend;
mod bridge;
mod certificate;
mod credentials;
mod each;
mod engine;
mod gateway;
mod http;
mod port;
pub mod program;
mod reader;
mod samples;
mod small_disk;
mod sse;
mod stalled;
mod translator;
mod upstream;
mod way;

pub use backend::{Backend, Call, Reply};
pub use certificate::Certificate;
pub use credentials::{SECRET, token, token_of, token_signed_with};
pub use engine::{Fate, HeldEngine};
pub use gateway::{Endpoint, Server, SmallBuffer, eventually};
pub use http::{Answer, Connection, Head, expect_bytes, stream_head};
pub use port::FixedPort;
pub use reader::{Event, Reader};
pub use samples::Samples;
pub use small_disk::SmallDisk;
pub use stalled::{reader_with_backlog, stalled_reader};
pub use tricast_core::Wire;
pub use upstream::{Upstream, UpstreamCall};
pub use way::{Way, delivery, run};
