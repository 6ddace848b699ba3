//! What the state root covers, apart from the registry of genesis: cases and what follows from them,
//! submissions, the proposer order, who was proven to have signed twice, and what is changed by vote.

pub mod cache;
pub mod case;
pub mod effects;
pub mod evidence;
pub mod fields;
pub mod governance;
pub mod order;
pub mod row;
pub mod submissions;
