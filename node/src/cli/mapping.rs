//! How cases move to a new version of a process, as arguments say it: pairs of statuses, on the command line or in a file.
//! Must never judge a pair: the node does, or the command that proposes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use laufzettel_contracts::Code;

use super::fault::Fault;

/// Arguments of commands that move cases.
#[derive(Debug, Args)]
pub(super) struct Mapping {
    /// Move the open cases of the newest version to this one; statuses keep their names where nothing else is said.
    #[arg(long)]
    move_cases: bool,
    /// With --move-cases: how reports of a status are read from then on.
    #[arg(long = "map", value_name = "OLD=NEW", requires = "move_cases")]
    map: Vec<String>,
    /// The same from a file, OLD=NEW a line, # begins a remark; says --move-cases, too.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
}

impl Mapping {
    /// Whether cases move.
    pub(super) fn moves(&self) -> bool {
        self.move_cases || self.mapping.is_some()
    }
    /// The statuses that are named.
    pub(super) fn named(&self) -> Result<BTreeMap<Code, Code>, Fault> {
        let mut named = BTreeMap::new();
        if let Some(file) = &self.mapping {
            read(file, &mut named)?;
        }
        for text in &self.map {
            put(&mut named, text, &format!("--map {text:?}"))?;
        }
        Ok(named)
    }
}

fn read(file: &Path, named: &mut BTreeMap<Code, Code>) -> Result<(), Fault> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| Fault::failed(format!("cannot read {name}: {error}")))?;
    for (number, line) in (1u32..).zip(text.lines()) {
        let said = line.split_once('#').map_or(line, |(said, _)| said).trim();
        if !said.is_empty() {
            put(named, said, &format!("{name}:{number}"))?;
        }
    }
    Ok(())
}

fn put(named: &mut BTreeMap<Code, Code>, text: &str, place: &str) -> Result<(), Fault> {
    let code = |text: &str| Code::new(text.trim()).ok();
    let codes = text.split_once('=').and_then(|(from, to)| Some((code(from)?, code(to)?)));
    let (from, to) = codes.ok_or_else(|| Fault::usage(format!("{place}: expected OLD=NEW, two status codes")))?;
    match named.insert(from.clone(), to.clone()) {
        Some(before) if before != to => {
            Err(Fault::usage(format!("{place}: {from} is mapped to {before} already; a status becomes one other")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_arguments_say_the_same_and_contradict_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mapping");
        fs::write(&file, "# how cases move\n\na=b\n c = d  # renamed\n").unwrap();
        let of = |map: &[&str], file: Option<&PathBuf>| Mapping {
            move_cases: false,
            map: map.iter().map(ToString::to_string).collect(),
            mapping: file.cloned(),
        };
        let code = |text: &str| Code::new(text).unwrap();
        let both = BTreeMap::from([(code("a"), code("b")), (code("c"), code("d"))]);
        assert_eq!(of(&["c=d"], Some(&file)).named().unwrap(), both);
        assert_eq!(of(&["a=b", "c=d"], None).named().unwrap(), both);
        assert_eq!((of(&[], Some(&file)).moves(), of(&[], None).moves()), (true, false));
        let refused = |map: &str| of(&[map], Some(&file)).named().unwrap_err();
        assert!(refused("a=c").message().contains("a is mapped to b already"));
        assert!(refused("a").message().contains("OLD=NEW"));
        fs::write(&file, "a=b\nnothing\n").unwrap();
        assert!(of(&[], Some(&file)).named().unwrap_err().message().contains("mapping:2"));
    }
}
