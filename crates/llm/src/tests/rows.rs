//! The rows of the table of outcomes.

use std::time::Duration;

use serde_json::json;

use crate::world::{Call, Plan, Step, delta, done, event, finish, text};

/// What a row does beside waiting for the end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Wait,
    /// Cancels the run after so many milliseconds.
    CancelAt(u64),
    /// Makes a prompt that waits behind the first one, and cancels it while it does.
    CancelQueued,
    /// Makes a second prompt that waits, and looks at the calls while it does.
    Queue,
    /// Nobody listens, and the run has a starter of this kind.
    Orphan {
        is_backend: bool,
        has_listener: bool,
    },
}

pub(super) struct Row {
    pub(super) seen: &'static str,
    pub(super) plan: Plan,
    pub(super) choices: u32,
    pub(super) act: Act,
    /// How it ends: `complete`, `cancelled` and by what, or the type of the error.
    pub(super) outcome: &'static str,
    pub(super) calls: usize,
    pub(super) text: &'static str,
}

fn row(
    seen: &'static str,
    calls: Vec<Call>,
    outcome: &'static str,
    called: usize,
    text: &'static str,
) -> Row {
    let plan = Plan::new(calls);
    Row { seen, plan, choices: 1, act: Act::Wait, outcome, calls: called, text }
}

impl Row {
    fn with_act(self, act: Act) -> Self {
        Self { act, ..self }
    }

    fn with_choices(self, choices: u32) -> Self {
        Self { choices, ..self }
    }

    fn with_spare(mut self, calls: Vec<Call>) -> Self {
        self.plan.spare = Some(calls);
        self
    }

    fn with_plan(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.plan);
        self
    }
}

fn stream(steps: Vec<Step>) -> Call {
    Call::Stream(steps)
}

fn raw(text: &str) -> Step {
    Step::Bytes(text.to_owned())
}

fn pause(seconds: u64) -> Step {
    Step::Pause(Duration::from_secs(seconds))
}

fn role() -> Step {
    delta(0, &json!({"role": "assistant", "content": ""}), None)
}

fn comment() -> Step {
    raw(": still here\n\n")
}

fn good() -> Call {
    stream(vec![role(), text("Hello"), finish(), done()])
}

/// The table of what is an end.
fn ends() -> Vec<Row> {
    let error = || event(&json!({"error": {"message": "overloaded", "code": "busy"}}));
    vec![
        row("a finish and [DONE]", vec![good()], "complete", 1, "Hello"),
        row("a finish and the end", vec![stream(vec![text("a"), finish()])], "complete", 1, "a"),
        row(
            "a finish and a cut",
            vec![stream(vec![text("a"), finish(), Step::Cut])],
            "complete",
            1,
            "a",
        ),
        row("[DONE] without a finish", vec![stream(vec![text("a"), done()])], "truncated", 1, "a"),
        row("an end without a finish", vec![stream(vec![text("a")])], "truncated", 1, "a"),
        row("a cut", vec![stream(vec![text("a"), Step::Cut])], "cut", 1, "a"),
        row(
            "a cut inside the event that finishes",
            vec![stream(vec![
                text("a"),
                raw(
                    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n",
                ),
                Step::Cut,
            ])],
            "cut",
            1,
            "a",
        ),
        row(
            "one of two choices finished",
            vec![stream(vec![
                text("a"),
                finish(),
                delta(1, &json!({"content": "b"}), None),
                done(),
            ])],
            "truncated",
            1,
            "a",
        )
        .with_choices(2),
        row("an error in the stream", vec![stream(vec![text("a"), error()])], "upstream", 1, "a"),
        row("an error before content", vec![stream(vec![role(), error()])], "upstream", 1, ""),
        row(
            "an error as plain JSON",
            vec![stream(vec![text("a"), raw("{\"error\":{\"message\":\"x\"}}\n")])],
            "upstream",
            1,
            "a",
        ),
    ]
}

/// The table of what is no answer.
fn nonsense() -> Vec<Row> {
    let whole = json!({"choices": [{
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"},
    }]});
    vec![
        row("no JSON", vec![stream(vec![text("a"), raw("data: <html>\n\n")])], "malformed", 1, "a"),
        row(
            "a page in place of a stream",
            vec![stream(vec![raw("<html>\n\n")]); 3],
            "truncated",
            3,
            "",
        ),
        row("an endless line", vec![stream(vec![raw(&"x".repeat(2 << 20))])], "malformed", 1, ""),
        row(
            "an answer that is too long",
            vec![stream(vec![text("a"), text(&"b".repeat(300 << 10)), finish()])],
            "too-long",
            1,
            "a",
        ),
        row("one document", vec![Call::Whole(whole.to_string())], "complete", 1, "Hello"),
        row(
            "the gateway's own key",
            vec![stream(vec![text("it is canary-"), text("0123456789"), finish()])],
            "key",
            1,
            "",
        ),
        row("half a document", vec![Call::Whole("{\"choices\":[".to_owned())], "malformed", 1, ""),
    ]
}

