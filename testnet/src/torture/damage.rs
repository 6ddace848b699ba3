//! Files that are damaged while their node is down. Whatever is damaged, the node must come back by itself, be set back
//! and catch up, say that it signs nothing, or refuse to start with an error that names the thing; then it is brought
//! back as an operator would: a database is deleted and fetched again, a watermark is reset, anything else is put back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use laufzettel_chain::ledger::stored_tip;
use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_node::consensus::Watermark;
use laufzettel_node::consensus::watermark::SLOT_BYTES;
use tokio::process::Command;

use super::schedule::{Harm, Part};
use super::stage::{PATIENCE, Stage};
use crate::cluster::{Fault, Started};
use crate::invariants::Held;
use crate::invariants::stores::read_all;

/// Where the second slot lies.
const SLOT_OFFSET: usize = 4_096;
/// Bytes of a slot that are never mere padding.
const SLOT_USED: u64 = 100;
const ZEROS_MAX: u64 = 512;
/// A node whose certificate no client takes is given up after this long; it runs.
const UNREACHABLE: Duration = Duration::from_secs(20);

impl Part {
    /// Whether it is a file of the database.
    fn of_database(self) -> bool {
        use Part::{Current, Identity, Manifest, Options, Table, WriteLog};
        matches!(self, Table | WriteLog | Manifest | Current | Options | Identity)
    }
    /// One of these words must be in the error of a node that refuses to start.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Config => &["config.toml"],
            Self::Genesis => &["genesis"],
            Self::NodeKey => &["node.pem", "keys.node"],
            Self::ConsensusKey => &["consensus.pem", "keys.consensus"],
            Self::ServiceKey => &["service.pem", "keys.service"],
            Self::Certificate => &["server.pem", "certificate"],
            Self::CertificateKey => &["server-key.pem", "private key"],
            Self::Endpoints => &["endpoints.json"],
            Self::Lock => &["lock"],
            Self::WatermarkNewer | Self::WatermarkOlder | Self::WatermarkBoth | Self::WatermarkFile => &["watermark"],
            _ => &["data/db", "storage failed", "is damaged"],
        }
    }
    /// The file; none if there is none of this kind at the moment.
    fn file(self, home: &Path, genesis: &Path, at: u64) -> Option<PathBuf> {
        let (data, db) = (home.join("data"), home.join("data/db"));
        match self {
            Self::Table => choose(&db, |name| name.ends_with(".sst"), at),
            // An empty log has nothing to damage.
            Self::WriteLog => choose(&db, |name| name.ends_with(".log"), at),
            Self::Manifest => choose(&db, |name| name.starts_with("MANIFEST-"), at),
            Self::Current => Some(db.join("CURRENT")),
            Self::Options => choose(&db, |name| name.starts_with("OPTIONS-"), at),
            Self::Identity => Some(db.join("IDENTITY")),
            Self::WatermarkNewer | Self::WatermarkOlder | Self::WatermarkBoth | Self::WatermarkFile => {
                Some(data.join("watermark"))
            }
            Self::Endpoints => Some(data.join("endpoints.json")),
            Self::Lock => Some(data.join("lock")),
            Self::Config => Some(home.join("config.toml")),
            Self::Genesis => Some(genesis.to_owned()),
            Self::NodeKey => Some(home.join("keys/node.pem")),
            Self::ConsensusKey => Some(home.join("keys/consensus.pem")),
            Self::ServiceKey => Some(home.join("keys/service.pem")),
            Self::Certificate => Some(home.join("tls/server.pem")),
            Self::CertificateKey => Some(home.join("tls/server-key.pem")),
        }
    }
}

/// One of the files of a folder with content.
fn choose(folder: &Path, wanted: impl Fn(&str) -> bool, at: u64) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let wanted = entries.filter(|entry| wanted(&entry.file_name().to_string_lossy()));
    let full = wanted.filter(|entry| entry.metadata().is_ok_and(|found| found.len() > 0));
    let mut paths: Vec<PathBuf> = full.map(|entry| entry.path()).collect();
    paths.sort();
    let count = u64::try_from(paths.len()).ok()?;
    paths.get(usize::try_from(at.checked_rem(count)?).ok()?).cloned()
}

/// The bytes after the damage; none if the file goes.
fn harmed(part: Part, harm: Harm, at: u64, bytes: &[u8]) -> Option<Vec<u8>> {
    match part {
        Part::WatermarkNewer | Part::WatermarkOlder | Part::WatermarkBoth => Some(harmed_slots(part, harm, at, bytes)),
        _ if harm == Harm::Gone => None,
        _ => {
            let mut bytes = bytes.to_vec();
            // A bit that no text has: a configuration that still means something is no damaged one.
            let bit = if part == Part::Config { 7 } else { (at >> 32) % 8 };
            strike(&mut bytes, harm, at, bit);
            Some(bytes)
        }
    }
}

