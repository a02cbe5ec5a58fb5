//! Clients and servers for tests: gateways of this process, readers on each wire, plain HTTP.

mod gateway;
mod http;
mod reader;
mod sse;

pub use gateway::{Server, eventually};
pub use http::{Answer, Connection, Head, bytes_with_deadline, listen_head};
pub use reader::{Event, Reader};
pub use tricast_core::Wire;

/// Runs one test on each wire: `each_wire!(name, |wire| async move { … });`
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
