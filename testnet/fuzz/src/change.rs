//! Changes of a process: two versions that differ by lines, who must agree to the second, mappings that move cases to it,
//! and what it changes in a case. A text is a shipped one whose lines the input edits, so that what is compared is mostly
//! sound and hardly ever the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::ids::{Address, CaseId, ItemDigest};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::limits;
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::state::effects::effect_id;
use laufzettel_chain::state::governance::{Proposal, Register, Standing};
use laufzettel_chain::validators::{Validator, ValidatorSet};
use laufzettel_contracts::effect::{
    Became, Cause, Difference, Directory, Effects, History, Known, Places, Side, World, compare, effects,
};
use laufzettel_contracts::{
    ASYL_DE, ASYL_DE_2, AttributeType, AuthorityId, CALENDARS_DE, Calendars, CaseFold, Code, Definition, Entry,
    Position, Precision, Report, Value, When, diff,
};

use super::gains;

/// The texts that are edited.
const TEXTS: [&str; 4] = [
    include_str!("../../src/fast.toml"),
    include_str!("../../../contracts/tests/effects/process.toml"),
    ASYL_DE_2,
    ASYL_DE,
];
/// Lines edited and reports made of one input: each text is checked once for every input.
const EDITS_MAX: usize = 12;
const REPORTS_MAX: usize = 24;
/// The day of the first report: 1 June 2026.
const DAY: i32 = 20_605;

static DEFINITIONS: LazyLock<Vec<Definition>> =
    LazyLock::new(|| TEXTS.iter().map(|text| Definition::check(text).unwrap().definition).collect());
static CALENDARS: LazyLock<Calendars> = LazyLock::new(|| Calendars::check(CALENDARS_DE).unwrap().calendars);

/// Bytes as choices; zeros when there are none left.
pub struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    fn of(&mut self, count: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number.checked_rem(count).unwrap_or(0)
    }
}

/// What a line says after `=`.
fn said(line: &str) -> &str {
    line.split_once('=').map_or(line, |(_, said)| said)
}

/// The first word in quotes.
fn word(line: &str) -> Option<&str> {
    line.split('"').nth(1).filter(|word| !word.is_empty())
}

/// A text with some lines gone, copied, exchanged, or saying what others say.
fn edited(text: &str, choices: &mut Choices<'_>) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..usize::from(choices.byte()) % (EDITS_MAX + 1) {
        let (a, b) = (choices.of(lines.len()), choices.of(lines.len()));
        let (Some(first), Some(second)) = (lines.get(a).cloned(), lines.get(b).cloned()) else { break };
        match choices.byte() % 6 {
            0 => drop(lines.remove(a)),
            1 => lines.insert(a, second),
            2 => lines.swap(a, b),
            3 => lines[a] = format!("{}={}", first.split('=').next().unwrap_or_default(), said(&second)),
            4 => {
                if let (Some(from), Some(to)) = (word(&first), word(&second)) {
                    lines[a] = first.replace(from, to);
                }
            }
            // One name for another, everywhere.
            _ => {
                if let Some(from) = word(&first).filter(|from| Code::new(from).is_ok()) {
                    let to = format!("{from}_x");
                    lines = lines.iter().map(|line| line.replace(from, &to)).collect();
                }
            }
        }
    }
    lines.join("\n")
}

/// Two versions of one process: a shipped one, as it is or edited, and another edit of it.
fn versions(choices: &mut Choices<'_>) -> Option<(Definition, Definition)> {
    let which = choices.of(TEXTS.len());
    let (text, mut old) = (*TEXTS.get(which)?, DEFINITIONS.get(which)?.clone());
    if choices.byte() % 4 == 3 {
        old = Definition::check(&edited(text, choices)).ok()?.definition;
    }
    let new = Definition::check(&edited(text, choices)).ok()?.definition;
    Some((old, new))
}

/// Every role of these definitions is held by an authority, some by two.
fn directory(definitions: [&Definition; 2]) -> Directory {
    let ids = ["aa", "bb", "cc", "dd", "ee"].map(|id| AuthorityId::new(id).unwrap());
    let roles: BTreeSet<Code> = definitions.iter().flat_map(|one| one.roles()).map(|role| role.code.clone()).collect();
    let holders = (0..).zip(roles).flat_map(|(number, role): (usize, Code)| {
        let second = (number % 2 == 0).then(|| (role.clone(), ids[(number + 2) % 5].clone()));
        std::iter::once((role, ids[number % 5].clone())).chain(second)
    });
    Directory::new(holders)
}

