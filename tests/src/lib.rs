//! Clients and servers for tests: gateways of this process, readers on each wire, plain HTTP.

mod backend;
mod bridge;
mod certificate;
mod credentials;
mod gateway;
mod http;
mod port;
pub mod program;
mod reader;
mod samples;
mod sse;
mod stalled;
mod translator;

pub use backend::{Backend, Call, Says};
pub use certificate::Certificate;
pub use credentials::{SECRET, token, token_of, token_signed_with};
pub use gateway::{Narrow, Place, Server, delivery, eventually};
pub use http::{Answer, Connection, Head, expect_bytes, listen_head};
pub use port::FixedPort;
pub use reader::{Event, Reader};
pub use samples::Samples;
pub use stalled::{reader_with_backlog, stalled_reader};
pub use tricast_core::Wire;

/// Like [`each_wire`], for what a WebSocket does not have.
#[macro_export]
macro_rules! each_http_wire {
    ($($(#[$doc:meta])* async fn $name:ident($wire:ident) $body:block)+) => {
        $($(#[$doc])* mod $name {
            use super::*;

            async fn on($wire: $crate::Wire) $body

            #[tokio::test]
            async fn sse() {
                on($crate::Wire::Sse).await;
            }

            #[tokio::test]
            async fn chunked() {
                on($crate::Wire::Chunked).await;
            }
        })+
    };
}

/// Runs one test on each wire: `each_wire! { async fn name(wire) { … } }`
#[macro_export]
macro_rules! each_wire {
    ($($(#[$doc:meta])* async fn $name:ident($wire:ident) $body:block)+) => {
        $($(#[$doc])* mod $name {
            use super::*;

            async fn on($wire: $crate::Wire) $body

            #[tokio::test]
            async fn sse() {
                on($crate::Wire::Sse).await;
            }

            #[tokio::test]
            async fn chunked() {
                on($crate::Wire::Chunked).await;
            }

            #[tokio::test]
            async fn ws() {
                on($crate::Wire::Ws).await;
            }
        })+
    };
}
