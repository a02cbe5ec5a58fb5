//! The front door: what a program that embeds the crate relies on.

mod probe;

use std::{
    future::{Future, poll_fn, ready},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{Either, join, select},
};
use tokio::time::{sleep, timeout};
use tricast_core::{
    Access, AccessFuture, Action, AllowAll, Bounds, ChannelName, ChannelRules, CloseReason,
    Control, Data, Denied, Draft, Flow, FlowStep, Format, Framing, Hub, Identity, Join, Kind,
    Limits, Message, MessageId, PresenceConfig, Session, SessionConfig, Start, StreamAborted,
    Variant, Wire,
};

/// The data alone, with no way to report a gap.
#[derive(Debug)]
struct DataOnly;

impl Format for DataOnly {
    fn variant(&self) -> Variant {
        Variant { wire: Wire::Chunked, raw: true, framing: Framing::Plain }
    }

    fn message(&self, message: &Message, _: bool) -> Bytes {
        Bytes::copy_from_slice(message.draft.data.as_bytes())
    }

    fn control(&self, _: &Control) -> Option<Bytes> {
        None
    }

    fn heartbeat(&self, _: MessageId) -> Option<Bytes> {
        None
    }

    fn reports_gaps(&self) -> bool {
        false
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let in_time = async { timeout(Duration::from_secs(20), work).await.expect("in time") };
    runtime.expect("a runtime").block_on(in_time)
}

async fn flow(hub: &Arc<Hub>, start: Start) -> Flow {
    let identity = Identity::unverified(None, None);
    let join = Join::new([probe::channel("a")], identity, Wire::Chunked).with_start(start);
    let joined = hub.join(join).await.expect("joins");
    let config = Arc::new(SessionConfig::default());
    Flow::new(Session::new(joined, &DataOnly, Arc::new(AllowAll), config))
}

fn text(text: &str) -> Draft {
    Draft::new(probe::channel("a"), Data::Text(text.to_owned()))
}

#[test]
fn a_flow_is_a_stream_of_what_is_published_until_the_channel_ends() {
    let hub = probe::memory_hub(Limits::default());
    let received = block_on(async {
        let flow = flow(&hub, Start::Latest).await;
        let publisher = async {
            for part in ["one ", "two ", "three"] {
                hub.publish(text(part).with_end(part == "three")).await.expect("publishes");
                sleep(Duration::from_millis(5)).await;
            }
        };
        let (received, ()) = join(flow.collect::<Vec<_>>(), publisher).await;
        received.into_iter().collect::<Result<Vec<_>, _>>().expect("ends well").concat()
    });
    assert_eq!(received, b"one two three");
}

#[test]
fn a_stream_that_cannot_report_a_gap_ends_with_an_error() {
    let hub = probe::memory_hub(probe::tight(1, 1 << 20, 100));
    block_on(async {
        for part in ["lost", "kept"] {
            hub.publish(text(part)).await.expect("publishes");
        }
        let mut flow = flow(&hub, Start::After(probe::id(0))).await;
        assert_eq!(flow.next().await, Some(Err(StreamAborted)));
    });
}

#[test]
fn each_step_of_a_flow_is_one_that_a_server_acts_on() {
    let hub = probe::memory_hub(Limits::default());
    block_on(async {
        hub.publish(text("x").with_end(true)).await.expect("publishes");
        let mut flow = flow(&hub, Start::Earliest).await;
        let step = poll_fn(|cx| flow.poll_step(cx)).await;
        assert_eq!(step, FlowStep::End(CloseReason::Ended));
        assert_eq!(flow.next_chunk().as_deref(), Some(&b"x"[..]));
        assert_eq!(flow.next_chunk(), None);
        assert!(!flow.breaks_off(CloseReason::Ended) && flow.breaks_off(CloseReason::Gap));
    });
}

#[test]
fn a_running_hub_sweeps_and_writes_presence() {
    let history = Bounds::default().with_age(Duration::from_millis(1));
    let rules = ChannelRules::default().with_history(history).with_presence(true);
    let hub = probe::memory_hub(Limits::default().with_rules(rules));
    block_on(async {
        hub.publish(text("old")).await.expect("publishes");
        let identity = Identity::unverified(None, "alice".parse().ok());
        let join = Join::new([probe::channel("a")], identity, Wire::Sse);
        let _joined = hub.join(join).await.expect("joins");
        let written = || hub.log().head().seq > 1;
        assert!(!written());
        let run = hub.clone().run(PresenceConfig::default());
        let seen = async {
            while hub.log().stats().messages > 0 || !written() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(matches!(select(pin!(run), pin!(seen)).await, Either::Right(_)), "both were seen");
    });
}

/// Forbids everything, and ends at once.
#[derive(Debug)]
struct Nothing;

impl Access for Nothing {
    fn check_rules(&self, _: Action, _: &ChannelName) -> Result<(), Denied> {
        Err(Denied::new(Kind::Forbidden, "no"))
    }

    fn consume_rate(&self, _: &ChannelName, _: usize) -> Result<(), Denied> {
        Ok(())
    }

    fn ask_external<'a>(
        &'a self,
        _: Action,
        _: &'a ChannelName,
        _: Option<usize>,
    ) -> Option<AccessFuture<'a, ()>> {
        None
    }

    fn renew(self: Arc<Self>, _: String) -> AccessFuture<'static, Arc<dyn Access>> {
        Box::pin(ready(Ok(self as Arc<dyn Access>)))
    }

    fn record_denial(&self, _: Action, _: &ChannelName, _: &Denied) {}

    fn expires(&self) -> Option<u64> {
        Some(0)
    }
}

#[test]
fn a_session_ends_with_the_access_that_it_was_given() {
    let hub = probe::memory_hub(Limits::default());
    block_on(async {
        let identity = Identity::unverified(None, None);
        let join = Join::new([probe::channel("a")], identity, Wire::Chunked);
        let joined = hub.join(join).await.expect("joins");
        let config = Arc::new(SessionConfig::default());
        let mut flow = Flow::new(Session::new(joined, &DataOnly, Arc::new(Nothing), config));
        let step = poll_fn(|cx| flow.poll_step(cx)).await;
        assert_eq!(step, FlowStep::End(CloseReason::Expired));
    });
}