/// Who must agree to a change, and whether a mapping carries cases: as the plain comparison of the network's checker says.
pub fn diff(bytes: &[u8]) {
    let choices = &mut Choices(bytes);
    let Some((old, new)) = versions(choices) else { return };
    let directory = directory([&old, &new]);
    let gained = diff::gains(Some(&old), &new);
    let asked: Vec<AuthorityId> = diff::must_agree(&gained, &directory).into_iter().collect();
    assert_eq!(asked, gains::must_agree(Some(&old), &new, &directory));
    assert!(gained.iter().all(|gain| new.role(gain.role.as_str()).is_some()), "{gained:?}");
    assert_eq!(diff::gains(Some(&new), &new), BTreeSet::new(), "what stays is no gain");
    // What is new to the network is a gain altogether.
    assert!(gained.is_subset(&diff::gains(None, &new)));
    let mapping = mapping(&old, &new, choices);
    let carries = diff::check_mapping(&old, &new, &mapping);
    assert_eq!(carries.is_ok(), gains::carries(&old, &new, &mapping), "{carries:?}");
    if carries.is_ok() {
        moved(&old, &new, &directory, &mapping, choices);
    }
}

/// Every status becomes the one of its name, or for some another.
fn mapping(old: &Definition, new: &Definition, choices: &mut Choices<'_>) -> BTreeMap<Code, Code> {
    let plain = |of: &Definition| -> Vec<Code> {
        of.statuses().iter().filter(|one| one.ledger_as.is_none()).map(|one| one.code.clone()).collect()
    };
    let there = plain(new);
    let mut mapping: BTreeMap<Code, Code> = BTreeMap::new();
    for from in plain(old) {
        let renamed = Code::new(&format!("{from}_x")).ok().filter(|to| there.contains(to));
        let to = renamed.unwrap_or_else(|| from.clone());
        mapping.insert(from, to);
    }
    for _ in 0..choices.byte() % 4 {
        let (from, to) = (choices.of(mapping.len()), choices.of(there.len()));
        if let (Some(value), Some(to)) = (mapping.values_mut().nth(from), there.get(to)) {
            *value = to.clone();
        }
    }
    if choices.byte() % 8 == 7 {
        mapping.pop_last();
    }
    mapping
}

/// Reports that any client could have sent, and others.
fn reports(of: &Definition, holders: &Directory, choices: &mut Choices<'_>) -> Vec<Entry> {
    let count = choices.of(REPORTS_MAX + 1);
    let one = |number: usize, choices: &mut Choices<'_>| {
        let status = of.statuses().get(choices.of(of.statuses().len()))?;
        let day = DAY + i32::from(choices.byte() % 90);
        let occurred = match status.precision {
            Precision::Day => When::Day(day),
            Precision::Instant => {
                When::Instant(u64::try_from(day).ok()? * 86_400_000 + u64::from(choices.byte()) * 337_001)
            }
        };
        let mut report = Report::new(status.code.clone(), occurred);
        report.effective = (choices.byte() % 4 == 0).then(|| day + i32::from(choices.byte() % 30));
        let outcomes =
            status.outcomes.as_ref().and_then(|list| of.outcome_lists().iter().find(|one| one.code == *list));
        if let Some(list) = outcomes.filter(|list| !list.outcomes.is_empty()) {
            report.outcome = list.outcomes.get(choices.of(list.outcomes.len())).map(|outcome| outcome.code.clone());
        }
        for attribute in &status.attributes {
            if let AttributeType::Authority = attribute.holds {
                let named = ["aa", "bb", "cc", "dd", "ee", "zz"][choices.of(6)];
                report.attributes.insert(attribute.code.clone(), Value::Authority(AuthorityId::new(named).ok()?));
            }
        }
        let authors: Vec<&AuthorityId> = status.reported_by.iter().flat_map(|role| holders.holders(role)).collect();
        let author = (*authors.get(choices.of(authors.len()))?).clone();
        let position = Position { height: number as u64 + 1, ..Position::default() };
        Some(Entry { slot: [number as u8 + 1; 32], position, author, report })
    };
    (0..count).filter_map(|number| one(number, choices)).collect()
}

