//! Hot reload: which keys take effect at once, and which wait for a restart.
//!
//! Each section classes its own keys, beside its fields, with `classify!`.

use crate::settings::{Namespace, Settings};

/// The outcome of a reload.
#[derive(Debug)]
pub(crate) struct Reload {
    /// The settings in force from now on.
    pub(crate) settings: Settings,
    /// The keys that have changed.
    pub(crate) applied: Vec<String>,
    /// The keys whose new value takes effect after a restart.
    pub(crate) needs_restart: Vec<String>,
}

/// The keys that new settings change, as far as they have been compared.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The section whose keys are being compared.
    section: Option<&'static str>,
    applied: Vec<String>,
    needs_restart: Vec<String>,
}

/// A table of settings whose keys are all classed.
pub(super) trait Classified {
    /// Takes over the values that can change while the gateway runs, and notes all that differ.
    fn take_over(&mut self, new: Self, changes: &mut Changes);
}

impl Changes {
    /// Takes over the value of a key that can change while the gateway runs.
    pub(super) fn live<T: PartialEq>(&mut self, key: &str, current: &mut T, new: T) {
        if *current != new {
            *current = new;
            self.applied.push(self.path(key));
        }
    }

    /// Keeps the value of a key that a running gateway cannot change.
    pub(super) fn restart<T: PartialEq>(&mut self, key: &str, current: &T, new: &T) {
        if current != new {
            self.needs_restart.push(self.path(key));
        }
    }

    pub(super) fn section<T: Classified>(&mut self, name: &'static str, current: &mut T, new: T) {
        self.section = Some(name);
        current.take_over(new, self);
        self.section = None;
    }

    fn path(&self, key: &str) -> String {
        self.section.map_or(key.to_owned(), |section| format!("{section}.{key}"))
    }
}

/// Classes the keys of a table of settings: `live` keys take effect at once, `restart` keys after a
/// restart, and `sections` are tables that class their own keys.
///
/// A key without a class ("pattern requires `..`"), or with two, does not compile.
macro_rules! classify {
    ($table:ident {
        $(live: $($live:ident),+;)?
        $(restart: $($restart:ident),+;)?
        $(sections: $($section:ident),+;)?
    }) => {
        impl $crate::settings::reload::Classified for $table {
            fn take_over(&mut self, new: Self, changes: &mut $crate::settings::reload::Changes) {
                let Self {
                    $($($live,)+)?
                    $($($restart,)+)?
                    $($($section,)+)?
                } = new;
                $($(changes.live(stringify!($live), &mut self.$live, $live);)+)?
                $($(changes.restart(stringify!($restart), &self.$restart, &$restart);)+)?
                $($(changes.section(stringify!($section), &mut self.$section, $section);)+)?
            }
        }
    };
}

impl Settings {
    /// Returns these settings with every value of `new` that can change while the gateway runs.
    pub(crate) fn reload(&self, new: Settings) -> Reload {
        let (presence, log) = (new.effective_presence(), new.effective_log());
        let mut settings = self.clone();
        let mut changes = Changes::default();
        settings.take_over(new, &mut changes);
        let Changes { mut applied, mut needs_restart, .. } = changes;
        applied.sort_unstable();
        needs_restart.sort_unstable();
        if self.effective_presence() != presence {
            needs_restart.push("namespace.presence".to_owned());
        }
        if self.effective_log() != log {
            needs_restart.push("namespace.log".to_owned());
        }
        Reload { settings, applied, needs_restart }
    }

    /// Returns the presence of each namespace; nothing if all channels are alike, because then it
    /// does not matter which namespace a channel belongs to.
    fn effective_presence(&self) -> Vec<(String, bool)> {
        self.effective(self.access.presence, |namespace| namespace.presence)
    }

    /// The same for whether the messages of a namespace are in the log on disk.
    fn effective_log(&self) -> Vec<(String, bool)> {
        self.effective(true, |namespace| namespace.log)
    }

    fn effective(
        &self,
        default: bool,
        of: impl Fn(&Namespace) -> Option<bool>,
    ) -> Vec<(String, bool)> {
        let value_of = |namespace: &Namespace| {
            (namespace.pattern.to_string(), of(namespace).unwrap_or(default))
        };
        let all: Vec<_> = self.namespace.iter().map(value_of).collect();
        let is_alike = all.iter().all(|(_, value)| *value == default);
        if is_alike { Vec::new() } else { all }
    }
}

#[cfg(test)]
mod tests;
