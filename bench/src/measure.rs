//! One round of one target: idle memory, messages at a rate, a burst, a storm of connections.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use crate::{
    figures::Figures,
    marker::{self, Clock},
    process::Usage,
    subscribers::{SubscribeRequest, Subscribers, Tally},
    target::{PublishRequest, Target},
};

/// What a round consists of.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Workload {
    /// Subscribers.
    #[arg(long, default_value_t = 5000)]
    pub(crate) subscribers: usize,
    /// The lower end of the memory slope.
    #[arg(long, default_value_t = 500)]
    pub(crate) few: usize,
    /// Messages.
    #[arg(long, default_value_t = 60)]
    pub(crate) messages: u64,
    /// Messages a second.
    #[arg(long, default_value_t = 20.0)]
    pub(crate) rate: f64,
    /// Bytes of data in a message.
    #[arg(long, default_value_t = marker::DEFAULT_SIZE)]
    pub(crate) size: usize,
    /// Messages of a burst, where a server takes several in one request; 0 means no burst.
    #[arg(long, default_value_t = 50)]
    pub(crate) burst: u64,
    /// Ends a round with a storm: twice as many subscribers at once, of which half leave.
    #[arg(long)]
    pub(crate) storm: bool,
}

/// Connections under way at a time, when it is no storm.
pub(crate) const CONCURRENT_CONNECTS: usize = 64;

/// How long the last messages of a round may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

impl Workload {
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.size >= marker::LENGTH, "--size: at least {}", marker::LENGTH);
        anyhow::ensure!(self.few < self.subscribers, "--few: fewer than --subscribers");
        anyhow::ensure!(self.messages > 0 && self.rate > 0.0, "--messages, --rate: more than 0");
        Ok(())
    }

    /// A whole round against a server of our own.
    pub(crate) fn round(&self, target: &Target, bar: &ProgressBar) -> anyhow::Result<Figures> {
        self.check()?;
        let running = target.start()?;
        let usage = || running.process.usage();
        let mut round = Round::new(self, running.address, bar)?;
        round.fill(&target.subscribe, &usage)?;
        round.messages(&target.publish, &usage)?;
        if let Some(lines) = target.lines.as_ref().filter(|_| self.burst > 0) {
            round.burst(lines, &usage)?;
        }
        let mut figures = round.figures;
        drop((round.subscribers, running));
        if self.storm {
            figures.storm_kib = Some(self.storm(target, bar)?);
        }
        Ok(figures)
    }

    /// Memory for each connection that is left of a crowd that came at once.
    fn storm(&self, target: &Target, bar: &ProgressBar) -> anyhow::Result<f64> {
        let running = target.start()?;
        let usage = || running.process.usage();
        let mut round = Round::new(self, running.address, bar)?;
        bar.set_message("storm");
        round.connect(&target.subscribe, self.few, CONCURRENT_CONNECTS)?;
        let before = usage().rss();
        round.connect(&target.subscribe, 2 * self.subscribers, usize::MAX)?;
        round.subscribers.drop_every_other();
        round.subscribers.read_until_quiet()?;
        // What a server gives back to the system it may give back a little later.
        thread::sleep(Duration::from_secs(2));
        let left = round.subscribers.count() as f64;
        Ok((usage().rss() - before) / (left - self.few as f64))
    }

    /// Messages only, against a server that somebody else has started.
    pub(crate) fn run(
        &self,
        address: SocketAddr,
        subscribe: &SubscribeRequest,
        publish: &PublishRequest,
        pid: Option<u32>,
        bar: &ProgressBar,
    ) -> anyhow::Result<Figures> {
        self.check()?;
        let usage = || Usage::of(pid.unwrap_or(std::process::id()));
        let mut round = Round::new(self, address, bar)?;
        round.fill(subscribe, &usage)?;
        round.messages(publish, &usage)?;
        let mut figures = round.figures;
        if pid.is_none() {
            (figures.cpu_us, figures.idle_kib) = (f64::NAN, f64::NAN);
        }
        Ok(figures)
    }
}

/// A round under way.
pub(crate) struct Round<'a> {
    load: &'a Workload,
    address: SocketAddr,
    pub(crate) subscribers: Subscribers,
    clock: Clock,
    bar: &'a ProgressBar,
    published: u64,
    pub(crate) figures: Figures,
}

impl<'a> Round<'a> {
    pub(crate) fn new(
        load: &'a Workload,
        address: SocketAddr,
        bar: &'a ProgressBar,
    ) -> anyhow::Result<Self> {
        let clock = Clock::new();
        let subscribers = Subscribers::new(address, clock)?;
        let figures = Figures::default();
        Ok(Self { load, address, subscribers, clock, bar, published: 0, figures })
    }

