//! `make demo`: a small network and a story of two cases, step by step (`story`); or, with `--cases`, cases that look
//! like those of an office: `cases` are what happens, `run` plays them in and shows where they stand.
//! Must never hold anything of a real person: no names, no numbers, days made up.

pub(crate) mod cases;
pub(crate) mod run;
mod scripts;
mod story;

use std::path::Path;

use crate::cluster::{Cluster, Fault};

/// Makes the network of the four authorities, with the shipped definition that has no rules.
pub(crate) fn cluster(folder: &Path) -> Result<Cluster, Fault> {
    cluster_of(folder, laufzettel_contracts::ASYL_DE)
}

/// Makes the network of the four authorities, with this definition.
pub(crate) fn cluster_of(folder: &Path, definition: &str) -> Result<Cluster, Fault> {
    let members = cases::AUTHORITIES.iter().map(laufzettel_node::localnet::Template::member).collect();
    Cluster::make(folder, "demo", members, vec![definition.to_owned()])
}
