//! The layers of the settings: the reference, overridden by a file, overridden by the environment.

use std::{ffi::OsString, path::Path};

use anyhow::Context as _;
use serde_path_to_error::Segment;
use toml::{Table, Value};
use tricast_admission::Secret;

use crate::settings::{
    Llm, REFERENCE, Settings,
    environment::{Environment, keys, may_hold_secret},
    key_path::key_name,
    settings_file::SettingsFile,
    unknown_key::no_such_key,
    value_error::{Expected, ValueError, key_of_date},
};

/// Valid settings, with warnings for their author.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, which are valid.
    pub settings: Settings,
    /// Sentences about what looks like a mistake, but does not keep a gateway from starting.
    pub warnings: Vec<String>,
}

/// The layers above the reference.
#[derive(Debug)]
struct Layers {
    file: Option<SettingsFile>,
    environment: Environment,
}

impl Settings {
    /// Loads the settings: the reference, overridden by `file` if there is one, overridden by the
    /// environment.
    ///
    /// # Errors
    /// When the file cannot be read or is not UTF-8, a key is unknown, or a value is invalid; the
    /// error names the file, the key or the variable.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Loaded> {
        let Some(path) = file else { return Self::from_layers(None, std::env::vars_os()) };
        let bytes = SettingsFile::read(path)?;
        Self::from_layers(Some((path, &bytes)), std::env::vars_os())
    }

    /// Loads the settings from the bytes of a file, and from variables.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_layers(
        file: Option<(&Path, &[u8])>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Loaded> {
        let layers = Layers::read(file, variables)?;
        let loaded = layers.assemble()?;
        loaded.settings.check().map_err(|error| {
            let text = format!("{error:#}");
            let origin = text.split(':').next().and_then(|key| layers.origin(key));
            anyhow::anyhow!("{}{text}", origin.unwrap_or_default())
        })?;
        Ok(loaded)
    }

    /// Loads settings without checking that they make sense together.
    ///
    /// # Errors
    /// When a key is unknown, or a value is of another type.
    pub(super) fn assemble(
        file: Option<(&Path, &[u8])>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Loaded> {
        Layers::read(file, variables)?.assemble()
    }

    /// Returns a warning for each secret that seems to contain more than the secret. It is used as
    /// it is written nevertheless.
    fn suspicious_secrets(&self) -> impl Iterator<Item = String> {
        let suspicious = |text: &str| {
            let quoted = |quote| text.starts_with(quote) && text.ends_with(quote);
            !text.is_empty() && (quoted('"') || quoted('\'') || text.trim() != text)
        };
        let secrets =
            self.secrets().into_iter().filter(move |(_, secret)| suspicious(secret.expose()));
        secrets.map(|(key, _)| {
            format!(
                "{key} begins or ends with white space or quotes, which are used as part of it; an \
                 env file keeps its quotes, and echo adds a line feed"
            )
        })
    }

    /// Returns each secret with its key.
    pub(super) fn secrets(&self) -> Vec<(String, &Secret)> {
        let Self { tokens, hook, events, admin, llm, .. } = self;
        let of_sections = [
            ("tokens.secret", &tokens.secret),
            ("hook.secret", &hook.secret),
            ("events.secret", &events.secret),
            ("admin.token", &admin.token),
        ];
        let of_sections = of_sections.map(|(key, secret)| (key.to_owned(), secret));
        let named = |upstream: &Llm| format!("the key of [[llm]] {:?}", upstream.name);
        let of_upstreams = llm.iter().map(|upstream| (named(upstream), &upstream.key));
        of_sections.into_iter().chain(of_upstreams).collect()
    }

    /// Loads the reference, overridden by `text` in TOML.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_toml(text: &str) -> anyhow::Result<Self> {
        let file = Some((Path::new("settings"), text.as_bytes()));
        Ok(Self::from_layers(file, std::iter::empty())?.settings)
    }
}

/// Returns the built-in gateway.toml.
fn reference() -> anyhow::Result<Table> {
    toml::from_str(REFERENCE).context("the built-in gateway.toml")
}

