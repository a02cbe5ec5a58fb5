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
    lifecycle::{build::Components, handover::Successor, telemetry::LogLevel},
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
    pub log_level: LogLevel,
}

/// Why a gateway goes down.
enum Exit {
    Stopped,
    /// Another takes its place.
    Replaced(Successor),
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
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
        let addresses = gateway.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        let printed = writeln!(
            std::io::stdout(),
            "tricast listening on {}, admin on http://{}",
            addresses.join(", "),
            gateway.admin_address
        );
        // Whoever has started it may not listen any more.
        drop(printed);
        notify_systemd(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
        let watchdog = AbortOnDropHandle::new(tokio::spawn(feed_watchdog()));
        let exit = self.serve(&gateway, &mut signals).await;
        let shutdown = async {
            match exit {
                // Whoever takes over is the service now, and speaks for it.
                Exit::Replaced(successor) => {
                    watchdog.abort();
                    gateway.hand_over_and_stop(successor).await
                }
                Exit::Stopped => {
                    notify_systemd(&[NotifyState::Stopping]);
                    gateway.shutdown().await
                }
            }
        };
        tokio::select! {
            _ = shutdown => {}
            // Who asks twice does not want to wait.
            _ = signals.interrupt.recv() => {}
        }
        Ok(())
    }

    async fn serve(&self, gateway: &Gateway, signals: &mut Signals) -> Exit {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Exit::Stopped,
                _ = signals.interrupt.recv() => return Exit::Stopped,
                _ = signals.hangup.recv() => self.reload(gateway).await,
                _ = signals.replace.recv() => {
                    if let Some(exit) = self.hand_over(gateway, signals).await {
                        return exit;
                    }
                }
            }
        }
    }

    /// Starts another in place of this one; `None` if that does not work.
    async fn hand_over(&self, gateway: &Gateway, signals: &mut Signals) -> Option<Exit> {
        let mut handing_over = pin!(gateway.hand_over(&self.program));
        let mut reload_requested = false;
        let replaced = loop {
            tokio::select! {
                replaced = &mut handing_over => break replaced,
                _ = signals.terminate.recv() => return Some(Exit::Stopped),
                _ = signals.interrupt.recv() => return Some(Exit::Stopped),
                _ = signals.hangup.recv() => {
                    reload_requested = true;
                    self.reload(gateway).await;
                }
            }
        };
        match replaced {
            Ok(successor) => {
                tracing::info!(process = successor.pid(), "another gateway takes over");
                if reload_requested {
                    successor.send_sighup();
                }
                Some(Exit::Replaced(successor))
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
        notify_systemd(&reloading);
        gateway.reload_certificate().await;
        let loaded = Settings::load(self.config.as_deref());
        let reloaded = loaded.and_then(|Loaded { settings, warnings }| {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            let logging = settings.logging.clone();
            let restart_error = Components::build(&settings).err();
            let changed = gateway.reload(settings)?;
            self.log_level.set(&logging)?;
            if let Some(error) = restart_error {
                let error = format!("{error:#}");
                tracing::error!(error, "with these settings and files a new start would fail");
            }
            Ok(changed)
        });
        match reloaded {
            Ok((applied, needs_restart)) => {
                let changed =
                    if applied.is_empty() { "nothing".to_owned() } else { applied.join(", ") };
                tracing::info!(
                    changed,
                    "the settings, and the files that they name, were read again"
                );
                if !needs_restart.is_empty() {
                    let keys = needs_restart.join(", ");
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
        notify_systemd(&[NotifyState::Ready]);
    }
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            replace: signal(SignalKind::user_defined2())?,
        })
    }
}

/// Tells systemd, if it is there (`sd_notify(3)`).
fn notify_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

/// Shows systemd that this program still comes to do things, if it wants to know (`WatchdogSec=`).
async fn feed_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut every = interval((limit / 3).max(Duration::from_millis(10)));
    loop {
        every.tick().await;
        notify_systemd(&[NotifyState::Watchdog]);
    }
}
