//! The network of a simulation: some authorities with fixed keys and a small
//! process, as a genesis file.

use std::sync::Arc;

use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ledger::genesis_state;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_contracts::CALENDARS_DE;

use crate::fast;

/// Block time of height 0.
pub(crate) const START_MS: u64 = 1_790_000_000_000;

const DEFINITION: &str = r#"language = 1
process = { id = "small", version = 1, label_de = "Klein", label_en = "Small" }
track.main = { number = 16, label_de = "Haupt", label_en = "Main" }
role.office = { label_de = "Amt", label_en = "Office" }

[status.step]
label_de = "s"
label_en = "s"
track = "main"
kind = "reports"
precision = "day"
reported_by = ["office"]
repeatable = true
basis = "x"
"#;

/// The keys of one authority.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// Whether it votes; else it only follows.
    pub(crate) validator: bool,
    pub(crate) consensus: SigningKey,
    pub(crate) node: SigningKey,
    pub(crate) service: SigningKey,
    /// A second person of it; registered where rules are run.
    pub(crate) person: SigningKey,
    /// A person who votes; registered where there are changes by vote.
    pub(crate) governance: SigningKey,
}

/// By number, what members may do in the process that hurries, where it is run. Two hold some roles.
const ROLES: [&str; 8] = [
    r#""asylum_office""#,
    r#""foreigners_authority""#,
    r#""court""#,
    r#""federal_police", "foreigners_authority""#,
    r#""asylum_office""#,
    r#""court""#,
    r#""federal_police""#,
    r#""asylum_office""#,
];

/// Some members, always the same; the first ones validate.
pub(crate) fn members(count: usize, validators: usize) -> Vec<Member> {
    let key = |number: usize, purpose: &str| {
        SigningKey::from_bytes(blake3::hash(format!("sim {number} {purpose}").as_bytes()).as_bytes())
    };
    let member = |number| Member {
        id: format!("node-{}", char::from(b'a'.saturating_add(u8::try_from(number).unwrap_or(0)))),
        validator: number < validators,
        consensus: key(number, "consensus"),
        node: key(number, "node"),
        service: key(number, "service"),
        person: key(number, "person"),
        governance: key(number, "governance"),
    };
    (0..count).map(member).collect()
}

/// What a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// Protocol version 1.
    Plain,
    /// Protocol version 2, with the process that hurries.
    Rules,
    /// The same, with members that vote.
    Votes,
}

/// The genesis of these members.
pub(crate) fn genesis(members: &[Member], runs: Runs) -> Arc<Genesis> {
    let parse = |root: &str| match Genesis::parse(text(members, root, runs).as_bytes()) {
        Ok(genesis) => genesis,
        Err(error) => panic!("the simulation's genesis: {error}"),
    };
    // The root is that of the content, which the root is no part of.
    let draft = parse(&"0".repeat(64));
    let root = match genesis_state(&draft, &MemStore::default()) {
        Ok((root, _)) => blake3::Hash::from_bytes(root).to_hex(),
        Err(error) => panic!("the simulation's genesis: {error}"),
    };
    Arc::new(parse(&root))
}

fn text(members: &[Member], root: &str, runs: Runs) -> String {
    let rules = runs != Runs::Plain;
    let protocol = if rules { "protocol = 2\n" } else { "" };
    let mut text = format!("version = 1\n{protocol}name = \"sim\"\ntime_ms = {START_MS}\nstate_root = \"{root}\"\n");
    for (member, more) in members.iter().zip(ROLES) {
        let (id, more) = (&member.id, if rules { format!(", {more}") } else { String::new() });
        text += &format!("[[authority]]\nid = \"{id}\"\nlabel_de = \"{id}\"\nlabel_en = \"{id}\"\n");
        text += &format!("roles = [\"office\"{more}]\nhosted_by = \"{id}\"\n");
        let person = rules.then_some(("person", &member.person));
        let voter = (runs == Runs::Votes).then_some(("governance", &member.governance));
        let keys = [("consensus", &member.consensus), ("node", &member.node), ("service", &member.service)];
        for (purpose, key) in keys.into_iter().chain(person).chain(voter) {
            let public = blake3::Hash::from_bytes(key.verifying_key().to_bytes()).to_hex();
            text += &format!("[[authority.key]]\npurpose = \"{purpose}\"\npublic = \"{public}\"\n");
        }
    }
    for member in members.iter().filter(|member| member.validator) {
        text += &format!("[[validator]]\nauthority = \"{}\"\npower = 1\n", member.id);
    }
    text += &format!("[[definition]]\ntext = '''\n{DEFINITION}'''\n");
    if rules {
        text += &format!("[[definition]]\ntext = '''\n{}'''\n", fast::TEXT);
        text += &format!("[[calendar]]\ntext = '''\n{CALENDARS_DE}'''\n");
    }
    text
}
