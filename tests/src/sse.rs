//! An event stream parser after WHATWG HTML §9.2.6, written for tests alone.

/// One dispatched event, or a block without data, which many decoders take for an empty event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dispatch {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) retry: Option<String>,
}

/// Takes the first whole block off `buffer`. The gateway ends lines with LF alone; a CR
/// from it would be a forged line end, and fails the test.
pub(crate) fn take_block(buffer: &mut Vec<u8>) -> Option<Dispatch> {
    let end = buffer.windows(2).position(|window| window == b"\n\n")?;
    let block: Vec<u8> = buffer.drain(..end + 2).collect();
    let text = String::from_utf8(block).expect("UTF-8");
    assert!(!text.contains('\r'), "{text:?}");
    let mut dispatch = Dispatch::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => {}
            "id" => dispatch.id = Some(value.to_owned()),
            "event" => dispatch.event = Some(value.to_owned()),
            "retry" => dispatch.retry = Some(value.to_owned()),
            "data" => match &mut dispatch.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => dispatch.data = Some(value.to_owned()),
            },
            other => panic!("unknown field {other:?}"),
        }
    }
    Some(dispatch)
}
