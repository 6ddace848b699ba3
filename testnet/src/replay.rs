//! `testnet replay`: a log is played into a network and read back. Here is what needs no network: `plan` (who sends
//! what, when), `fit` (whether a definition takes it), `compare` (what was read back against the log), `report` (what
//! came of it), and `generate`, which makes logs for the tests. Must never ask a clock or a socket.

pub(crate) mod compare;
pub(crate) mod fit;
pub(crate) mod generate;
pub(crate) mod plan;
pub(crate) mod report;

#[cfg(test)]
mod tests;
