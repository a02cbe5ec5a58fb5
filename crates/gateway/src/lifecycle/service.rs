//! The gateway as a service: its reactions to signals, and its notifications to systemd.

use std::{io::Write as _, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::interval,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Gateway, Inherited, Program,
    lifecycle::{
        build,
        gateway::Foundation,
        handover::{Predecessor, Successor},
        log_folder,
        reload::ReloadReport,
        telemetry::LogLevel,
    },
    settings::{Loaded, Settings, SettingsFile},
};

/// A gateway that runs until a signal stops it.
#[derive(Debug)]
pub struct Service {
    /// The program itself, for a start of its successor.
    pub program: Program,
    /// Settings file, read again on SIGHUP.
    pub config: Option<PathBuf>,
    /// Settings at the start.
    pub settings: Settings,
    /// Sockets that the process was started with.
    pub inherited: Inherited,
    /// Log level, changed by a hot reload.
    pub log_level: LogLevel,
}

/// Why the gateway stops serving.
enum Exit {
    Stopped,
    /// The log has failed, and only another start can recover it.
    Failed(Arc<str>),
    /// A successor takes over.
    Replaced(Successor),
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    replace: Signal,
    /// Signals without a meaning here, which would end the process by default.
    log_rotated: Signal,
    alarm: Signal,
}

impl Service {
    /// Serves until a signal stops it. SIGTERM and SIGINT shut down gracefully, and a second SIGINT
    /// at once. SIGHUP reloads the settings. SIGUSR2 starts the program again and hands the
    /// listening sockets and the clients over to it. SIGUSR1 and SIGALRM are ignored.
    ///
    /// # Errors
    /// When the gateway cannot start.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        let inherited = std::mem::take(&mut self.inherited);
        let (mut gateway, predecessor) = self.take_over(inherited).await?;
        gateway.open()?;
        if let Some(predecessor) = predecessor {
            predecessor.report_open();
        }
        let addresses = gateway.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        let printed = writeln!(
            std::io::stdout(),
            "tricast listening on {}, admin on http://{}",
            addresses.join(", "),
            gateway.admin_address
        );
        // The reader of standard output may have gone already.
        drop(printed);
        notify_systemd(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
        let watchdog = AbortOnDropHandle::new(tokio::spawn(feed_watchdog()));
        let exit = self.serve(&gateway, &mut signals).await;
        let shutdown = async {
            match &exit {
                // The successor is the service now, and notifies systemd itself.
                Exit::Replaced(successor) => {
                    watchdog.abort();
                    gateway.hand_over_and_stop(successor).await
                }
                Exit::Stopped | Exit::Failed(_) => {
                    notify_systemd(&[NotifyState::Stopping]);
                    gateway.shutdown().await
                }
            }
        };
        tokio::select! {
            _ = shutdown => {}
            // A second SIGINT skips the graceful shutdown.
            _ = signals.interrupt.recv() => {}
        }
        match exit {
            Exit::Failed(why) => anyhow::bail!("the log has failed: {why}"),
            // A service manager starts the gateway again after an error alone.
            Exit::Replaced(successor) => successor.expect_open(self.settings.shutdown.grace).await,
            Exit::Stopped => Ok(()),
        }
    }

    /// Prepares the gateway, and waits until a predecessor has released what it has.
    async fn take_over(
        &self,
        mut inherited: Inherited,
    ) -> anyhow::Result<(Gateway, Option<Predecessor>)> {
        let predecessor = inherited.predecessor();
        let settings = || self.settings.clone();
        let Some(predecessor) = predecessor else {
            return Ok((Gateway::prepare(settings(), inherited)?, None));
        };
        // If the predecessor no longer waits, it goes on serving, and this process ends.
        let gateway = if self.settings.log.is_on_disk() {
            // The predecessor has the log; what can fail fails before it lets go of that.
            let foundation = Foundation::lay(&self.settings, inherited)?;
            log_folder::look(&self.settings)?;
            predecessor
                .take_over_log(&self.settings.log.path, self.settings.shutdown.grace)
                .await?;
            Gateway::build_on(foundation, settings())?
        } else {
            let gateway = Gateway::prepare(settings(), inherited)?;
            predecessor.take_over(self.settings.shutdown.grace).await?;
            gateway
        };
        Ok((gateway, Some(predecessor)))
    }

