//! Pages of other origins.

use serde::{Deserialize, Serialize};

use crate::http::origin::is_origin;

/// `[cors]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Cors {
    pub origins: Vec<String>,
}

classify!(Cors {
    // The routes are built with it.
    restart: origins;
});

impl Cors {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for origin in &self.origins {
            anyhow::ensure!(
                origin == "*" || is_origin(origin),
                "cors.origins: {origin:?} is no origin as browsers send it: \
                 \"https://app.example\", without a path or the scheme's own port"
            );
        }
        Ok(())
    }

    /// Whether pages of every origin are allowed.
    pub(super) fn allows_any_origin(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}
