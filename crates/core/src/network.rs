//! Networks: the unit of limits per address.

use std::net::IpAddr;

/// Returns the network that an address counts as. An IPv6 host can use any address of its /64, so
/// the whole /64 counts as one.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(bits.into())
        }
    }
}
