//! All upstreams, and which of them has a model.

use std::sync::Arc;

use tricast_core::Secret;

use crate::{
    BadUpstream, PromptError, Upstream, UpstreamConfig, attempt::Target,
    chat_request::is_model_name,
};

/// The upstreams of the settings, in their order.
#[derive(Debug)]
pub(crate) struct Upstreams(Vec<Arc<Upstream>>);

/// A model that clients can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Whether it is that of the demo.
    pub is_demo: bool,
}

impl Upstreams {
    /// Makes the upstreams; those of `former` whose settings are the same stay.
    pub(crate) fn new(
        configs: Vec<UpstreamConfig>,
        former: Option<&Self>,
    ) -> Result<Self, BadUpstream> {
        for (place, config) in configs.iter().enumerate() {
            if configs[..place].iter().any(|other| other.name == config.name) {
                return Err(BadUpstream::Twice(config.name.clone()));
            }
            let is_known = |name: &&String| configs.iter().any(|other| other.name == **name);
            if let Some(missing) = config.fallback.iter().find(|name| !is_known(name)) {
                return Err(BadUpstream::Fallback(config.name.clone(), missing.clone()));
            }
        }
        let make = |config: UpstreamConfig| {
            let known = former.iter().flat_map(|former| &former.0);
            match known.into_iter().find(|known| known.config == config) {
                Some(known) => Ok(known.clone()),
                None => Upstream::new(config).map(Arc::new),
            }
        };
        configs.into_iter().map(make).collect::<Result<_, _>>().map(Self)
    }

    #[cfg(test)]
    pub(crate) fn of(upstreams: Vec<Arc<Upstream>>) -> Self {
        Self(upstreams)
    }

    /// Returns the secrets of all upstreams.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().flat_map(|upstream| upstream.secrets())
    }

    /// Returns the models that have a name, in their order.
    pub(crate) fn models(&self) -> Vec<ModelInfo> {
        let mut models: Vec<ModelInfo> = Vec::new();
        for upstream in &self.0 {
            for model in &upstream.config.models {
                let name = match models.iter().any(|known| known.name == model.name) {
                    // An earlier upstream has it; this one is asked by its prefix.
                    true => format!("{}/{}", upstream.config.name, model.name),
                    false => model.name.clone(),
                };
                models.push(ModelInfo { name, is_demo: upstream.config.is_demo() });
            }
        }
        models
    }

    /// Returns the name of a model as clients know it, and the upstreams to ask for it, in order.
    ///
    /// # Errors
    /// When no upstream has it.
    pub(crate) fn resolve(
        &self,
        asked: Option<&str>,
    ) -> Result<(String, Vec<Target>), PromptError> {
        let default = || Some(self.models().first()?.name.clone());
        let name = match asked {
            Some(name) if is_model_name(name) => name.to_owned(),
            Some(_) => return Err(PromptError::UnknownModel("(no name of a model)".to_owned())),
            None if self.0.is_empty() => return Err(PromptError::NoUpstream),
            None => default().ok_or_else(|| PromptError::UnknownModel(String::new()))?,
        };
        let first = self.find(&name).ok_or_else(|| PromptError::UnknownModel(name.clone()))?;
        let plain = strip_prefix(&name, &first.upstream).unwrap_or(&name).to_owned();
        let mut targets = vec![first];
        for name in targets[0].upstream.config.fallback.clone() {
            let named = self.0.iter().find(|upstream| upstream.config.name == name);
            targets.extend(named.and_then(|upstream| in_place_of(upstream, &plain)));
        }
        Ok((name, targets))
    }

    fn find(&self, name: &str) -> Option<Target> {
        let by_prefix = self.0.iter().find_map(|upstream| {
            let plain = strip_prefix(name, upstream)?;
            known_as(upstream, plain).or_else(|| any_name(upstream, plain))
        });
        let by_name = || self.0.iter().find_map(|upstream| known_as(upstream, name));
        let by_any = || self.0.iter().find_map(|upstream| any_name(upstream, name));
        by_prefix.or_else(by_name).or_else(by_any)
    }
}

/// Returns the name without the prefix of an upstream.
fn strip_prefix<'a>(name: &'a str, upstream: &Upstream) -> Option<&'a str> {
    name.strip_prefix(&upstream.config.name)?.strip_prefix('/')
}

fn known_as(upstream: &Arc<Upstream>, name: &str) -> Option<Target> {
    let model = upstream.config.models.iter().find(|model| model.name == name)?;
    Some(Target { upstream: upstream.clone(), model: model.model.clone() })
}