impl Layers {
    fn read(
        file: Option<(&Path, &[u8])>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Self> {
        let environment = Environment::read(&reference()?, variables)?;
        let file = file.map(|(path, bytes)| SettingsFile::parse(path, bytes)).transpose()?;
        Ok(Self { file, environment })
    }

    fn assemble(&self) -> anyhow::Result<Loaded> {
        let mut merged = reference()?;
        if let Some(SettingsFile { path, table }) = &self.file {
            merge(&mut merged, table.clone()).with_context(|| path.display().to_string())?;
        }
        for (key, (_, value)) in &self.environment.values {
            set(&mut merged, key, value.clone())?;
        }
        for upstream_key in &self.environment.upstream_keys {
            upstream_key.set_in(&mut merged)?;
        }
        if let Some(key) = key_of_date(&merged) {
            anyhow::bail!(
                "{}{}: this is a date, which no setting takes; text needs quotes",
                self.prefix(&key),
                key_name(&key)
            );
        }
        let read: Result<Settings, _> = serde_path_to_error::deserialize(merged.clone());
        let settings = read.map_err(|error| {
            let key = error.path().to_string();
            anyhow::anyhow!("{}{}", self.prefix(&key), self.explain(&error, &merged))
        })?;
        let mut warnings = self.environment.warnings.clone();
        warnings.extend(settings.suspicious_secrets());
        Ok(Loaded { settings, warnings })
    }

    /// Returns the beginning of an error about `key`: where its value comes from.
    fn prefix(&self, key: &str) -> String {
        let file = self.file.as_ref().map(|file| format!("{}: ", file.path.display()));
        self.origin(key).or(file).unwrap_or_default()
    }

    /// Returns where the value of `key` comes from, if it is not the default.
    fn origin(&self, key: &str) -> Option<String> {
        // A position in a list belongs to the key of the list.
        let key = key.split('[').next().unwrap_or_default();
        if let Some((name, _)) = self.environment.values.get(key) {
            return Some(format!("{name} in the environment: "));
        }
        let SettingsFile { path, table } = self.file.as_ref()?;
        keys(table).contains_key(key).then(|| format!("{}: ", path.display()))
    }

    /// Rewrites an error of the library in terms of settings rather than of types.
    fn explain(
        &self,
        error: &serde_path_to_error::Error<toml::de::Error>,
        merged: &Table,
    ) -> String {
        let (key, message) = (error.path().to_string(), error.inner().message());
        if message.starts_with("unknown field") {
            return match key.split_once('[') {
                None => no_such_key(&key, &keys(&reference().unwrap_or_default()), false),
                Some(_) => {
                    let fields: Vec<_> = message.split('`').skip(3).step_by(2).collect();
                    let name = key_name(&key);
                    let (entry, field) = name.rsplit_once(", ").unwrap_or(("", &name));
                    let fields = fields.join(", ");
                    format!("there is no setting {field} in {entry}; there are {fields}")
                }
            };
        }
        if let Some(field) = message.strip_prefix("missing field ") {
            let field = field.trim_matches('`');
            let name = key_name(&key);
            return format!("{name}: {field} is missing; gateway.toml has an example");
        }
        let expected = Expected::of(message).or_else(|| words_of(error.path(), merged));
        let Some(expected) = expected else { return format!("{}: {message}", key_name(&key)) };
        let list = key.split('[').next().unwrap_or_default();
        let mut merged = merged.clone();
        let value = ValueError {
            key: &key,
            found: value_at(error.path(), &mut merged).map(|value| &*value),
            is_variable: self.environment.values.contains_key(list),
            is_hidden: may_hold_secret(&key),
        };
        format!("{}: {}", key_name(&key), value.describe(&expected))
    }
}

/// Returns the value at `path`.
fn value_at<'a>(path: &serde_path_to_error::Path, table: &'a mut Table) -> Option<&'a mut Value> {
    let mut segments = path.iter();
    let Some(Segment::Map { key }) = segments.next() else { return None };
    segments.try_fold(table.get_mut(key)?, |value, segment| match segment {
        Segment::Map { key } => value.get_mut(key),
        Segment::Seq { index } => value.get_mut(*index),
        _ => None,
    })
}

/// Returns the words that the key at `path` takes, if it takes only certain words. The library
/// lists them only if it finds another word.
fn words_of(path: &serde_path_to_error::Path, merged: &Table) -> Option<Expected> {
    let mut merged = merged.clone();
    *value_at(path, &mut merged)? = Value::String(String::new());
    let error = serde_path_to_error::deserialize::<_, Settings>(merged).err()?;
    let is_same = error.path().to_string() == path.to_string();
    is_same.then(|| Expected::of(error.inner().message())).flatten()
}

/// Overrides `base` with `overlay`. Tables are merged; a list replaces a list.
///
/// # Errors
/// When `overlay` has something else where `base` has a section.
fn merge(base: &mut Table, overlay: Table) -> anyhow::Result<()> {
    for (key, value) in overlay {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(overlay)) => merge(base, overlay)?,
            (Some(Value::Table(_)), _) => {
                anyhow::bail!("{key}: this is a section; write [{key}], and its keys below it")
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
    Ok(())
}

/// Sets the value of a key such as `stream.heartbeat`.
fn set(table: &mut Table, key: &str, value: Value) -> anyhow::Result<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((section, rest)) => match table.get_mut(section) {
            Some(Value::Table(section)) => set(section, rest, value),
            _ => anyhow::bail!("{section}: this is a section, written [{section}]"),
        },
    }
}