fn folded(of: &Definition, holders: &Directory, case: &CaseFold, history: &History, as_of_ms: u64) -> Effects {
    let name = |rule: &Code, cause: &Cause, occurrence: u32| effect_id(&CaseId([1; 16]), rule, cause, occurrence);
    let world = World { definition: of, calendars: &CALENDARS, directory: holders };
    effects(&world, case, &Known { history, name: &name, as_of_ms })
}

/// Cases that move keep their reports; what they bring is what a case of the new version with these reports brings, but
/// for what is remembered.
fn moved(
    old: &Definition,
    new: &Definition,
    holders: &Directory,
    mapping: &BTreeMap<Code, Code>,
    choices: &mut Choices<'_>,
) {
    let plain = |entry: &Entry| old.status(entry.report.status.as_str()).is_some_and(|one| one.ledger_as.is_none());
    let mut entries = reports(old, holders, choices);
    entries.retain(plain);
    let as_of_ms = now(choices);
    let before = CaseFold::restore(old, entries.clone(), BTreeMap::new());
    let given = folded(old, holders, &before, &History::new(), as_of_ms);
    let mut history = History::new();
    history.advance(&World { definition: old, calendars: &CALENDARS, directory: holders }, &given);
    for entry in &mut entries {
        entry.report.status = mapping[&entry.report.status].clone();
        assert!(new.status(entry.report.status.as_str()).is_some());
    }
    let after = CaseFold::restore(new, entries.clone(), BTreeMap::new());
    let mut arrived = CaseFold::new();
    for entry in &entries {
        arrived.report(new, entry.clone());
    }
    assert_eq!((after.entries(), after.state()), (arrived.entries(), arrived.state()));
    let moved = folded(new, holders, &after, &history, as_of_ms);
    let fresh = folded(new, holders, &arrived, &History::new(), as_of_ms);
    assert_eq!(moved.locks.len(), fresh.locks.len(), "a lock follows from reports alone");
    let world = World { definition: new, calendars: &CALENDARS, directory: holders };
    history.advance(&world, &moved);
    let (known, once) = (history.past().len(), history.clone());
    history.advance(&world, &moved);
    assert_eq!((history.past().len(), &history), (known, &once), "what is known is known once");
}

fn now(choices: &mut Choices<'_>) -> u64 {
    (DAY as u64 + choices.of(400) as u64) * 86_400_000 + 43_200_000
}

/// What a draft changes in a case: nothing if it is what is in force; turned round, what came goes and what went comes.
pub fn compared(bytes: &[u8]) {
    let choices = &mut Choices(bytes);
    let Some((now_in_force, draft)) = versions(choices) else { return };
    let holders = directory([&now_in_force, &draft]);
    let (entries, as_of_ms) = (reports(&now_in_force, &holders, choices), now(choices));
    let fold = |of: &Definition| CaseFold::restore(of, entries.clone(), BTreeMap::new());
    let (case, drafted) = (fold(&now_in_force), fold(&draft));
    let history = History::new();
    let before = folded(&now_in_force, &holders, &case, &history, as_of_ms);
    let after = folded(&draft, &holders, &drafted, &history, as_of_ms);
    let now = Side { definition: &now_in_force, directory: &holders, case: &case, effects: &before };
    let then = Side { definition: &draft, directory: &holders, case: &drafted, effects: &after };
    assert!(compare(&now, &now).is_empty());
    let (there, back) = (compare(&now, &then), compare(&then, &now));
    let count = |of: &Difference, became| of.changes.iter().filter(|one| one.became == became).count();
    assert_eq!(count(&there, Became::Added), count(&back, Became::Gone));
    assert_eq!(count(&there, Became::Gone), count(&back, Became::Added));
    assert_eq!(count(&there, Became::Moved), count(&back, Became::Moved));
    assert_eq!(count(&there, Became::Turned), count(&back, Became::Turned));
    assert_eq!((&there.departures, &there.healed), (&back.healed, &back.departures));
    distinct(&Places::of(&now_in_force, &draft), &draft);
}

