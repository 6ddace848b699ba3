//! `testnet story`: acceptance stories over real processes, each with what it must find.

pub(crate) mod simulate;
