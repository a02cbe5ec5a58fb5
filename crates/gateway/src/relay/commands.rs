//! The commands `prompt` and `cancel` of WebSockets.

use std::{any::Any, sync::Arc};

use tricast_admission::Pass;
use tricast_core::{Access, Kind};
use tricast_llm::{ChatRequest, Face};
use tricast_ws::{Cancelled, PromptCommand, PromptContent, PromptFuture, Prompted, Prompts};

use crate::{
    http::{kinds, problem::Problem},
    relay::{Asked, Relay, hash_of},
};

impl Prompts for Relay {
    fn prompt(
        &self,
        access: Arc<dyn Access>,
        command: PromptCommand,
    ) -> PromptFuture<'_, Prompted> {
        Box::pin(async move {
            let pass = pass_of(access)?;
            let asked = self.asked(command)?;
            let started = self.start(&pass, asked).await.map_err(Problem::into_parts)?;
            // Nothing streams it to this command, so there is nothing to leave.
            started.listening.detach();
            Ok(Prompted { run: started.run.to_string(), channel: started.channel })
        })
    }

    fn cancel(&self, access: Arc<dyn Access>, run: String) -> PromptFuture<'_, Cancelled> {
        Box::pin(async move {
            let pass = pass_of(access)?;
            let status = self.begin_cancel(&pass, &run).map_err(Problem::into_parts)?;
            Ok(Cancelled { run, status })
        })
    }
}

impl Relay {
    fn asked(&self, command: PromptCommand) -> Result<Asked, (Kind, String)> {
        let PromptCommand { channel, model, content, id } = command;
        let bytes = match &content {
            PromptContent::Text(text) => text.len(),
            PromptContent::Request(request) => request.get().len(),
        };
        let most = self.settings.prompt_bytes.as_u64();
        if bytes as u64 > most {
            let detail = format!("the prompt is above relay.prompt_bytes, {most}; send less");
            return Err((Kind::TooLarge, detail));
        }
        let (mut request, body_hash) = match content {
            PromptContent::Text(text) => {
                (ChatRequest::of_text(&text), hash_of(text.as_bytes(), model.as_deref()))
            }
            PromptContent::Request(request) => {
                let body = request.get().as_bytes();
                let parsed = ChatRequest::parse(body);
                let parsed = parsed.map_err(|error| (kinds::BAD_PROMPT, error.to_string()))?;
                (parsed, hash_of(body, model.as_deref()))
            }
        };
        if let Some(model) = model {
            request.set_model(&model);
        }
        Ok(Asked {
            channel,
            request,
            idempotency: id,
            body_hash,
            is_repeat: None,
            busy: None,
            leave: None,
            face: Face::WebSocket,
        })
    }
}

/// Returns the pass that this gateway has given to the connection.
fn pass_of(access: Arc<dyn Access>) -> Result<Arc<Pass>, (Kind, String)> {
    let access: Arc<dyn Any + Send + Sync> = access;
    access
        .downcast()
        .map_err(|_| (Kind::Forbidden, "this connection has no rights to prompt".to_owned()))
}
