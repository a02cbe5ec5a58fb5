//! The interface of OpenAI, for its SDKs and what is made for them: `/v1/chat/completions` and
//! `/v1/models`. It is lenient where OpenAI is: unknown query parameters and members pass.

pub(crate) mod completions;
pub(crate) mod error;
pub(crate) mod models;
mod reading;
mod request;

pub(crate) use reading::completion;
