//! The JSON document of a message: the same on every wire (PROTOCOL.md §2).

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};

use crate::{Data, Message};

/// Writes the document of `message` to `out`, always as one line.
pub fn write_document(message: &Message, out: &mut Vec<u8>) {
    use std::io::Write as _;

    out.reserve(message.draft.data.as_bytes().len() + 160);
    let _ = write!(
        out,
        "{{\"id\":\"{}\",\"channel\":\"{}\",\"event\":",
        message.id, message.draft.channel
    );
    write_string(message.event(), out);
    out.extend_from_slice(b",\"data\":");
    match &message.draft.data {
        Data::Json(json) => out.extend_from_slice(json.as_bytes()),
        Data::Text(text) => write_string(text, out),
        Data::Bytes(bytes) => {
            let _ =
                write!(out, "\"{}\",\"encoding\":\"base64\"", Base64Display::new(bytes, &STANDARD));
        }
    }
    if message.draft.end {
        out.extend_from_slice(b",\"end\":true");
    }
    if let Some(online) = message.online {
        let _ = write!(out, ",\"online\":{online}");
    }
    let _ = write!(out, ",\"time\":{}}}", message.time);
}

/// The data as text, as `format=raw` shows it on a wire that knows only text.
pub fn text_of(data: &Data) -> std::borrow::Cow<'_, str> {
    match data {
        Data::Json(text) | Data::Text(text) => text.into(),
        Data::Bytes(bytes) => STANDARD.encode(bytes).into(),
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}