    async fn serve(&self, gateway: &Gateway, signals: &mut Signals) -> Exit {
        loop {
            tokio::select! {
                _ = signals.log_rotated.recv() => log_ignored("SIGUSR1"),
                _ = signals.alarm.recv() => log_ignored("SIGALRM"),
                _ = signals.terminate.recv() => return Exit::Stopped,
                _ = signals.interrupt.recv() => return Exit::Stopped,
                why = gateway.log_failure() => return Exit::Failed(why),
                _ = signals.hangup.recv() => self.reload(gateway).await,
                _ = signals.replace.recv() => {
                    if let Some(exit) = self.hand_over(gateway, signals).await {
                        return exit;
                    }
                }
            }
        }
    }

    /// Starts a successor. Returns `None` if this gateway goes on serving.
    async fn hand_over(&self, gateway: &Gateway, signals: &mut Signals) -> Option<Exit> {
        let mut handing_over = pin!(async {
            self.check_rereadable()?;
            gateway.hand_over(&self.program).await
        });
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
                tracing::info!(process = successor.pid(), "handover: the new gateway is ready");
                if reload_requested {
                    successor.send_sighup();
                }
                Some(Exit::Replaced(successor))
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "handover failed; this gateway goes on");
                None
            }
        }
    }

    /// Checks that the settings file can be read once more.
    fn check_rereadable(&self) -> anyhow::Result<()> {
        self.config.as_deref().map_or(Ok(()), SettingsFile::check_rereadable)
    }

    async fn reload(&self, gateway: &Gateway) {
        let mut reloading = vec![NotifyState::Reloading];
        reloading.extend(NotifyState::monotonic_usec_now().ok());
        notify_systemd(&reloading);
        gateway.reload_certificate().await;
        let loaded = self.check_rereadable().and_then(|()| Settings::load(self.config.as_deref()));
        let reloaded = loaded.and_then(|Loaded { settings, warnings }| {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            let logging = settings.logging.clone();
            let restart_error = build::check(&settings).err();
            let changed = gateway.reload(settings)?;
            self.log_level.set(&logging)?;
            if let Some(error) = restart_error {
                let error = format!("{error:#}");
                tracing::error!(error, "a restart would fail with these settings and files");
            }
            Ok(changed)
        });
        match reloaded {
            Ok(ReloadReport { applied, needs_restart }) => {
                let changed =
                    if applied.is_empty() { "nothing".to_owned() } else { applied.join(", ") };
                tracing::info!(changed, "settings reloaded, and the files that they name");
                if !needs_restart.is_empty() {
                    let keys = needs_restart.join(", ");
                    tracing::warn!(keys, "these settings take effect after a restart (SIGUSR2)");
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "reload failed; the previous settings stay in effect");
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
            log_rotated: signal(SignalKind::user_defined1())?,
            alarm: signal(SignalKind::alarm())?,
        })
    }
}

/// Log rotators send SIGUSR1 to make a program open its log file again. The gateway has none.
fn log_ignored(signal: &str) {
    tracing::info!(
        signal,
        "signal ignored; the log goes to standard error, and SIGHUP reloads the settings"
    );
}

/// Notifies systemd, if it started this process (`sd_notify(3)`).
fn notify_systemd(states: &[NotifyState<'_>]) {
    // As systemd has it, an empty variable counts as unset.
    if std::env::var_os("NOTIFY_SOCKET").is_none_or(|socket| socket.is_empty()) {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

/// Feeds systemd's watchdog, if the unit sets `WatchdogSec=`.
async fn feed_watchdog() {
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
    let Some(limit) = limit else { return };
    let mut every = interval((limit / 3).max(Duration::from_millis(10)));
    loop {
        every.tick().await;
        notify_systemd(&[NotifyState::Watchdog]);
    }
}
