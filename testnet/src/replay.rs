//! `testnet replay`: a log is played into a network and read back. Without a network: `plan` (who sends
//! what, when), `fit` (whether a definition takes it), `compare` (what was read back against the log), `report` (what
//! came of it), and `generate`, which makes logs for the tests. Only `run` meets a network.

pub(crate) mod compare;
pub(crate) mod fit;
#[cfg(test)]
pub(crate) mod generate;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod run;

#[cfg(test)]
mod tests;
