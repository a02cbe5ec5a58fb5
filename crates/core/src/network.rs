//! Whom an address stands for.

use std::net::IpAddr;

/// Whom an address stands for: an IPv6 host has a whole /64 to choose from.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(bits.into())
        }
    }
}