/// No two things that one rule makes have one place.
fn distinct(places: &Places, draft: &Definition) {
    for rule in &draft.rules().rules {
        let made = rule.start.len() + rule.open.len() + rule.notify.len() + rule.lock.len() + rule.mark.len();
        let made = u32::try_from(made).unwrap();
        let found: BTreeSet<u32> = (0..made).map(|place| places.of_effect(&rule.name, place)).collect();
        assert_eq!(found.len(), made as usize, "{}", rule.name);
    }
}

fn validators() -> ValidatorSet {
    let one = |number: u8| {
        let key = SigningKey::from_bytes(&[number + 1; 32]).verifying_key();
        let authority = ["aa", "bb", "cc", "dd"][usize::from(number)].to_owned();
        Validator { address: Address::of(&key), authority, key, power: 1 + u64::from(number) }
    };
    ValidatorSet::new((0..4).map(one).collect()).unwrap()
}

/// Items that propose and vote, as the network takes them; and what the state keeps of them. The first byte chooses.
pub fn vote(bytes: &[u8]) {
    static VALIDATORS: LazyLock<ValidatorSet> = LazyLock::new(validators);
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => {
            if let Some(proposal) = super::canonical::<Proposal>(bytes) {
                counted(&proposal, &VALIDATORS);
            }
        }
        1 => drop(super::canonical::<Register>(bytes).map(|register| {
            let _ = (register.in_force("fast", 7), register.is_ahead("fast", 2, 7));
            register.newest(ProposalKind::Definition, "fast")
        })),
        2 => {
            if let Ok(item) = Item::decode_in(bytes, 2) {
                assert!(bytes.len() <= limits::PROPOSE_ITEM_BYTES_MAX);
                assert!(Item::decode_in(bytes, 1).is_err() || !governs(&item.action), "not of protocol version 1");
                assert_eq!(Item::encode_over(item.blinding, item.case, &item.action, item.over.as_ref()), bytes);
            }
        }
        // What can be said can be sent.
        _ => {
            let choices = &mut Choices(bytes);
            let action = action(choices);
            let item = Item::encode([1; 16], None, &action);
            assert_eq!(Item::decode_in(&item, 2).unwrap().action, action);
        }
    }
}

fn governs(action: &Action) -> bool {
    matches!(action, Action::Propose(_) | Action::Vote { .. })
}

fn action(choices: &mut Choices<'_>) -> Action {
    if choices.byte() % 2 == 0 {
        return Action::Vote { proposal: ItemDigest([choices.byte(); 32]), yes: choices.byte() % 2 == 0 };
    }
    let kind = if choices.byte() % 2 == 0 { ProposalKind::Definition } else { ProposalKind::Calendars };
    let id = |number: usize| AuthorityId::new(&format!("id-{number}")).unwrap();
    let code = |number: usize| Code::new(&format!("code_{number}")).unwrap();
    let must_agree: BTreeSet<AuthorityId> = (0..choices.of(9)).map(|_| id(choices.of(20))).collect();
    let moves = (0..choices.of(9)).map(|_| (code(choices.of(20)), code(choices.of(20)))).collect();
    let (must_agree, effective_height) = (must_agree.into_iter().collect(), choices.of(70_000) as u64);
    let text = choices.0.to_vec();
    let text = if text.is_empty() { b"t".to_vec() } else { text };
    Action::Propose(Box::new(Change { kind, text, effective_height, must_agree, moves }))
}

/// Counted once more by hand.
fn counted(proposal: &Proposal, validators: &ValidatorSet) {
    let power = |yes| -> u128 {
        let all = validators.all().iter();
        let voted = |by: &str| proposal.votes.iter().any(|(id, vote)| id.as_str() == by && vote.yes == yes);
        all.filter(|one| voted(&one.authority)).map(|one| u128::from(one.power)).sum()
    };
    assert_eq!((proposal.power(validators, true), proposal.power(validators, false)), (power(true), power(false)));
    let said =
        |yes| proposal.must_agree.iter().filter(move |by| proposal.votes.get(*by).is_some_and(|one| one.yes == yes));
    let (all, agreed) = (10_u128, said(true).count() == proposal.must_agree.len());
    let expected = match () {
        () if said(false).count() > 0 || 3 * (all - power(false)) <= 2 * all => Standing::Rejected,
        () if agreed && 3 * power(true) > 2 * all => Standing::Adopted,
        () => Standing::Open,
    };
    assert_eq!(proposal.decided(validators), expected);
}
