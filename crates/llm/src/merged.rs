//! A JSON document that grows by deltas, member for member, without reading what it says.
//!
//! Texts are joined as they are spelled: half of a surrogate pair at the end of one delta and the
//! other half at the beginning of the next are a character again, and numbers keep their digits.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::KeyGuard;

/// Texts that name something: they are told once, and some upstreams repeat them in each delta.
const NAMES: [&str; 4] = ["id", "name", "role", "type"];

/// The most levels of a delta.
const DEEPEST: usize = 64;

/// A value that deltas have built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    /// A text.
    Text {
        /// Its inside, as it is spelled.
        spelled: String,
        /// How much of it was searched for keys.
        searched: usize,
    },
    Object(Object),
    /// Elements that deltas name by their index.
    Indexed(Vec<(u64, Object)>),
    /// Elements as they came, joined by commas.
    List(String),
    /// Whatever else: the last one counts.
    Other(String),
}

/// The members of an object, in the order in which they came, by the spelling of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object(Vec<(String, Merged)>);

impl Object {
    /// Takes in a delta: the JSON of an object.
    ///
    /// # Errors
    /// When it, or an element of `tool_calls`, is not an object, or it is nested too deep.
    pub(crate) fn add(&mut self, delta: &RawValue) -> serde_json::Result<()> {
        check_depth(delta.get())?;
        self.add_checked(delta)
    }

    fn add_checked(&mut self, delta: &RawValue) -> serde_json::Result<()> {
        let Members(members) = serde_json::from_str(delta.get())?;
        members.into_iter().try_for_each(|(name, value)| self.add_member(name, value))
    }

    fn add_member(&mut self, name: String, value: &RawValue) -> serde_json::Result<()> {
        let raw = value.get();
        if raw == "null" || name == "index" {
            return Ok(());
        }
        let is_name = NAMES.contains(&name.as_str());
        // A text always serializes.
        let name = serde_json::to_string(&name).unwrap_or_default();
        let at = self.0.iter().position(|(known, _)| *known == name);
        let Some(at) = at else {
            let new = Merged::new(value)?;
            self.0.push((name, new));
            return Ok(());
        };
        match (&mut self.0[at].1, raw.as_bytes().first()) {
            (Merged::Text { spelled, .. }, Some(b'"')) if is_name && !spelled.is_empty() => {}
            (Merged::Text { spelled, .. }, Some(b'"')) => spelled.push_str(inside(raw)),
            (Merged::Object(object), Some(b'{')) => object.add_checked(value)?,
            (Merged::Indexed(elements), Some(b'[')) => add_elements(elements, value)?,
            (Merged::List(list), Some(b'[')) => {
                let more = inside(raw).trim();
                if !list.is_empty() && !more.is_empty() {
                    list.push(',');
                }
                list.push_str(more);
            }
            (known, _) => *known = Merged::new(value)?,
        }
        Ok(())
    }

    /// Whether it says something beside names and empty values.
    pub(crate) fn has_content(&self) -> bool {
        self.0.iter().any(|(name, value)| !NAMES.contains(&inside(name)) && value.has_content())
    }

