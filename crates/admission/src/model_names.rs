//! The names of models that a namespace, a token, a key or the hook allows.

use std::sync::Arc;

/// Longest name of a model, in bytes.
const NAME_MAX: usize = 200;

/// Most names in one list: each is tried on each prompt.
const NAMES_MAX: usize = 100;

/// A list of public names of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelNames(Arc<[String]>);

impl ModelNames {
    /// Checks the names of a list, or says what is wrong with them.
    ///
    /// # Errors
    /// When there are too many names, or one is empty, too long or not printable.
    pub fn parse(names: Vec<String>) -> Result<Self, String> {
        if names.len() > NAMES_MAX {
            return Err(format!("models has more than {NAMES_MAX} names"));
        }
        let is_name = |name: &&String| {
            (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
        };
        match names.iter().find(|name| !is_name(name)) {
            Some(bad) => Err(format!("models: {bad:?} is no name of a model")),
            None => Ok(Self(names.into())),
        }
    }

    /// Returns a list without a name, which allows no model.
    pub fn none() -> Self {
        Self([].into())
    }

    /// Whether the list has the name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|one| one == name)
    }

    /// Iterates over the names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Estimates the memory that the list occupies, in bytes.
    pub(crate) fn memory_size(&self) -> usize {
        self.iter().map(|name| size_of::<String>() + name.len()).sum()
    }
}

impl serde::Serialize for ModelNames {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for ModelNames {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(Vec::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole() {
        let names = ModelNames::parse(vec!["fast".to_owned(), "main/gpt-x".to_owned()]);
        let names = names.expect("a list");
        assert!(names.contains("fast") && names.contains("main/gpt-x"));
        assert!(!names.contains("gpt-x") && !names.contains("fas") && !names.contains(""));
        for bad in [vec![String::new()], vec!["a\nb".to_owned()], vec!["a".to_owned(); 101]] {
            assert!(ModelNames::parse(bad).is_err());
        }
    }
}
