//! Errors of single values, in the words of gateway.toml. The library would name Rust's types.

use toml::{Table, Value};

use crate::settings::key_path::TABLE_LISTS;

/// A value that its key does not take.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueError<'a> {
    /// The path of the key, as in `namespace[0].subscribe`.
    pub(super) key: &'a str,
    pub(super) found: Option<&'a Value>,
    pub(super) is_variable: bool,
    /// The value may be a secret, and is not shown.
    pub(super) is_hidden: bool,
}

/// What a key takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    Time,
    /// A whole number, and the largest one if the key has a limit.
    Count(Option<u32>),
    Size,
    Boolean,
    Text,
    Path,
    SocketAddress,
    Addresses,
    List,
    Table,
    Words(Vec<String>),
}

impl Expected {
    /// Reads what the library expected from its message.
    pub(super) fn of(message: &str) -> Option<Self> {
        // The message of std has no value.
        if message == "invalid socket address syntax" {
            return Some(Self::SocketAddress);
        }
        let named = ["invalid type: ", "invalid value: ", "unknown variant "];
        let rest = named.iter().find_map(|name| message.strip_prefix(name))?;
        let (_, expected) = rest.rsplit_once(", expected ")?;
        Some(match expected {
            "a duration" => Self::Time,
            "usize" | "u64" => Self::Count(None),
            "u32" => Self::Count(Some(u32::MAX)),
            "an integer or string" | "parsable string" | "integer overflow" => Self::Size,
            "a boolean" => Self::Boolean,
            "a string" => Self::Text,
            "path string" => Self::Path,
            "socket address" => Self::SocketAddress,
            "an address, or a list of them" => Self::Addresses,
            "a sequence" => Self::List,
            "a map" => Self::Table,
            of_struct if of_struct.starts_with("struct ") => Self::Table,
            words => {
                let words: Vec<_> =
                    words.split('`').skip(1).step_by(2).map(str::to_owned).collect();
                return Some(words).filter(|words| !words.is_empty()).map(Self::Words);
            }
        })
    }
}

impl ValueError<'_> {
    /// Says what is wrong with the value of a key that takes `expected`, and what to write.
    pub(super) fn describe(&self, expected: &Expected) -> String {
        let wanted = self.wanted(expected);
        let (number, text) = match self.found {
            Some(Value::Integer(number)) => (Some(number.to_string()), None),
            Some(Value::String(text)) => {
                (Some(text.clone()).filter(|it| is_digits(it)), Some(text))
            }
            _ => (None, None),
        };
        match (expected, number) {
            _ if self.is_variable && text.is_some_and(String::is_empty) => {
                format!("it is empty; write {wanted}, or unset the variable")
            }
            (Expected::Time, Some(_)) if self.is_hidden => {
                format!("the value has no unit; write {wanted}")
            }
            (Expected::Time, Some(number)) if is_digits(&number) => {
                format!("{number} has no unit; write {}", self.quoted(&format!("{number}s")))
            }
            _ => format!("{} is not valid here; write {wanted}", self.shown()),
        }
    }

    /// Says what to write.
    fn wanted(&self, expected: &Expected) -> String {
        // Numbers and booleans that somebody has put in quotes.
        let is_quoted = !self.is_variable && matches!(self.found, Some(Value::String(_)));
        let bare = if is_quoted { ", without quotes" } else { "" };
        let quoted = |text: &str| self.quoted(text);
        match expected {
            Expected::Time => format!("a number and its unit, as in {}", quoted("15s")),
            Expected::Count(None) => format!("a whole number from 0{bare}"),
            Expected::Count(Some(max)) => format!("a whole number from 0 to {max}{bare}"),
            Expected::Size => format!("a number of bytes, or a size as in {}", quoted("64KiB")),
            Expected::Boolean => format!("true or false{bare}"),
            Expected::Text => "text in quotes".to_owned(),
            Expected::Path => "a path in quotes".to_owned(),
            Expected::SocketAddress => {
                format!("an IP address and a port, as in {}", quoted("127.0.0.1:9464"))
            }
            Expected::Addresses => {
                format!("an IP address and a port, as in {}, or a list", quoted("127.0.0.1:8080"))
            }
            Expected::List if TABLE_LISTS.contains(&self.key) => {
                format!("[[{}]] and its keys below it; gateway.toml has an example", self.key)
            }
            Expected::List => format!("a list, as in {}", list_example(self.key)),
            Expected::Table => {
                let table = table_example(self.key);
                let (what, example) = match self.is_variable {
                    true => ("a list of tables", format!("[{table}]")),
                    false => ("keys and values in braces", table.to_owned()),
                };
                format!("{what}, as in {example}; gateway.toml has examples")
            }
            Expected::Words(words) => {
                let words: Vec<_> = words.iter().map(|word| self.quoted(word)).collect();
                match &words[..] {
                    [] => String::new(),
                    [only] => only.clone(),
                    [most @ .., last] => format!("{} or {last}", most.join(", ")),
                }
            }
        }
    }

    /// Quotes text as it has to be written: gateway.toml needs quotes, and a variable has none.
    fn quoted(&self, text: &str) -> String {
        if self.is_variable { text.to_owned() } else { format!("\"{text}\"") }
    }

    fn shown(&self) -> String {
        match self.found {
            _ if self.is_hidden => "the value".to_owned(),
            None => "the value".to_owned(),
            Some(Value::String(text)) => format!("{:?}", text.chars().take(60).collect::<String>()),
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Float(number)) => number.to_string(),
            Some(Value::Boolean(flag)) => flag.to_string(),
            Some(Value::Datetime(date)) => date.to_string(),
            Some(Value::Array(_)) => "a list".to_owned(),
            Some(Value::Table(_)) => "a table".to_owned(),
        }
    }
}

