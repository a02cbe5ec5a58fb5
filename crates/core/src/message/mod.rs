//! Messages: their ids, names, data and senders, and how one is written as a JSON document.

pub(crate) mod client;
pub(crate) mod data;
pub(crate) mod document;
pub(crate) mod draft;
pub(crate) mod event;
pub(crate) mod id;
pub(crate) mod identity;
pub(crate) mod json_string;
pub(crate) mod memory;
pub(crate) mod publisher;
pub(crate) mod user;
