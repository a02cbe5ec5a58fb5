//! The key of an upstream in the environment: `TRICAST__LLM__` and the upstream's name, `__KEY`.
//!
//! A list has no names that a variable could spell, and a key does not belong in a file.

use std::ffi::OsString;

use anyhow::Context as _;
use toml::{Table, Value};

/// A variable that holds the key of an upstream.
#[derive(Debug)]
pub(super) struct UpstreamKey {
    variable: String,
    /// The name of the upstream as a variable spells it: in upper case, and _ for -.
    upstream: String,
    key: String,
}

impl UpstreamKey {
    /// Returns the upstream that a variable of this name (in upper case) is about, if it is one.
    pub(super) fn upstream_of(variable: &str) -> Option<&str> {
        let name = variable.strip_prefix("TRICAST__LLM__")?.strip_suffix("__KEY")?;
        (!name.is_empty() && !name.contains("__")).then_some(name)
    }

    /// Reads the variable.
    ///
    /// # Errors
    /// When it is empty or not UTF-8.
    pub(super) fn read(variable: String, upstream: &str, value: OsString) -> anyhow::Result<Self> {
        let key = value.into_string().ok();
        let key = key.with_context(|| format!("{variable} in the environment: it is not UTF-8"))?;
        anyhow::ensure!(
            !key.trim().is_empty(),
            "{variable} in the environment is empty, which would leave the key of an upstream off; \
             give it a value, or unset it"
        );
        Ok(Self { variable, upstream: upstream.to_owned(), key })
    }

    /// Sets the key of its upstream in the settings.
    ///
    /// # Errors
    /// When there is no such upstream.
    pub(super) fn set_in(&self, settings: &mut Table) -> anyhow::Result<()> {
        let spelled = |name: &str| name.to_ascii_uppercase().replace('-', "_");
        let upstreams = settings.get_mut("llm").and_then(Value::as_array_mut);
        let mut upstreams = upstreams.into_iter().flatten().filter_map(Value::as_table_mut);
        let upstream = upstreams.find(|upstream| {
            let name = upstream.get("name").and_then(Value::as_str);
            name.is_some_and(|name| spelled(name) == self.upstream)
        });
        let upstream = upstream.with_context(|| {
            format!(
                "{} in the environment: there is no [[llm]] of that name; name it, or unset the \
                 variable",
                self.variable
            )
        })?;
        upstream.insert("key".to_owned(), Value::String(self.key.clone()));
        Ok(())
    }
}
