//! node
pub mod eventlog;
pub mod process;
