//! Checks of the settings. Each error names its key and says what to do.

use bytesize::ByteSize;

use crate::settings::{Address, Key, Llm, Settings};

impl Settings {
    /// Checks that the settings make sense, and that no two of their addresses conflict.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.check_addresses()?;
        self.check_bound()
    }

    /// Checks settings whose addresses are bound already, so that the system has accepted them.
    pub(crate) fn check_bound(&self) -> anyhow::Result<()> {
        self.check_top_level()?;
        self.check_sections()?;
        self.check_lists()?;
        self.check_safety()
    }

    fn check_top_level(&self) -> anyhow::Result<()> {
        let path = &self.base_path;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
        anyhow::ensure!(
            path.is_empty()
                || path.starts_with('/') && !path.ends_with('/') && path.bytes().all(is_plain),
            "base_path: it has to begin with / and not end with /, and may contain A-Z a-z 0-9 / \
             - _ . ~, as in \"/realtime\"; it is {path:?}"
        );
        anyhow::ensure!(
            self.addresses().next().is_some(),
            "bind: name an address to listen on, here or in tls.bind"
        );
        anyhow::ensure!(
            self.shards <= 256,
            "shards: from 0 to 256 (0 is one for every two processors); it is {}",
            self.shards
        );
        Ok(())
    }

    fn check_sections(&self) -> anyhow::Result<()> {
        let message_bytes = self.limits.message_bytes;
        self.logging.check()?;
        self.tls.check()?;
        self.proxy.check()?;
        self.admin.check()?;
        self.limits.check()?;
        self.history.check(message_bytes)?;
        self.log.check(message_bytes)?;
        self.stream.check()?;
        self.presence.check()?;
        self.publish.check()?;
        self.shutdown.check()?;
        self.cors.check()?;
        self.hook.check()?;
        self.events.check(self.limits.channels_per_connection)?;
        self.rates.check(message_bytes)?;
        self.relay.check()?;
        self.tokens.check()
    }

    fn check_lists(&self) -> anyhow::Result<()> {
        Key::check_names(&self.key)?;
        Llm::check_all(&self.llm, self.is_local())?;
        self.namespace
            .iter()
            .try_for_each(|namespace| namespace.check(self.limits.message_bytes))?;
        match self.llm.is_empty() {
            true => Ok(()),
            false => self.relay.check_room(self.least_ring_bytes(), self.limits.body_memory),
        }
    }

    /// Returns the least that the ring of any channel holds.
    fn least_ring_bytes(&self) -> ByteSize {
        let own = self.namespace.iter().filter_map(|namespace| namespace.history.bytes);
        own.fold(self.history.bytes, Ord::min)
    }

    /// Checks that the system can bind each address beside the others.
    fn check_addresses(&self) -> anyhow::Result<()> {
        let admin = Address::Tcp(self.admin.bind);
        let mut seen: Vec<&Address> = Vec::new();
        for address in self.addresses().chain([&admin]) {
            if let Some(other) = seen.iter().find(|other| other.conflicts_with(address)) {
                anyhow::ensure!(
                    *other != address,
                    "bind, tls.bind and admin.bind: {address} is there twice; give each its own \
                     address"
                );
                anyhow::bail!(
                    "bind, tls.bind and admin.bind: {other} and {address} conflict, because one \
                     of them is every address of this machine; give one of them another port"
                );
            }
            seen.push(address);
        }
        Ok(())
    }
}