    /// Opens so many more, `at_once` at a time; gives how long that took.
    pub(crate) fn connect(
        &mut self,
        subscribe: &SubscribeRequest,
        count: usize,
        at_once: usize,
    ) -> anyhow::Result<Duration> {
        self.bar.set_length(count as u64);
        let bar = self.bar;
        let progress = |done| bar.set_position(done as u64);
        let took = self.subscribers.connect(subscribe, count, at_once, progress)?;
        let Tally { lost, first_error, .. } = &mut self.subscribers.tally;
        if let Some(error) = first_error.take() {
            let context = format!("{lost} subscribers were refused or lost");
            return Err(anyhow::Error::from(error).context(context));
        }
        // A greeting has to leave before memory is read.
        self.subscribers.read_until_quiet()?;
        Ok(took)
    }

    /// Connects the load's subscribers, and measures what the idle ones take.
    pub(crate) fn fill(
        &mut self,
        subscribe: &SubscribeRequest,
        usage: &dyn Fn() -> Usage,
    ) -> anyhow::Result<()> {
        let Workload { subscribers, few, .. } = *self.load;
        self.bar.set_message("connecting");
        self.connect(subscribe, few, CONCURRENT_CONNECTS)?;
        let rss = usage().rss();
        let took = self.connect(subscribe, subscribers - few, CONCURRENT_CONNECTS)?;
        self.figures.connects_per_second = (subscribers - few) as f64 / took.as_secs_f64();
        self.figures.idle_kib = (usage().rss() - rss) / (subscribers - few) as f64;
        Ok(())
    }

    /// Publishes at the load's rate, each message on a connection of its own.
    pub(crate) fn messages(
        &mut self,
        publish: &PublishRequest,
        usage: &dyn Fn() -> Usage,
    ) -> anyhow::Result<()> {
        let address = self.address;
        self.messages_by(|data| publish.send(address, data), usage)
    }

    /// Publishes at the load's rate by `publish`.
    pub(crate) fn messages_by(
        &mut self,
        mut publish: impl FnMut(&str) -> anyhow::Result<()> + Send,
        usage: &dyn Fn() -> Usage,
    ) -> anyhow::Result<()> {
        self.bar.set_message("messages");
        self.bar.set_length(self.load.messages);
        let before = usage().cpu();
        let (load, clock, bar) = (self.load, self.clock, self.bar);
        self.deliver(load.messages, || {
            let begin = Instant::now();
            for n in 0..load.messages {
                let due = begin + Duration::from_secs_f64(n as f64 / load.rate);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                publish(&marker::data(n + 1, clock.now(), load.size))?;
                bar.set_position(n + 1);
            }
            Ok(())
        })?;
        let tally = &self.subscribers.tally;
        let figures = &mut self.figures;
        let cpu = usage().cpu() - before;
        figures.cpu_us = cpu.as_secs_f64() * 1e6 / tally.delivered.max(1) as f64;
        let at = |quantile| tally.latency.value_at_quantile(quantile) as f64 / 1e3;
        figures.p50_ms = at(0.5);
        figures.p99_ms = at(0.99);
        figures.p999_ms = at(0.999);
        figures.max_ms = tally.latency.max() as f64 / 1e3;
        self.add_tally();
        Ok(())
    }

    fn burst(&mut self, lines: &PublishRequest, usage: &dyn Fn() -> Usage) -> anyhow::Result<()> {
        self.bar.set_message("burst");
        self.subscribers.reset_tally();
        let before = usage().cpu();
        let (load, address, clock) = (self.load, self.address, self.clock);
        let line = |n| format!("\"{}\"\n", marker::data(n, clock.now(), load.size));
        self.deliver(load.burst, || {
            lines.send(address, &(1..=load.burst).map(line).collect::<String>())
        })?;
        let delivered = self.subscribers.tally.delivered.max(1) as f64;
        let cpu = usage().cpu() - before;
        self.figures.burst_cpu_us = Some(cpu.as_secs_f64() * 1e6 / delivered);
        self.add_tally();
        Ok(())
    }

    /// Publishes on another thread and reads until everybody has everything.
    fn deliver(
        &mut self,
        messages: u64,
        publish: impl FnOnce() -> anyhow::Result<()> + Send,
    ) -> anyhow::Result<()> {
        self.published = messages * self.subscribers.count() as u64;
        thread::scope(|scope| {
            let publishing = scope.spawn(publish);
            let mut deadline = None;
            while self.subscribers.tally.delivered < self.published {
                self.subscribers.read_for(Duration::from_millis(20))?;
                if publishing.is_finished() {
                    let end = *deadline.get_or_insert_with(|| Instant::now() + DELIVERY_TIMEOUT);
                    if Instant::now() > end {
                        break;
                    }
                }
            }
            publishing.join().map_err(|_| anyhow::anyhow!("the publisher panicked"))?
        })
    }

    fn add_tally(&mut self) {
        let (tally, figures) = (&self.subscribers.tally, &mut self.figures);
        figures.delivered += tally.delivered;
        figures.undelivered += self.published - tally.delivered.min(self.published);
        figures.duplicates += tally.duplicates;
        figures.out_of_order += tally.out_of_order;
    }
}
