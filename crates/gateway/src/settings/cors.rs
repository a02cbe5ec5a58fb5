//! Pages of other origins (CORS).

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
    // The routes are built with them.
    restart: origins;
});

impl Cors {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for origin in &self.origins {
            anyhow::ensure!(
                origin == "*" || is_origin(origin),
                "cors.origins: {origin:?} is not an origin as browsers send it; write it like \
                 \"https://app.example\", without a path and without the scheme's default port"
            );
        }
        Ok(())
    }

    /// Whether pages of every origin are allowed.
    pub(super) fn allows_any_origin(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}