/// Returns an example of the list that `key` takes, as in gateway.toml.
pub(super) fn list_example(key: &str) -> String {
    if TABLE_LISTS.contains(&key) {
        return format!("[{}]", table_example(key));
    }
    let item = match key {
        "bind" => "127.0.0.1:8080",
        "tls.bind" => "0.0.0.0:8443",
        "admin.hosts" => "tricast.internal",
        "cors.origins" => "https://app.example",
        "events.on" => "connected",
        "hook.headers" => "cookie",
        "hook.on" => "connect",
        "proxy.trusted" => "10.0.0.0/8",
        _ if key.ends_with(".models") => "fast",
        _ if [".publish", ".subscribe", ".prompt"].iter().any(|end| key.ends_with(end)) => {
            "orders.*"
        }
        _ => return "[\"a\", \"b\"]".to_owned(),
    };
    format!("[\"{item}\"]")
}

/// Returns an example of the table that `key` takes.
fn table_example(key: &str) -> &'static str {
    if key.starts_with("namespace") && key.ends_with(".history") {
        return "{ messages = 50, age = \"5m\" }";
    }
    match key.split('[').next() {
        Some("namespace") => "{ pattern = \"news.*\" }",
        Some("llm") => "{ name = \"main\", url = \"https://llm.example/v1\" }",
        Some("tokens.keys") => "{ algorithm = \"RS256\", file = \"public.pem\" }",
        _ => "{ name = \"shop\", hash = \"sha256:...\" }",
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Returns the key of a date, if there is one: no key takes a date, but the library would read it
/// as text.
pub(super) fn key_of_date(table: &Table) -> Option<String> {
    fn search(value: &Value, key: String) -> Option<String> {
        match value {
            Value::Datetime(_) => Some(key),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.into_iter().find_map(|(at, item)| search(item, format!("{key}[{at}]")))
            }
            Value::Table(table) => {
                table.iter().find_map(|(name, value)| search(value, format!("{key}.{name}")))
            }
            _ => None,
        }
    }
    table.iter().find_map(|(name, value)| search(value, name.clone()))
}
