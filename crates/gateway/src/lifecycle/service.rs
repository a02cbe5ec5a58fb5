//! The gateway as a service: what signals do, and what systemd is told.

use std::{io::Write as _, path::PathBuf, pin::pin, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::interval,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Gateway, Inherited, Program,
    lifecycle::{build::Parts, handover::Successor, telemetry::LogLevel},
    settings::{Loaded, Settings},
};

/// What a running program is made of.
#[derive(Debug)]
pub struct Service {
    /// How it was started.
    pub program: Program,
    /// The file that its settings come from.
    pub config: Option<PathBuf>,
    /// As they were at the start.
    pub settings: Settings,
    /// Sockets that were handed in.
    pub inherited: Inherited,
    /// What is logged.
    pub logs: LogLevel,
}

/// Why a gateway goes down.
enum Leaves {
    ForGood,
    /// Another takes its place.
    Replaced(Successor),
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    replace: Signal,
}

impl Service {
    /// Serves until a signal says otherwise: SIGTERM or SIGINT goes down in order, a second SIGINT at once, SIGHUP reads the settings
    /// again, SIGUSR2 starts the program anew and hands everything over.
    ///
    /// # Errors
    /// When it cannot start.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        let predecessor = self.inherited.predecessor();
        let inherited = std::mem::take(&mut self.inherited);
        let mut gateway = Gateway::prepare(self.settings.clone(), inherited)?;
        if let Some(predecessor) = predecessor {
            // Whoever does not wait any more goes on itself.
            predecessor.take_over().await?;
        }
        gateway.open()?;
        let at = gateway.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        let said = writeln!(
            std::io::stdout(),
            "tricast listening on {}, admin on http://{}",
            at.join(", "),
            gateway.admin_address
        );
        // Whoever has started it may not listen any more.
        drop(said);
        tell(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
        let watched = AbortOnDropHandle::new(tokio::spawn(keep_watchdog_quiet()));
        let leaves = self.serve(&gateway, &mut signals).await;
        let down = async {
            match leaves {
                // Whoever takes over is the service now, and speaks for it.
                Leaves::Replaced(successor) => {
                    watched.abort();
                    gateway.retire(successor).await
                }
                Leaves::ForGood => {
                    tell(&[NotifyState::Stopping]);
                    gateway.shut_down().await
                }
            }
        };
        tokio::select! {
            _ = down => {}
            // Who asks twice does not want to wait.
            _ = signals.interrupt.recv() => {}
        }
        Ok(())
    }

    async fn serve(&self, gateway: &Gateway, signals: &mut Signals) -> Leaves {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Leaves::ForGood,
                _ = signals.interrupt.recv() => return Leaves::ForGood,
                _ = signals.hang_up.recv() => self.reload(gateway).await,
                _ = signals.replace.recv() => {
                    if let Some(leaves) = self.hand_over(gateway, signals).await {
                        return leaves;
                    }
                }
            }
        }
    }

    /// Starts another in place of this one; `None` if that does not work.
    async fn hand_over(&self, gateway: &Gateway, signals: &mut Signals) -> Option<Leaves> {
        let mut handing_over = pin!(gateway.hand_over(&self.program));
        let mut hung_up = false;
        let replaced = loop {
            tokio::select! {
                replaced = &mut handing_over => break replaced,
                _ = signals.terminate.recv() => return Some(Leaves::ForGood),
                _ = signals.interrupt.recv() => return Some(Leaves::ForGood),
                _ = signals.hang_up.recv() => {
                    hung_up = true;
                    self.reload(gateway).await;
                }
            }
        };
        match replaced {
            Ok(successor) => {
                tracing::info!(process = successor.process(), "another gateway takes over");
                if hung_up {
                    successor.hang_up();
                }
                Some(Leaves::Replaced(successor))
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "no other gateway takes over; this one goes on");
                None
            }
        }
    }

    async fn reload(&self, gateway: &Gateway) {
        let mut reloading = vec![NotifyState::Reloading];
        reloading.extend(NotifyState::monotonic_usec_now().ok());
        tell(&reloading);
        gateway.reload_certificate().await;
        let loaded = Settings::load(self.config.as_deref());
        let reloaded = loaded.and_then(|Loaded { settings, warnings }| {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            let logging = settings.logging.clone();
            let again = Parts::of(&settings).err();
            let changed = gateway.reload(settings)?;
            self.logs.set(&logging)?;
            if let Some(error) = again {
                let error = format!("{error:#}");
                tracing::error!(error, "with these settings and files a new start would fail");
            }
            Ok(changed)
        });
        match reloaded {
            Ok((now, later)) => {
                let changed = if now.is_empty() { "nothing".to_owned() } else { now.join(", ") };
                tracing::info!(
                    changed,
                    "the settings, and the files that they name, were read again"
                );
                if !later.is_empty() {
                    let keys = later.join(", ");
                    tracing::warn!(
                        keys,
                        "these take effect when the gateway is started anew (SIGUSR2)"
                    );
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the settings are of no use; those from before hold on");
            }
        }
        tell(&[NotifyState::Ready]);
    }
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            replace: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Tells systemd, if it is there (`sd_notify(3)`).
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

/// Shows systemd that this program still comes to do things, if it wants to know (`WatchdogSec=`).
async fn keep_watchdog_quiet() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut every = interval((limit / 3).max(Duration::from_millis(10)));
    loop {
        every.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}
