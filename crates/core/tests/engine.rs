//! The engine trait supports a durable, clustered engine: one store, several nodes that are fed
//! only the channels occupied there, messages that arrive out of order, and rings filled from the
//! store.

mod probe;

use std::{
    collections::{BTreeMap, HashMap},
    future::ready,
    sync::{Arc, Mutex, Weak},
};

use probe::{Frame, Reader};
use tricast_core::{
    ChannelName, Draft, Engine, EngineFuture, Hub, Log, OlderMessages, Receipt, Seq, Start, Stored,
};

/// The store that all nodes share: every message ever published, in order.
#[derive(Default)]
struct Store {
    messages: Mutex<Vec<Stored>>,
    nodes: Mutex<Vec<Weak<Node>>>,
}

/// One node's engine.
struct Node {
    store: Arc<Store>,
    log: Arc<Log>,
    state: Mutex<NodeState>,
}

#[derive(Default)]
struct NodeState {
    feeds: HashMap<ChannelName, usize>,
    /// Messages that have arrived, but a lower seq is still missing.
    early: BTreeMap<Seq, Stored>,
    watermark: Seq,
}

impl Store {
    fn node(self: &Arc<Self>) -> (Arc<Node>, Arc<Hub>) {
        let log = Arc::new(Log::new(probe::epoch(), probe::limits()));
        let node = Node { store: self.clone(), log: log.clone(), state: Mutex::default() };
        let node = Arc::new(node);
        self.nodes.lock().expect("lock").push(Arc::downgrade(&node));
        let hub = probe::hub(log, node.clone());
        (node, hub)
    }

    /// Delivers these messages to every node, in this order.
    fn arrive(&self, seqs: &[Seq]) {
        let messages = self.messages.lock().expect("lock").clone();
        for node in self.nodes.lock().expect("lock").iter().filter_map(Weak::upgrade) {
            seqs.iter().for_each(|seq| node.receive(messages[*seq as usize - 1].clone()));
        }
    }

    fn last_of(&self, channel: &ChannelName, until: Seq) -> Seq {
        let messages = self.messages.lock().expect("lock");
        let of = messages.iter().filter(|m| m.draft.channel == *channel && m.seq <= until);
        of.map(|m| m.seq).max().unwrap_or(0)
    }
}

impl Node {
    fn receive(&self, stored: Stored) {
        let mut state = self.state.lock().expect("lock");
        state.early.insert(stored.seq, stored);
        loop {
            let next = state.watermark + 1;
            let Some(stored) = state.early.remove(&next) else { return };
            state.watermark = next;
            if state.feeds.contains_key(&stored.draft.channel) {
                self.log.accept(stored).expect("a slot").announce();
            } else {
                self.log.advance(next);
            }
        }
    }
}

impl Engine for Node {
    fn append(&self, draft: Draft) -> EngineFuture<'_, Receipt> {
        let mut messages = self.store.messages.lock().expect("lock");
        let seq = messages.len() as Seq + 1;
        messages.push(Stored { seq, time: 1, online: Some(0), draft });
        Box::pin(ready(Ok(Receipt { id: probe::id(seq), subscribers: 0, duplicate: false })))
    }

    fn open_feed<'a>(&'a self, channel: &'a ChannelName) -> EngineFuture<'a, ()> {
        let mut state = self.state.lock().expect("lock");
        let count = state.feeds.entry(channel.clone()).or_default();
        *count += 1;
        if *count == 1 {
            let floor = self.store.last_of(channel, state.watermark);
            self.log.invalidate_up_to(channel, floor).expect("a slot");
        }
        Box::pin(ready(Ok(())))
    }

    fn close_feed(&self, channel: &ChannelName) {
        let mut state = self.state.lock().expect("lock");
        let count = state.feeds.get_mut(channel).expect("a feed is open");
        *count -= 1;
        if *count == 0 {
            state.feeds.remove(channel);
        }
    }

    fn history<'a>(
        &'a self,
        channel: &'a ChannelName,
        after: Seq,
        until: Seq,
    ) -> EngineFuture<'a, Option<OlderMessages>> {
        let messages = self.store.messages.lock().expect("lock");
        let wanted = |m: &&Stored| m.draft.channel == *channel && m.seq > after && m.seq <= until;
        let messages = messages.iter().filter(wanted).cloned().collect();
        Box::pin(ready(Ok(Some(OlderMessages { messages, floor: after }))))
    }
}

fn publish(hub: &Hub, names: &[&str]) {
    for name in names {
        probe::publish(hub, probe::draft(name, None, false, false));
    }
}

fn seqs(frames: &[Frame]) -> Vec<Seq> {
    let seq = |frame: &Frame| match frame {
        Frame::Message { seq, .. } => Some(*seq),
        _ => None,
    };
    assert!(!frames.iter().any(|frame| matches!(frame, Frame::Gap { .. })), "{frames:?}");
    frames.iter().filter_map(seq).collect()
}

#[test]
fn messages_that_arrive_out_of_order_are_delivered_in_order_on_every_node() {
    let store = Arc::<Store>::default();
    let ((_a, hub_a), (_b, hub_b)) = (store.node(), store.node());
    let mut readers =
        [&hub_a, &hub_b].map(|hub| Reader::join(hub, &["a"], 0, Start::Latest).expect("joins"));
    publish(&hub_a, &["a", "b", "a"]);
    publish(&hub_b, &["a"]);
    for reader in &mut readers {
        assert_eq!(reader.drain().len(), 1, "only hello: acknowledged is not yet delivered");
    }
    store.arrive(&[3, 1]);
    for reader in &mut readers {
        assert_eq!(seqs(&reader.drain()), [1], "3 waits for 2, which may be of this channel");
    }
    store.arrive(&[4, 2]);
    for reader in &mut readers {
        assert_eq!(seqs(&reader.drain()), [3, 4]);
        assert_eq!(reader.session.position(), probe::id(4));
    }
}

#[test]
fn a_cold_ring_is_filled_from_the_store() {
    let store = Arc::<Store>::default();
    let ((_a, hub_a), (b, hub_b)) = (store.node(), store.node());
    publish(&hub_a, &["a", "b", "a"]);
    store.arrive(&[1, 2, 3]);
    let start = Start::After(probe::id(0));
    let mut reader = Reader::join(&hub_b, &["a", "b"], 0, start).expect("joins");
    assert_eq!(seqs(&reader.drain()), [1, 2, 3]);
    // The reader leaves, misses messages, and returns: the ring has missed them too.
    drop(reader);
    assert!(b.state.lock().expect("lock").feeds.is_empty(), "no subscriber, no feed");
    publish(&hub_a, &["a", "b"]);
    store.arrive(&[4, 5]);
    let start = Start::After(probe::id(2));
    let mut reader = Reader::join(&hub_b, &["a"], 0, start).expect("joins");
    assert_eq!(seqs(&reader.drain()), [3, 4]);
    publish(&hub_b, &["a"]);
    store.arrive(&[6]);
    assert_eq!(seqs(&reader.drain()), [6]);
}