    /// Returns the inside of the text with this name, as it is spelled.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| inside(known) == name)?;
        match value {
            Merged::Text { spelled, .. } => Some(spelled),
            _ => None,
        }
    }

    /// Searches for keys what has come since the last search; returns whether there is one.
    pub(crate) fn has_key(&mut self, guard: &KeyGuard) -> bool {
        self.0.iter_mut().any(|(_, value)| value.has_key(guard))
    }

    /// Takes off the ends of texts that may be the beginning of a key, as the same texts in `whole`
    /// end; [`append`](Self::append) puts them back.
    pub(crate) fn take_open_ends(&mut self, whole: &Object, guard: &KeyGuard) -> Object {
        let mut held = Object::default();
        for (name, value) in &mut self.0 {
            let known = whole.0.iter().find(|(known, _)| known == name);
            let end = known.and_then(|(_, whole)| value.take_open_end(whole, guard));
            held.0.extend(end.map(|end| (name.clone(), end)));
        }
        held
    }

    /// Adds what was taken off.
    pub(crate) fn append(&mut self, held: Object) {
        for (name, value) in held.0 {
            match self.0.iter().position(|(known, _)| *known == name) {
                Some(at) => self.0[at].1.append(value),
                None => self.0.push((name, value)),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that it occupies as JSON.
    pub(crate) fn length(&self) -> usize {
        let members = self.0.iter().map(|(name, value)| name.len() + 2 + value.length());
        2 + members.sum::<usize>()
    }

    /// Appends it as JSON.
    pub(crate) fn write(&self, json: &mut String) {
        self.write_open(json);
        json.push('}');
    }

    /// Appends it as JSON without the brace that ends it; returns whether it has members.
    fn write_open(&self, json: &mut String) -> bool {
        json.push('{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            json.extend([name, ":"]);
            value.write(json);
        }
        !self.0.is_empty()
    }
}

impl Merged {
    fn new(value: &RawValue) -> serde_json::Result<Self> {
        let raw = value.get();
        Ok(match raw.as_bytes().first() {
            Some(b'"') => Self::Text { spelled: inside(raw).to_owned(), searched: 0 },
            Some(b'{') => {
                let mut object = Object::default();
                object.add_checked(value)?;
                Self::Object(object)
            }
            Some(b'[') => {
                let mut elements = Vec::new();
                match is_indexed(value) {
                    true => add_elements(&mut elements, value).map(|()| Self::Indexed(elements))?,
                    false => Self::List(inside(raw).trim().to_owned()),
                }
            }
            _ => Self::Other(raw.to_owned()),
        })
    }

    fn has_content(&self) -> bool {
        match self {
            Self::Text { spelled: text, .. } | Self::List(text) => !text.is_empty(),
            Self::Object(object) => object.has_content(),
            // A call of a tool says something as soon as it has a name.
            Self::Indexed(elements) => !elements.is_empty(),
            Self::Other(_) => true,
        }
    }

    fn has_key(&mut self, guard: &KeyGuard) -> bool {
        match self {
            Self::Text { spelled, searched } => {
                let before = std::mem::replace(searched, spelled.len());
                guard.finds_in_growing(spelled, before)
            }
            Self::Object(object) => object.has_key(guard),
            Self::Indexed(elements) => elements.iter_mut().any(|(_, one)| one.has_key(guard)),
            // These came in one piece, and the piece was searched.
            Self::List(_) | Self::Other(_) => false,
        }
    }

    fn take_open_end(&mut self, whole: &Self, guard: &KeyGuard) -> Option<Self> {
        match (self, whole) {
            (Self::Text { spelled, .. }, Self::Text { spelled: whole, .. }) => {
                let open = guard.open_end(whole).min(spelled.len());
                let mut from = spelled.len() - open;
                while !spelled.is_char_boundary(from) {
                    from -= 1;
                }
                let end = spelled.split_off(from);
                (!end.is_empty()).then_some(Self::Text { spelled: end, searched: 0 })
            }
            (Self::Object(object), Self::Object(whole)) => {
                let held = object.take_open_ends(whole, guard);
                (!held.is_empty()).then_some(Self::Object(held))
            }
            (Self::Indexed(elements), Self::Indexed(whole)) => {
                let mut held = Vec::new();
                for (index, element) in elements {
                    let Some((_, whole)) = whole.iter().find(|(known, _)| known == index) else {
                        continue;
                    };
                    let end = element.take_open_ends(whole, guard);
                    held.extend((!end.is_empty()).then_some((*index, end)));
                }
                (!held.is_empty()).then_some(Self::Indexed(held))
            }
            _ => None,
        }
    }

    fn append(&mut self, held: Self) {
        match (self, held) {
            (Self::Text { spelled, .. }, Self::Text { spelled: end, .. }) => spelled.push_str(&end),
            (Self::Object(object), Self::Object(held)) => object.append(held),
            (Self::Indexed(elements), Self::Indexed(held)) => {
                for (index, end) in held {
                    match elements.iter_mut().find(|(known, _)| *known == index) {
                        Some((_, element)) => element.append(end),
                        None => elements.push((index, end)),
                    }
                }
            }
            (known, held) => *known = held,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Text { spelled: text, .. } | Self::List(text) => text.len() + 2,
            Self::Other(text) => text.len(),
            Self::Object(object) => object.length(),
            Self::Indexed(elements) => {
                elements.iter().map(|(_, element)| element.length() + 16).sum::<usize>() + 2
            }
        }
    }

    fn write(&self, json: &mut String) {
        match self {
            Self::Text { spelled, .. } => json.extend(["\"", spelled, "\""]),
            Self::List(list) => json.extend(["[", list, "]"]),
            Self::Other(other) => json.push_str(other),
            Self::Object(object) => object.write(json),
            Self::Indexed(elements) => {
                json.push('[');
                for (at, (index, element)) in elements.iter().enumerate() {
                    if at > 0 {
                        json.push(',');
                    }
                    let comma = if element.write_open(json) { "," } else { "" };
                    json.extend([comma, "\"index\":", &index.to_string(), "}"]);
                }
                json.push(']');
            }
        }
    }
}

/// Checks how deep the values of a JSON text are nested: each level is one of the stack, here and
/// wherever the document is read again.
fn check_depth(json: &str) -> serde_json::Result<()> {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(serde::de::Error::custom("a delta is nested too deep"));
        }
    }
    Ok(())
}

/// The members of an object, in their order.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Collect)
    }
}

#[derive(Deserialize)]
struct Index {
    index: Option<u64>,
}

/// Whether each element of a list says its place.
fn is_indexed(list: &RawValue) -> bool {
    let elements: serde_json::Result<Vec<Index>> = serde_json::from_str(list.get());
    elements.is_ok_and(|all| !all.is_empty() && all.iter().all(|one| one.index.is_some()))
}

/// Adds elements to those with the same index. One without an index is a new one.
fn add_elements(known: &mut Vec<(u64, Object)>, list: &RawValue) -> serde_json::Result<()> {
    let elements: Vec<&RawValue> = serde_json::from_str(list.get())?;
    for element in elements {
        let Index { index } = serde_json::from_str(element.get())?;
        let next = known.last().map_or(0, |(last, _)| last + 1);
        let index = index.unwrap_or(next);
        let at = known.partition_point(|(before, _)| *before < index);
        if known.get(at).is_none_or(|(found, _)| *found != index) {
            known.insert(at, (index, Object::default()));
        }
        known[at].1.add_checked(element)?;
    }
    Ok(())
}

/// What stands between the first and the last character of a text or a list.
fn inside(raw: &str) -> &str {
    &raw[1..raw.len() - 1]
}

#[cfg(test)]
#[path = "tests/merged.rs"]
mod tests;
