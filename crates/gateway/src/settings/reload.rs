//! Settings that are read again while the gateway runs: what takes effect at once, and what has to wait for a new start.

use serde_json::Value;

use crate::settings::Settings;

/// What other settings come to for a gateway that runs.
#[derive(Debug)]
pub(crate) struct Reload {
    /// What holds from now on.
    pub(crate) settings: Settings,
    /// The keys that have changed.
    pub(crate) applied: Vec<String>,
    /// The keys that say something else now, and take effect with a new start.
    pub(crate) needs_restart: Vec<String>,
}

impl Settings {
    /// These, and of `other` whatever can change in between.
    pub(crate) fn reload(&self, other: Settings) -> Reload {
        let wanted = other.clone();
        let mut settings = other;
        let own = self.clone();
        // Sockets, threads and paths.
        settings.bind = own.bind;
        settings.base_path = own.base_path;
        settings.insecure = own.insecure;
        settings.dashboard = own.dashboard;
        settings.delivery = own.delivery;
        settings.shards = own.shards;
        settings.admin.bind = own.admin.bind;
        settings.tls = own.tls;
        settings.proxy = own.proxy;
        settings.cors = own.cors;
        settings.logging.format = own.logging.format;
        settings.stream.stall_timeout = own.stream.stall_timeout;
        settings.limits.head_bytes = own.limits.head_bytes;
        settings.limits.head_timeout = own.limits.head_timeout;
        // What is allotted once.
        settings.limits.channels = own.limits.channels;
        settings.limits.body_memory = own.limits.body_memory;
        settings.limits.answer_memory = own.limits.answer_memory;
        settings.limits.overload = own.limits.overload;
        settings.history.memory = own.history.memory;
        settings.history.tombstones = own.history.tombstones;
        settings.publish = own.publish;
        // What others than the gateway answer for.
        settings.hook = own.hook;
        settings.events = own.events;
        settings.tokens.jwks_url = own.tokens.jwks_url;
        settings.tokens.jwks_refresh = own.tokens.jwks_refresh;
        // Whether a browser may come with it stands in answers' fields.
        settings.tokens.cookie = own.tokens.cookie;
        // Who is in a channel that was not asked for it is not known.
        settings.presence = own.presence;
        settings.access.presence = own.access.presence;
        let (applied, mut needs_restart) =
            (self.differences(&settings), settings.differences(&wanted));
        if self.effective_presence() != wanted.effective_presence() {
            needs_restart.push("namespace.presence".to_owned());
        }
        Reload { settings, applied, needs_restart }
    }

    /// Which channels have presence.
    fn effective_presence(&self) -> Vec<(String, bool)> {
        let of = |namespace: &crate::settings::Namespace| {
            let presence = namespace.presence.unwrap_or(self.access.presence);
            (namespace.pattern.to_string(), presence)
        };
        let all: Vec<_> = self.namespace.iter().map(of).collect();
        // Where all are alike, it does not matter which is whose.
        let alike = all.iter().all(|(_, presence)| *presence == self.access.presence);
        if alike { Vec::new() } else { all }
    }

    /// The keys that say something else in `other`: `section.key`, or the name of a list.
    fn differences(&self, other: &Self) -> Vec<String> {
        let value = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        let (own, theirs) = (value(self), value(other));
        let mut keys = Vec::new();
        for (section, own) in own.as_object().into_iter().flatten() {
            let theirs = &theirs[section];
            let table = own.as_object().into_iter().flatten();
            let differs = |(key, own): (&String, &Value)| {
                (theirs[key.as_str()] != *own).then(|| format!("{section}.{key}"))
            };
            match own.is_object() {
                true => keys.extend(table.filter_map(differs)),
                false if own != theirs => keys.push(section.clone()),
                false => {}
            }
        }
        // A secret shows nothing of itself.
        for ((name, own), (_, theirs)) in self.secrets().into_iter().zip(other.secrets()) {
            if own != theirs && !keys.iter().any(|key| key == name) {
                keys.push(name.to_owned());
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::from_toml(text).expect("is good")
    }

    #[test]
    fn what_can_change_changes_and_the_rest_is_named() {
        let before = settings("[tokens]\nsecret = \"0123456789abcdef0123456789abcdef\"");
        let after = "shards = 3\n[tokens]\nsecret = \"fedcba9876543210fedcba9876543210\"\n[limits]\nconnections = 7\nchannels = 9\n\
                     [logging]\nlevel = \"debug\"\n[[namespace]]\npattern = \"a\"\npresence = true";
        let reload = before.reload(settings(after));
        assert_eq!(
            reload.applied,
            ["limits.connections", "logging.level", "namespace", "tokens.secret"]
        );
        assert_eq!(reload.needs_restart, ["limits.channels", "shards", "namespace.presence"]);
        assert_eq!(
            (reload.settings.limits.connections, reload.settings.limits.channels),
            (7, 200_000)
        );
        let same = before.reload(before.clone());
        assert!(same.applied.is_empty() && same.needs_restart.is_empty(), "{same:?}");
    }

    #[test]
    fn every_key_either_changes_or_waits() {
        // A key that is new to the settings has to be thought of here: what waits is listed above by name, and
        // whatever is not is taken over.
        let before = settings("");
        for (text, waits) in [
            ("[rates]\nmessages_per_user = 5", false),
            ("[stream]\nheartbeat = \"20s\"", false),
            ("[stream]\nstall_timeout = \"20s\"", true),
            ("[history]\nmessages = 5", false),
            ("[history]\nmemory = \"1GiB\"", true),
            ("[cors]\norigins = [\"https://a.example\"]", true),
            ("[shutdown]\ngrace = \"3s\"", false),
            ("[ws]\nrate = 3", false),
            ("[admin]\nhosts = [\"a\"]", false),
        ] {
            let reload = before.reload(settings(text));
            assert_eq!(
                (reload.applied.is_empty(), reload.needs_restart.is_empty()),
                (waits, !waits),
                "{text}"
            );
        }
    }
}
