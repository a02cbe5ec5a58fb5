//! Who reads: the unit of shares of the memory for reads.

use std::{collections::HashMap, net::IpAddr};

use tricast_core::{ReadRequest, UserId, network_of};

/// One that has a share of the memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Party {
    User(UserId),
    Network(IpAddr),
}

impl Party {
    /// The parties that a read counts for; the first has the line in which it waits.
    pub(super) fn all_of(request: &ReadRequest) -> Vec<Self> {
        let user = request.user.clone().map(Party::User);
        let network = request.address.map(network_of).map(Party::Network);
        user.into_iter().chain(network).collect()
    }
}

/// The bytes that each party occupies.
#[derive(Debug, Default)]
pub(super) struct Charges(HashMap<Party, usize>);

impl Charges {
    /// Whether each of the parties may have `bytes` more. One that has nothing may have any number:
    /// otherwise it could never read a large message.
    pub(super) fn admit(&self, parties: &[Party], bytes: usize, share: usize) -> bool {
        let fits = |used: &usize| used + bytes <= share;
        parties.iter().all(|party| self.0.get(party).is_none_or(fits))
    }

    pub(super) fn add(&mut self, party: &Party, bytes: usize) {
        if bytes > 0 {
            *self.0.entry(party.clone()).or_default() += bytes;
        }
    }

    pub(super) fn remove(&mut self, party: &Party, bytes: usize) {
        if let Some(used) = self.0.get_mut(party) {
            *used = used.saturating_sub(bytes);
            if *used == 0 {
                self.0.remove(party);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
