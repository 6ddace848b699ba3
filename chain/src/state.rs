//! What the state root covers, apart from the registry: cases, submissions
//! and the proposer order.

pub mod cache;
pub mod case;
pub mod fields;
pub mod order;
pub mod row;
pub mod submissions;
