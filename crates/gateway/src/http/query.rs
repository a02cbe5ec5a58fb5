//! Strict query parsing: an unknown name, a duplicate name and an invalid value are refused by
//! name, so that no typing error goes unnoticed.

use percent_encoding::percent_decode_str;
use tricast_core::Kind;

use crate::http::{kinds, problem::Problem};

/// Names that may be given several times: each is a source of a resume point, and the values of one
/// source are compared ([`resume`](crate::http::resume)).
const REPEATABLE: [&str; 3] = ["lastEventId", "last_event_id", "since"];

/// The least similarity of a name that is proposed in place of an unknown one.
const MIN_SIMILARITY: f64 = 0.85;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Query(Vec<Parameter>);

#[derive(Debug)]
struct Parameter {
    name: String,
    value: String,
    /// The value was written with a `+`, which is a space in a query.
    has_plus: bool,
}

impl Query {
    /// Parses the raw query of a request that takes `names`. Names that begin with `_` are ignored.
    pub(crate) fn parse(raw: Option<&str>, names: &[&str]) -> Result<Self, Problem> {
        Self::parse_with(raw, names, false)
    }

    /// Does the same for an interface of somebody else, where unknown names pass.
    pub(crate) fn parse_known(raw: Option<&str>, names: &[&str]) -> Result<Self, Problem> {
        Self::parse_with(raw, names, true)
    }

    fn parse_with(
        raw: Option<&str>,
        names: &[&str],
        passes_unknown: bool,
    ) -> Result<Self, Problem> {
        let mut given: Vec<Parameter> = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).map_err(|problem| problem.for_parameter(name))?;
            if name.starts_with('_') || passes_unknown && !names.contains(&name.as_str()) {
                continue;
            }
            if !names.contains(&name.as_str()) {
                let (hint, all) = (hint(&name, names), names.join(", "));
                let detail = format!("unknown query name {name:?}; {hint}this request takes {all}");
                return Err(Problem::new(kinds::UNKNOWN_PARAMETER, detail).for_parameter(name));
            }
            let is_repeated = given.iter().any(|earlier| earlier.name == name);
            if is_repeated && !REPEATABLE.contains(&name.as_str()) {
                let detail = format!("{name:?} is given twice; give it once");
                return Err(Problem::new(Kind::BadParameter, detail).for_parameter(name));
            }
            let has_plus = value.contains('+');
            let value = decode(value).map_err(|problem| problem.for_parameter(name.as_str()))?;
            given.push(Parameter { name, value, has_plus });
        }
        Ok(Self(given))
    }

    /// Returns the value of `name`, if it is given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameter(name).map(|given| given.value.as_str())
    }

    fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|given| given.name == name)
    }

    /// Iterates over all values of `name`.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |given| given.name == name).map(|given| given.value.as_str())
    }

    /// Returns the value of `name` after `parse`, if it is given.
    pub(crate) fn read<T, E: tricast_core::Problem>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let Some(given) = self.parameter(name) else { return Ok(None) };
        parse(&given.value).map(Some).map_err(|error| {
            let hint =
                if given.has_plus { "; in a query + is a space, so write + as %2B" } else { "" };
            Problem::new(error.kind(), format!("{name}: {error}{hint}")).for_parameter(name)
        })
    }

    /// Reads one of two words, of which the first is the default. Returns `true` for the second.
    fn choice(&self, name: &str, [default, other]: [&str; 2]) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some(value) if value == default => Ok(false),
            Some(value) if value == other => Ok(true),
            Some(value) => {
                let detail = format!("{name} is {default} or {other}, not {value:?}");
                Err(Problem::new(Kind::BadParameter, detail).for_parameter(name))
            }
        }
    }

    /// Reads a boolean, `false` by default.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        self.choice(name, ["false", "true"])
    }

    /// Returns whether the format is raw, if the query says `format`.
    pub(crate) fn raw(&self) -> Result<Option<bool>, Problem> {
        let raw = self.choice("format", ["json", "raw"])?;
        Ok(self.get("format").map(|_| raw))
    }

    /// Returns whether the query says `heartbeat=event`.
    pub(crate) fn heartbeat_as_event(&self) -> Result<bool, Problem> {
        match self.get("heartbeat") {
            None => Ok(false),
            Some("event") => Ok(true),
            Some(value) => {
                let detail =
                    format!("heartbeat takes the value event, not {value:?}; or leave it out");
                Err(Problem::new(Kind::BadParameter, detail).for_parameter("heartbeat"))
            }
        }
    }

    /// Reads a number from `from` to `to`.
    pub(crate) fn number(
        &self,
        name: &str,
        from: usize,
        to: usize,
    ) -> Result<Option<usize>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if (from..=to).contains(&number) => Ok(Some(number)),
            _ => {
                let detail = format!("{name} is a number from {from} to {to}, not {text:?}");
                Err(Problem::new(Kind::BadParameter, detail).for_parameter(name))
            }
        }
    }
}

