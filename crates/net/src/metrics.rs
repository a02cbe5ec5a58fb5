//! Metrics of sockets.

use std::fmt;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Metrics of sockets, from accept to close.
#[derive(Clone)]
pub struct SocketMeters {
    pub(crate) open: Gauge,
    pub(crate) at_socket_limit: Counter,
    pub(crate) at_address_limit: Counter,
    pub(crate) silent: Counter,
    pub(crate) missing_proxy_header: Counter,
    /// Counts streams cut because their peer took nothing for `stream.stall_timeout`.
    pub stalled: Counter,
}

impl SocketMeters {
    /// Registers the metrics of sockets.
    #[expect(clippy::new_without_default, reason = "it registers with the global recorder")]
    pub fn new() -> Self {
        describe_gauge!("tricast_sockets", "Connections open now, of any kind.");
        describe_counter!(
            "tricast_sockets_refused_total",
            "Connections refused: the limit of open files or the connection limit of their \
             address was reached, or they had sent nothing when others needed the room, or they \
             lacked the PROXY header that is required."
        );
        describe_counter!(
            "tricast_stalled_connections_total",
            "Connections cut, or HTTP/2 streams reset, because their peer read nothing for \
             stream.stall_timeout (slow consumers)."
        );
        Self {
            open: gauge!("tricast_sockets"),
            at_socket_limit: counter!("tricast_sockets_refused_total", "reason" => "full"),
            at_address_limit: counter!("tricast_sockets_refused_total", "reason" => "address"),
            silent: counter!("tricast_sockets_refused_total", "reason" => "silent"),
            missing_proxy_header: counter!("tricast_sockets_refused_total", "reason" => "proxy"),
            stalled: counter!("tricast_stalled_connections_total"),
        }
    }
}

impl fmt::Debug for SocketMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketMeters")
    }
}

/// Counts a socket while it is open.
pub(crate) struct OpenGauge(Gauge);

impl fmt::Debug for OpenGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenGauge")
    }
}

impl OpenGauge {
    pub(crate) fn new(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