/// An upstream without a list of models passes any name on.
fn any_name(upstream: &Arc<Upstream>, name: &str) -> Option<Target> {
    let passes = upstream.config.models.is_empty();
    passes.then(|| Target { upstream: upstream.clone(), model: name.to_owned() })
}

/// An upstream that stands in for another one takes the model of the same name, or its first one.
fn in_place_of(upstream: &Arc<Upstream>, name: &str) -> Option<Target> {
    let first = || {
        let model = upstream.config.models.first()?;
        Some(Target { upstream: upstream.clone(), model: model.model.clone() })
    };
    known_as(upstream, name).or_else(|| any_name(upstream, name)).or_else(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;

    fn upstream(name: &str, models: &[(&str, &str)], fallback: &[&str]) -> UpstreamConfig {
        let model = |(name, model): &(&str, &str)| Model {
            name: (*name).to_owned(),
            model: (*model).to_owned(),
        };
        UpstreamConfig {
            name: name.to_owned(),
            url: format!("http://{name}.example/v1"),
            models: models.iter().map(model).collect(),
            fallback: fallback.iter().map(|&name| name.to_owned()).collect(),
            ..UpstreamConfig::default()
        }
    }

    fn resolve(upstreams: &Upstreams, asked: Option<&str>) -> String {
        match upstreams.resolve(asked) {
            Err(error) => error.to_string(),
            Ok((name, targets)) => {
                let target = |one: &Target| format!(" {}:{}", one.upstream.config.name, one.model);
                name + &targets.iter().map(target).collect::<String>()
            }
        }
    }

    #[test]
    fn a_model_is_found_by_its_name_or_with_the_prefix_of_its_upstream() {
        let upstreams = Upstreams::new(
            vec![
                upstream("main", &[("gpt-x", "gpt-x"), ("fast", "qwen-7b")], &["spare", "any"]),
                upstream("spare", &[("fast", "small"), ("slow", "large")], &[]),
                upstream("any", &[], &[]),
            ],
            None,
        );
        let upstreams = upstreams.expect("upstreams");
        for (asked, expected) in [
            (None, "gpt-x main:gpt-x spare:small any:gpt-x"),
            (Some("fast"), "fast main:qwen-7b spare:small any:fast"),
            (Some("main/fast"), "main/fast main:qwen-7b spare:small any:fast"),
            (Some("spare/fast"), "spare/fast spare:small"),
            (Some("slow"), "slow spare:large"),
            (Some("org/other"), "org/other any:org/other"),
            (Some("any/org/other"), "any/org/other any:org/other"),
            (Some("spare/other"), "spare/other any:spare/other"),
        ] {
            assert_eq!(resolve(&upstreams, asked), expected);
        }
        let names: Vec<_> = upstreams.models().into_iter().map(|model| model.name).collect();
        assert_eq!(names, ["gpt-x", "fast", "spare/fast", "slow"]);
    }

    #[test]
    fn what_no_upstream_has_is_refused() {
        let none = Upstreams::new(Vec::new(), None).expect("none");
        assert!(resolve(&none, None).contains("[[llm]]"));
        let one = Upstreams::new(vec![upstream("main", &[("a", "a")], &[])], None).expect("one");
        assert!(resolve(&one, Some("b")).contains("\"b\""));
        let any = Upstreams::new(vec![upstream("any", &[], &[])], None).expect("one");
        for name in ["", "a\nb", &"a".repeat(300)] {
            assert!(any.resolve(Some(name)).is_err(), "{name}");
        }
        let twice = vec![upstream("main", &[], &[]), upstream("main", &[], &[])];
        assert!(matches!(Upstreams::new(twice, None), Err(BadUpstream::Twice(_))));
        let missing = vec![upstream("main", &[], &["spare"])];
        assert!(matches!(Upstreams::new(missing, None), Err(BadUpstream::Fallback(..))));
    }

    #[test]
    fn an_upstream_with_the_same_settings_stays() {
        let configs = || vec![upstream("a", &[], &[]), upstream("b", &[], &[])];
        let former = Upstreams::new(configs(), None).expect("upstreams");
        let mut changed = configs();
        changed[1].retries += 1;
        let later = Upstreams::new(changed, Some(&former)).expect("upstreams");
        let stays = |place: usize| Arc::ptr_eq(&former.0[place], &later.0[place]);
        assert_eq!([stays(0), stays(1)], [true, false]);
    }
}