/// Returns what was probably meant by a name that a request does not take.
fn hint(name: &str, names: &[&str]) -> String {
    let is_count = ["limit", "count", "last", "tail", "n"].contains(&name);
    if is_count && names.contains(&"since") {
        return "since=5 asks for the newest 5 messages; ".to_owned();
    }
    let name = name.to_ascii_lowercase().replace('-', "_");
    let alike = |known: &str| strsim::jaro_winkler(&name, known);
    let closest = names.iter().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    let closest = closest.filter(|closest| alike(closest) > MIN_SIMILARITY);
    closest.map(|closest| format!("do you mean {closest}? ")).unwrap_or_default()
}

fn decode(text: &str) -> Result<String, Problem> {
    let bytes = text.as_bytes();
    let bad_escape = bytes.iter().enumerate().any(|(at, byte)| {
        let digits = bytes.get(at + 1..at + 3);
        *byte == b'%' && !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit))
    });
    if bad_escape {
        return Err(Problem::new(
            Kind::BadParameter,
            "in a query, two hex digits must follow each %; write % itself as %25",
        ));
    }
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(Problem::new(Kind::BadUtf8, "the query is not percent-encoded UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(raw: &str) -> Kind {
        Query::parse(Some(raw), &["a", "b"]).expect_err(raw).kind()
    }

    #[test]
    fn values_are_decoded_and_cache_busters_pass() {
        let query = Query::parse(Some("a=x%2By+z&_=1&&_t=%ff"), &["a", "b"]);
        assert_eq!(query.expect("reads").get("a"), Some("x+y z"));
    }

    #[test]
    fn a_plus_that_makes_a_value_invalid_is_explained() {
        let hint = |raw: &str| {
            let query = Query::parse(Some(raw), &["a"]).expect("reads");
            let problem = query.read("a", str::parse::<tricast_core::UserId>).expect_err("a space");
            format!("{problem:?}").contains("%2B")
        };
        assert!(hint("a=x+y"));
        assert!(!hint("a=x%20y"));
    }

    #[test]
    fn the_rest_is_refused() {
        assert_eq!(kind_of("c=1"), kinds::UNKNOWN_PARAMETER);
        assert_eq!(kind_of("a=1&a=1"), Kind::BadParameter);
        assert_eq!(kind_of("a=%f"), Kind::BadParameter);
        assert_eq!(kind_of("a=%ff"), Kind::BadUtf8);
    }

    #[test]
    fn booleans_and_numbers_are_exact() {
        let query = Query::parse(Some("a=1&b=07"), &["a", "b"]).expect("reads");
        assert!(query.flag("a").is_err());
        assert_eq!(query.number("b", 1, 9).ok(), Some(Some(7)));
        assert!(query.number("b", 1, 6).is_err());
    }
}
