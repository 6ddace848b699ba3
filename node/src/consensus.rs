//! Consensus of one node as a pure function: `step(now, input) -> actions`.
//!
//! Nothing here reads a clock, opens a socket or file, draws a random number
//! or iterates over a hash map; the simulator runs this very code. The order
//! that makes it safe (design 7.2): what a step received and signed is durable
//! (log), then the watermark, then it is sent, then a decision is committed,
//! then the next input is taken.
//!
//! Read in this order: `input` and `action` (the boundary), `driver` (the
//! loop), `driver/barrier` (the order above), `core` (Malachite behind one
//! function), `gate` (what the core may see), `watermark` (never sign twice).
//! Malachite's types stop at `core`, `context`, `signing` and `convert`.

pub mod action;
mod bodies;
mod context;
mod convert;
mod core;
pub mod driver;
pub mod evidence;
pub mod gate;
pub mod input;
pub mod ledger;
pub mod message;
pub mod peers;
pub mod record;
mod signing;
mod votes;
pub mod watermark;

pub use action::{Action, Diagnostic, Health, Late, Refusal, RefusalReason, Reply, TimerKey};
pub use driver::health::{Load, SILENT_MS};
pub use driver::unsettled::LATE_MS;
pub use driver::{Driver, DriverConfig, Recovered};
pub use laufzettel_chain::evidence::Evidence;

pub use input::{AdmittedInfo, BlockFault, BuildOutcome, Input, Ticket};
pub use ledger::{Block, Body, FinalOutcome, SignedTransaction, SyncEntry, Timeouts, Tip};
pub use message::Message;
pub use peers::Peer;
pub use record::{LogEntry, LogRecord};
pub use watermark::{SigningState, Watermark};
