//! The words on the wire: messages and, behind the feature `services`, the
//! gRPC services of Laufzettel, generated from `laufzettel/v1/*.proto`.
//!
//! Nothing else belongs here: no conversion, no rule, no check.

#![forbid(unsafe_code)]

/// Package `laufzettel.v1`.
pub mod v1 {
    #![allow(missing_docs, clippy::all, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/laufzettel.v1.rs"));
}

/// The descriptor set of all files, for reflection and schema tests.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
