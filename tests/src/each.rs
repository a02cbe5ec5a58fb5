//! Macros that make tests of `async` functions: one for each wire and each way to the gateway, so
//! `a_name::ws::epoll`. The compiler warns of a function that is in no list: it is dead code.

/// Tests `async fn name()` over each way of delivery: `name::{auto, epoll, generic}`.
#[macro_export]
macro_rules! each_delivery {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            $crate::test_deliveries!(super::$name());
        })+
    };
}

/// As [`each_delivery`], and over TLS and HTTP/2: `name::{auto, epoll, generic, tls, http2}`.
#[macro_export]
macro_rules! each_delivery_and_transport {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            $crate::test_deliveries_and_transports!(super::$name());
        })+
    };
}

/// Tests `async fn name(wire: Wire)` on each wire over each way of delivery.
#[macro_export]
macro_rules! each_wire {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            $crate::test_on!(sse Sse, $name, test_deliveries);
            $crate::test_on!(chunked Chunked, $name, test_deliveries);
            $crate::test_on!(ws Ws, $name, test_deliveries);
        })+
    };
}

/// As [`each_wire`], and over TLS and HTTP/2.
#[macro_export]
macro_rules! each_wire_and_transport {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            $crate::test_on!(sse Sse, $name, test_deliveries_and_transports);
            $crate::test_on!(chunked Chunked, $name, test_deliveries_and_transports);
            $crate::test_on!(ws Ws, $name, test_deliveries_and_transports);
        })+
    };
}

/// As [`each_wire`], without the WebSocket.
#[macro_export]
macro_rules! each_http_wire {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            $crate::test_on!(sse Sse, $name, test_deliveries);
            $crate::test_on!(chunked Chunked, $name, test_deliveries);
        })+
    };
}

/// As [`each_http_wire`], and over TLS and HTTP/2.
#[macro_export]
macro_rules! each_http_wire_and_transport {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            $crate::test_on!(sse Sse, $name, test_deliveries_and_transports);
            $crate::test_on!(chunked Chunked, $name, test_deliveries_and_transports);
        })+
    };
}

/// The tests of a function on one wire, in a module with the wire's name.
#[doc(hidden)]
#[macro_export]
macro_rules! test_on {
    ($module:ident $wire:ident, $name:ident, $tests:ident) => {
        mod $module {
            $crate::$tests!(super::super::$name($crate::Wire::$wire));
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! test_deliveries {
    ($body:expr) => {
        $crate::test_over!(auto Auto, $body);
        $crate::test_over!(epoll Epoll, $body);
        $crate::test_over!(generic Generic, $body);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! test_deliveries_and_transports {
    ($body:expr) => {
        $crate::test_deliveries!($body);
        $crate::test_over!(tls Tls, $body);
        $crate::test_over!(http2 Http2, $body);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! test_over {
    ($test:ident $way:ident, $body:expr) => {
        #[test]
        fn $test() {
            $crate::run($crate::Way::$way, $body);
        }
    };
}