fn strike(bytes: &mut Vec<u8>, harm: Harm, at: u64, bit: u64) {
    let place = usize::try_from(at % (bytes.len() as u64).max(1)).unwrap_or_default();
    match harm {
        Harm::Flip => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << bit),
        Harm::Zero => {
            let count = usize::try_from(1 + (at >> 40) % ZEROS_MAX).unwrap_or_default();
            bytes.iter_mut().skip(place).take(count).for_each(|byte| *byte = 0);
        }
        Harm::Cut | Harm::Gone => bytes.truncate(place),
    }
}

/// A slot cannot be cut or gone by itself; it is zero then.
fn harmed_slots(part: Part, harm: Harm, at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let sequence = |offset: usize| {
        let slot = bytes.get(offset..).map(|slot| slot.get(..SLOT_BYTES).unwrap_or(slot));
        slot.and_then(Watermark::read_slot).map_or(0, |found| found.sequence)
    };
    let (newer, older) = if sequence(0) > sequence(SLOT_OFFSET) { (0, SLOT_OFFSET) } else { (SLOT_OFFSET, 0) };
    let offsets = match part {
        Part::WatermarkNewer => vec![newer],
        Part::WatermarkOlder => vec![older],
        _ => vec![newer, older],
    };
    for offset in offsets {
        let place = offset + usize::try_from(at % SLOT_USED).unwrap_or_default();
        match harm {
            Harm::Flip => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << ((at >> 32) % 8)),
            _ => bytes.iter_mut().skip(offset).take(SLOT_BYTES).for_each(|byte| *byte = 0),
        }
    }
    bytes
}

