//! The wires, as labels: core knows their names, and nothing of how they encode a message.

use std::ops::{Index, IndexMut};

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The wire on which a subscriber is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Wire {
    /// Server-Sent Events.
    Sse,
    /// An HTTP body of JSON lines.
    Chunked,
    /// WebSocket.
    Ws,
}

impl Wire {
    /// All wires, in the order of their index.
    pub const ALL: [Wire; 3] = [Wire::Sse, Wire::Chunked, Wire::Ws];

    /// Returns the name in paths, metrics and documents.
    pub fn name(self) -> &'static str {
        match self {
            Wire::Sse => "sse",
            Wire::Chunked => "chunked",
            Wire::Ws => "ws",
        }
    }
}

/// A value for each wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerWire<T>([T; Wire::ALL.len()]);

impl<T> PerWire<T> {
    /// Makes the value of each wire.
    pub fn from_fn(make: impl FnMut(Wire) -> T) -> Self {
        Self(Wire::ALL.map(make))
    }

    /// Iterates over the wires and their values.
    pub fn iter(&self) -> impl Iterator<Item = (Wire, &T)> {
        Wire::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Wire> for PerWire<T> {
    type Output = T;

    fn index(&self, wire: Wire) -> &T {
        &self.0[wire as usize]
    }
}

impl<T> IndexMut<Wire> for PerWire<T> {
    fn index_mut(&mut self, wire: Wire) -> &mut T {
        &mut self.0[wire as usize]
    }
}

/// Serializes as an object with a key for each wire.
impl<T: Serialize> Serialize for PerWire<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Wire::ALL.len()))?;
        for (wire, value) in self.iter() {
            map.serialize_entry(wire.name(), value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wire_has_its_own_value() {
        let mut lengths = PerWire::from_fn(|wire| wire.name().len());
        lengths[Wire::Ws] += 10;
        assert_eq!(Wire::ALL.map(|wire| lengths[wire]), [3, 7, 12]);
        let text = serde_json::to_string(&lengths).expect("serializes");
        assert_eq!(text, r#"{"sse":3,"chunked":7,"ws":12}"#);
    }
}
