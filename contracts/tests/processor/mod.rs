//! Time on a processor, for measurements by hand. From the system's own account, so that nothing in this crate, its
//! tests included, knows a clock; and on a busy machine only this says something.

use std::sync::OnceLock;

/// A moment of this thread.
pub(crate) struct Began(u128);

/// What asking the system takes of what is measured.
fn asking_ns() -> u128 {
    const TIMES: u128 = 10_000;
    static ASKING_NS: OnceLock<u128> = OnceLock::new();
    *ASKING_NS.get_or_init(|| (0..TIMES).map(|_| on_processor_ns().abs_diff(on_processor_ns())).sum::<u128>() / TIMES)
}

fn on_processor_ns() -> u128 {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    account.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

impl Began {
    pub(crate) fn now() -> Self {
        Self(on_processor_ns())
    }
    /// Nanoseconds this thread was on a processor since.
    pub(crate) fn elapsed_ns(&self) -> u128 {
        (on_processor_ns() - self.0).saturating_sub(asking_ns())
    }
}
