//! Time on a processor, for measurements by hand. From the system's own account, so that nothing in this crate, its
//! tests included, knows a clock; and on a busy machine only this says something. Asking takes microseconds: measure many steps at once.

/// A moment of this thread.
pub(crate) struct Began(u128);

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
        on_processor_ns() - self.0
    }
}
