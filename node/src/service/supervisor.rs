//! What systemd is told: that the node serves, that it stops, and for its
//! watchdog that the driver makes progress. A process that lives but whose
//! driver hangs is killed and started again, which is always safe; one that
//! halted for an operator goes on answering and is left alone.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::consensus::Health;

/// Tells the supervisor; does nothing where there is none.
#[derive(Debug)]
pub(super) struct Supervisor {
    watchdog: Option<Duration>,
    told_at: Option<Instant>,
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the supervisor cannot be told how the node is; check NotifyAccess in the unit");
    }
}

/// The node serves.
pub(super) fn ready(api: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving clients at {api}"))]);
}

/// The node stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// The node serves nobody: it joins from a snapshot.
pub(super) fn joining() {
    tell(&[NotifyState::Status("joining from a snapshot: the log says how far")]);
}

/// Feeds the watchdog for ever: while a node joins there is no driver whose progress could be looked at, and an import
/// that is killed for taking long would begin anew.
pub(super) async fn keep_alive() -> std::convert::Infallible {
    let patience = sd_notify::watchdog_enabled().unwrap_or(Duration::from_secs(60));
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(patience / 3).await;
    }
}

/// Whether the driver makes progress: it answered just now, and does not wait for a disk that hangs.
fn makes_progress(health: &Health, patience: Duration) -> bool {
    Duration::from_millis(health.flight_ms) < patience
}

impl Supervisor {
    pub(super) fn new() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), told_at: None }
    }

    /// The driver answered; feeds the watchdog three times in its interval.
    pub(super) fn saw(&mut self, health: &Health) {
        let Some(patience) = self.watchdog else { return };
        let due = self.told_at.is_none_or(|at| at.elapsed() >= patience / 3);
        if due && makes_progress(health, patience) {
            tell(&[NotifyState::Watchdog]);
            self.told_at = Some(Instant::now());
        }
    }
}
