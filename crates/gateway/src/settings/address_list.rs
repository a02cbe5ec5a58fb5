//! Lists of addresses to listen on, as settings spell them.

use std::fmt;

use serde::{
    Deserializer,
    de::{SeqAccess, Visitor},
};

use tricast_net::Address;

/// Reads one address, or a list of them; an empty text counts as none.
pub(super) fn one_or_many<'de, D>(deserializer: D) -> Result<Vec<Address>, D::Error>
where
    D: Deserializer<'de>,
{
    struct OneOrMany;

    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address, or a list of them")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }

    let texts = deserializer.deserialize_any(OneOrMany)?;
    let addresses = texts.iter().filter(|text| !text.is_empty()).map(|text| text.parse());
    addresses.collect::<Result<_, String>>().map_err(serde::de::Error::custom)
}
