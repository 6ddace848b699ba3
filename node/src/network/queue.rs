//! What waits to be sent to one peer, bounded by bytes. Overflow closes the
//! queue, so that the link is rebuilt: consensus can live with a lost link,
//! not with a link that loses frames from its middle.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::FRAME_BYTES_MAX;

/// Frames for one peer. Closed until the link is up.
#[derive(Debug)]
pub(super) struct SendQueue {
    bytes_max: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    overflowed: bool,
    bytes: usize,
    frames: VecDeque<Bytes>,
}

/// What the link's writer has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Write these frames.
    Write(Vec<Bytes>),
    /// Give the link up: the peer did not keep up.
    Overflowed,
}

impl SendQueue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default(), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a frame; false if the link is down or the frame too large.
    pub(super) fn push(&self, frame: Bytes) -> bool {
        if frame.len() > FRAME_BYTES_MAX {
            tracing::error!(bytes = frame.len(), limit = FRAME_BYTES_MAX, "a frame is too large and was not sent");
            return false;
        }
        let mut state = self.lock();
        if !state.open {
            return false;
        }
        if state.bytes.saturating_add(frame.len()) > self.bytes_max {
            *state = State { overflowed: true, ..State::default() };
        } else {
            state.bytes = state.bytes.saturating_add(frame.len());
            state.frames.push_back(frame);
        }
        let sent = state.open;
        drop(state);
        self.changed.notify_one();
        sent
    }

    /// The link is up: frames are taken from now on.
    pub(super) fn open(&self) {
        *self.lock() = State { open: true, ..State::default() };
    }

    /// The link is down: what waits is lost.
    pub(super) fn close(&self) {
        *self.lock() = State::default();
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Waits for frames and takes up to about `bytes` of them.
    pub(super) async fn next(&self, bytes: usize) -> Next {
        loop {
            if let Some(next) = self.take(bytes) {
                return next;
            }
            self.changed.notified().await;
        }
    }

    fn take(&self, bytes: usize) -> Option<Next> {
        let mut state = self.lock();
        if state.overflowed {
            return Some(Next::Overflowed);
        }
        let (mut frames, mut taken) = (Vec::new(), 0usize);
        while taken < bytes
            && let Some(frame) = state.frames.pop_front()
        {
            taken = taken.saturating_add(frame.len());
            frames.push(frame);
        }
        state.bytes = state.bytes.saturating_sub(taken);
        (!frames.is_empty()).then_some(Next::Write(frames))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_order_and_gives_up_on_overflow() {
        let queue = SendQueue::new(10);
        assert!(!queue.push(Bytes::from_static(b"lost: closed")));
        queue.open();
        assert!(queue.push(Bytes::from_static(b"abcd")));
        assert!(queue.push(Bytes::from_static(b"efgh")));
        let both = vec![Bytes::from_static(b"abcd"), Bytes::from_static(b"efgh")];
        assert_eq!(queue.next(100).await, Next::Write(both));
        assert!(queue.push(Bytes::from_static(b"0123456789")));
        assert!(!queue.push(Bytes::from_static(b"x")), "over the bound");
        assert_eq!(queue.next(100).await, Next::Overflowed);
        assert!(!queue.is_open());
    }
}