impl Stage {
    /// Damages a file of a node that is down, has it started, and brings it back.
    pub(super) async fn damage(
        &mut self,
        node: usize,
        part: Part,
        harm: Harm,
        at: u64,
        hold: Duration,
    ) -> Result<(), Fault> {
        let name = self.name(node)?;
        self.kill(&name)?;
        let before = self.height_on_disk(&name)?;
        let (home, genesis) = (self.cluster.net.node_folder(&name), self.cluster.net.folder.join("genesis.toml"));
        let Some(file) = part.file(&home, &genesis, at) else {
            self.skip("damage", &format!("there is no {part:?} at the moment"));
            return self.start(&name).await.map(drop);
        };
        let whole = fs::read(&file)?;
        let permissions = fs::metadata(&file)?.permissions();
        let harmed = harmed(part, harm, at, &whole);
        match &harmed {
            Some(bytes) => fs::write(&file, bytes)?,
            None => fs::remove_file(&file)?,
        }
        let verdict = self.judge_start(&name, part, before, hold).await?;
        eprintln!("      {part:?}, {harm:?}: {verdict}");
        *self.counts.damage.entry(format!("{part:?}")).or_default().entry(verdict).or_default() += 1;
        let well = (node + 1) % self.cluster.nodes().len().max(1);
        self.last(Duration::ZERO, well).await?;
        if part.of_database() {
            return self.bring_back(&name, verdict).await;
        }
        self.cluster.kill(&name)?;
        if verdict == "silent" {
            if fs::read(&file)? != harmed.unwrap_or_default() {
                return Err(format!("{name} wrote a watermark while it was to sign nothing").into());
            }
            self.reset_watermark(&name).await?;
        } else if !matches!(part, Part::Endpoints | Part::Lock) && !file.ends_with("watermark") {
            // What an operator has elsewhere is put back.
            fs::write(&file, &whole)?;
            fs::set_permissions(&file, permissions)?;
        }
        self.start(&name).await.map(drop)
    }
    /// The way out for a validator that lost its watermark.
    async fn reset_watermark(&self, name: &str) -> Result<(), Fault> {
        let mut command = Command::new(self.cluster.program());
        command.arg("--home").arg(self.cluster.net.node_folder(name)).args(["keys", "watermark", "reset", "--yes"]);
        let done = command.output().await?;
        if done.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&done.stderr);
        Err(format!("the watermark of {name} cannot be reset: {}", why.trim()).into())
    }
    /// Height of the chain in a database whose node is down.
    fn height_on_disk(&self, name: &str) -> Result<u64, Fault> {
        let store = RocksStore::open_read_only(&self.data(name).join("db"))?;
        Ok(stored_tip(&store, &self.cluster.genesis.registry)?.0.height())
    }
    /// What a start over damage comes to.
    async fn judge_start(
        &mut self,
        name: &str,
        part: Part,
        before: u64,
        hold: Duration,
    ) -> Result<&'static str, Fault> {
        let place = self.log_end(name);
        self.launch(name)?;
        // A certificate that still reads but that its issuer did not sign is noticed by clients alone.
        let certificate = part == Part::Certificate;
        let settled = self.cluster.settle(name, if certificate { UNREACHABLE } else { PATIENCE }).await;
        if certificate && settled.is_err() && self.log_from(name, place).contains("serving") {
            return Ok("unreachable");
        }
        let started = settled?;
        if let Started::InSync(warnings) = &started {
            tokio::time::sleep(hold).await;
            let log = self.log_from(name, place);
            let opened = log.lines().find(|line| line.contains("ledger open"));
            let height = opened.and_then(|line| line.split("height=").nth(1)?.split_whitespace().next()?.parse().ok());
            let height: u64 = height.ok_or_else(|| format!("{name} does not log the height it opens at: {log}"))?;
            let silent = warnings.iter().any(|warning| warning.contains("nothing is signed: the file"));
            match self.cluster.ended(name)? {
                Some(status) if status.success() => return Err(format!("{name} ended well over damage").into()),
                Some(_) => {}
                None if silent => return Ok("silent"),
                None if height < before => return Ok("resynced"),
                None => return Ok("unharmed"),
            }
        }
        if matches!(&started, Started::Ended(status) if status.success()) {
            return Err(format!("{name} ended well over damage").into());
        }
        let log = self.log_from(name, place);
        if !part.words().iter().any(|word| log.contains(word)) || log.contains("panicked at") {
            let tail = self.tail(name, place);
            return Err(format!("{name} ended over a damaged {part:?} without naming it: {tail}").into());
        }
        Ok(if matches!(started, Started::Ended(_)) { "refused" } else { "ended" })
    }
    /// A database that was damaged: whatever is left of it must be whole, or it is fetched again.
    async fn bring_back(&mut self, name: &str, verdict: &'static str) -> Result<(), Fault> {
        self.cluster.kill(name)?;
        let database = self.data(name).join("db");
        let mut fetch = matches!(verdict, "refused" | "ended");
        if !fetch {
            let reading = database.clone();
            fetch = tokio::task::spawn_blocking(move || read_all(&reading)).await?.is_err();
            if fetch {
                *self.counts.damage.entry("found later".to_owned()).or_default().entry("fetched again").or_default() +=
                    1;
            }
        }
        if fetch {
            self.forget(name)?;
        } else {
            self.look(name)?;
        }
        self.start(name).await.map(drop)
    }
    /// Deletes a database, after keeping what it says was signed and decided; the watermark stays.
    fn forget(&mut self, name: &str) -> Result<(), Fault> {
        let database = self.data(name).join("db");
        if let Ok(store) = RocksStore::open_read_only(&database) {
            // A damaged one says what it can.
            let _ = self.witness.everything_of(&Held { node: name, read: &store });
        }
        Ok(fs::remove_dir_all(&database)?)
    }
    /// A node that lost its database and nothing else.
    pub(super) async fn wipe(&mut self, node: usize) -> Result<(), Fault> {
        let name = self.name(node)?;
        self.kill(&name)?;
        self.forget(&name)?;
        self.start(&name).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_harm_changes_something() {
        let bytes: Vec<u8> = (0..2_000u32).map(|number| u8::try_from(number % 251 + 1).unwrap_or(1)).collect();
        for at in [0, 1, 77, 0x1234_5678_9abc_def0, u64::MAX] {
            for harm in [Harm::Flip, Harm::Zero, Harm::Cut, Harm::Gone] {
                assert_ne!(harmed(Part::Table, harm, at, &bytes).as_ref(), Some(&bytes), "{harm:?} at {at}");
            }
        }
        assert_eq!(harmed(Part::Table, Harm::Gone, 5, &bytes), None);
    }

    #[test]
    fn one_slot_is_harmed_and_the_other_is_not() {
        let slot = |sequence| {
            use laufzettel_chain::ids::{Address, NetworkId};
            use laufzettel_node::consensus::watermark::Mark;
            let (network, address) = (NetworkId([1; 32]), Address([2; 16]));
            Watermark { sequence, network, address, mark: Mark::NOTHING, log_position: 9 }.slot().1
        };
        let mut bytes = vec![0; SLOT_OFFSET];
        bytes.splice(..SLOT_BYTES, slot(6));
        bytes.extend(slot(7));
        let read = |bytes: &[u8], offset: usize| {
            let slot = bytes.get(offset..offset + SLOT_BYTES).unwrap_or_default();
            Watermark::read_slot(slot).map(|found| found.sequence)
        };
        for harm in [Harm::Flip, Harm::Zero, Harm::Cut, Harm::Gone] {
            let newer = harmed_slots(Part::WatermarkNewer, harm, 4, &bytes);
            assert_eq!((read(&newer, 0), read(&newer, SLOT_OFFSET)), (Some(6), None), "{harm:?}");
            let older = harmed_slots(Part::WatermarkOlder, harm, 4, &bytes);
            assert_eq!((read(&older, 0), read(&older, SLOT_OFFSET)), (None, Some(7)), "{harm:?}");
            let both = harmed_slots(Part::WatermarkBoth, harm, 4, &bytes);
            assert_eq!((read(&both, 0), read(&both, SLOT_OFFSET)), (None, None), "{harm:?}");
        }
    }
}