/// The table of waits that are too long, and of those that are not.
fn silences() -> Vec<Row> {
    vec![
        row("silence after content", vec![stream(vec![text("a"), Step::Hang])], "stalled", 1, "a"),
        row(
            "comments, and then content",
            vec![stream(vec![
                text("a"),
                pause(50),
                comment(),
                pause(50),
                comment(),
                pause(50),
                text("b"),
                finish(),
            ])],
            "complete",
            1,
            "ab",
        ),
        row("no head", vec![Call::NoHead], "slow", 1, ""),
        row("a head and nothing", vec![stream(vec![role(), Step::Hang])], "slow", 1, ""),
        row(
            "comments and no content",
            vec![stream(vec![
                pause(50),
                comment(),
                pause(50),
                comment(),
                pause(50),
                text("b"),
                finish(),
            ])],
            "slow",
            1,
            "",
        ),
        row(
            "a slow first token",
            vec![stream(vec![pause(100), text("a"), finish()])],
            "complete",
            1,
            "a",
        ),
        row(
            "words for ever",
            vec![stream((0..100).flat_map(|_| [pause(30), text("a")]).collect())],
            "timeout",
            1,
            "aaaaaaaaa",
        )
        .with_plan(|plan| plan.upstream.total = Duration::from_secs(290)),
    ]
}

/// The table of answers that are refusals.
fn refusals() -> Vec<Row> {
    vec![
        row("a redirect", vec![Call::Status(307, None, "")], "redirect", 1, ""),
        row(
            "a refusal of the key",
            vec![Call::Status(401, None, "{\"error\":\"bad key of org-7\"}")],
            "misconfigured",
            1,
            "",
        ),
        row(
            "a refusal of the request",
            vec![Call::Status(400, None, "{\"error\":{\"message\":\"no\"}}")],
            "rejected",
            1,
            "",
        ),
    ]
}

/// The table of retries and stand-ins.
fn retries() -> Vec<Row> {
    let busy = |after| Call::Status(429, after, "{\"error\":{\"message\":\"slow down\"}}");
    let second = Some(Duration::from_secs(20));
    vec![
        row("no connection once", vec![Call::Unreachable, good()], "complete", 2, "Hello"),
        row("no connection", vec![Call::Unreachable; 3], "unreachable", 3, ""),
        row("a reset before the head", vec![Call::CutBefore, good()], "complete", 2, "Hello"),
        row(
            "a reset before content",
            vec![stream(vec![role(), Step::Cut]), good()],
            "complete",
            2,
            "Hello",
        ),
        row("an empty body", vec![stream(vec![]), good()], "complete", 2, "Hello"),
        row("the role and an end", vec![stream(vec![role()]), good()], "complete", 2, "Hello"),
        row(
            "503 twice",
            vec![Call::Status(503, None, ""), Call::Status(500, None, ""), good()],
            "complete",
            3,
            "Hello",
        ),
        row("429 for good", vec![busy(None), busy(None), busy(None)], "upstream", 3, ""),
        row("429 for later", vec![busy(second), good()], "complete 20", 2, "Hello"),
        row("429 for tomorrow", vec![busy(Some(Duration::from_secs(86_400)))], "upstream", 1, ""),
        row("a cut after content", vec![stream(vec![text("a"), Step::Cut]), good()], "cut", 1, "a"),
        row("a stand-in", vec![Call::Unreachable; 3], "complete", 4, "Hello")
            .with_spare(vec![good()]),
        row("no head and a stand-in", vec![Call::NoHead], "complete", 2, "Hello")
            .with_spare(vec![good()]),
        row("a bad request and a stand-in", vec![Call::Status(422, None, "")], "rejected", 1, "")
            .with_spare(vec![good()]),
        row(
            "a cut after content, and a stand-in",
            vec![stream(vec![text("a"), Step::Cut])],
            "cut",
            1,
            "a",
        )
        .with_spare(vec![good()]),
        row(
            "no key there, and a stand-in",
            vec![Call::Status(403, None, "")],
            "complete",
            2,
            "Hello",
        )
        .with_spare(vec![good()]),
    ]
}

/// The table of states in which a run is cancelled, and of who listens.
fn cancels() -> Vec<Row> {
    let slow = || stream(vec![role(), pause(2), text("a"), pause(2), text("b"), finish(), done()]);
    let orphan = |is_backend, has_listener| Act::Orphan { is_backend, has_listener };
    vec![
        row("a cancel at once", vec![slow()], "cancelled user", 1, "").with_act(Act::CancelAt(0)),
        row("a cancel without a head", vec![Call::NoHead], "cancelled user", 1, "")
            .with_act(Act::CancelAt(500)),
        row("a cancel before a retry", vec![Call::Unreachable], "cancelled user", 1, "")
            .with_act(Act::CancelAt(100)),
        row("a cancel before content", vec![slow()], "cancelled user", 1, "")
            .with_act(Act::CancelAt(500)),
        row("a cancel in the answer", vec![slow()], "cancelled user", 1, "a")
            .with_act(Act::CancelAt(3000)),
        row("a cancel after the end", vec![slow()], "complete", 1, "ab")
            .with_act(Act::CancelAt(9000)),
        row("a cancel while it waits", vec![slow()], "cancelled user", 1, "")
            .with_act(Act::CancelQueued),
        row("a prompt that waits", vec![slow(), slow()], "complete", 2, "ab").with_act(Act::Queue),
        row("nobody listens", vec![slow()], "cancelled orphan", 1, "a")
            .with_act(orphan(false, false)),
        row("somebody listens", vec![slow()], "complete", 1, "ab").with_act(orphan(false, true)),
        row("nobody listens to a backend", vec![slow()], "complete", 1, "ab")
            .with_act(orphan(true, false)),
    ]
}

/// All rows.
pub(super) fn table() -> Vec<Row> {
    [ends(), nonsense(), silences(), refusals(), retries(), cancels()]
        .into_iter()
        .flatten()
        .collect()
}
