//! TLS that the gateway itself terminates.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::settings::{
    Address,
    address_list::one_or_many,
    range::{DAY, SECOND, check_time},
};

/// `[tls]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Tls {
    #[serde(deserialize_with = "one_or_many")]
    pub bind: Vec<Address>,
    pub certificate: PathBuf,
    pub key: PathBuf,
    #[serde(with = "humantime_serde")]
    pub look: Duration,
}

classify!(Tls {
    // Their contents are reloaded without the settings.
    restart: bind, certificate, key, look;
});

impl Tls {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let named = [&self.certificate, &self.key].map(|path| !path.as_os_str().is_empty());
        anyhow::ensure!(
            named == [!self.bind.is_empty(); 2],
            "tls.bind, tls.certificate and tls.key belong together: set all three, or none"
        );
        check_time("tls.look", self.look, SECOND..=DAY)
    }
}
