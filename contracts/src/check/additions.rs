//! Reads what language 2 adds to a definition, in the order in which its parts know one another: names first, then
//! regimes, deadlines and the other parts, then guards and rules, then what all of it amounts to. Must never be called
//! for a text in language 1.

use super::conditions::Conditions;
use super::guards::compile_guards;
use super::names::{Names, Part};
use super::rules::read_rules;
use super::section::{Located, Section};
use super::status::{Draft, Known};
use super::{causes, deadlines, parts, regimes, uses};
use crate::definition::Rules;
use crate::expression::Schema;
use crate::finding::Findings;
use crate::name::Code;
use std::collections::BTreeMap;

type Sections<'t> = Vec<(Located<Code>, Section<'t>)>;

/// Reads all of it, and completes the guards of the statuses.
pub(super) fn read_additions(
    top: &mut Section<'_>,
    known: &mut Known<'_>,
    drafts: &mut [Draft],
    findings: &mut Findings,
) -> Rules {
    let before = findings.error_count();
    let mut names = Names::new(known, drafts);
    let mut open = |key, part, findings: &mut Findings| -> Sections<'_> {
        let sections = top.named_sections(key, findings);
        let places = sections.iter().map(|(code, _)| (code.value.clone(), code.at)).collect();
        names.parts.insert(part, places);
        sections
    };
    let deadlines = open("deadline", Part::Deadline, findings);
    let tasks = open("task", Part::Task, findings);
    let locks = open("lock", Part::Lock, findings);
    let markers = open("marker", Part::Marker, findings);
    let notices = open("notice", Part::Notice, findings);
    check_shared_names(&names, findings);

    let regimes = regimes::read_regimes(top, &names, findings);
    let mut rules = Rules {
        deadlines: deadlines::read_deadlines(deadlines, &mut names, &regimes.all, findings),
        tasks: parts::read_tasks(tasks, &mut names, findings),
        notices: parts::read_notices(notices, findings),
        locks: parts::read_locks(locks, &mut names, findings),
        markers: parts::read_markers(markers, &names, findings),
        decided_by: regimes.decided_by,
        regimes: regimes.all,
        ..Rules::default()
    };
    let openable = openable(&names).into_keys().cloned();
    let codes = rules.regimes.iter().map(|regime| regime.code.clone());
    let statuses = drafts.iter().map(|draft| &draft.status);
    let schema = Schema::new(statuses, known.outcome_lists, openable, codes);
    let conditions = Conditions { schema, whole: known.whole };
    compile_guards(drafts, &conditions, findings);
    let rule_drafts = read_rules(top, &names, &rules, &conditions, findings);
    causes::check_causes(&rule_drafts, drafts, findings);
    // What is left without use because of a fault elsewhere would mislead.
    if findings.error_count() == before {
        uses::check_uses(&rules, &rule_drafts, drafts, &names, findings);
    }
    known.outside = std::mem::take(&mut names.outside);
    rules.rules = rule_drafts.into_iter().map(|draft| draft.rule).collect();
    rules.indexed()
}

/// What `open(x)` may ask about, with what it is and where it stands.
fn openable<'n>(names: &'n Names<'_>) -> BTreeMap<&'n Code, (Part, usize)> {
    let parts = names.parts.iter().filter(|(part, _)| **part != Part::Notice);
    parts.flat_map(|(part, all)| all.iter().map(|(code, at)| (code, (*part, *at)))).collect()
}

/// `open(x)` means one thing.
fn check_shared_names(names: &Names<'_>, findings: &mut Findings) {
    let mut seen: BTreeMap<&Code, (Part, usize)> = BTreeMap::new();
    for (part, all) in names.parts.iter().filter(|(part, _)| **part != Part::Notice) {
        for (code, at) in all {
            let Some((other, other_at)) = seen.insert(code, (*part, *at)) else { continue };
            let (first, second, place) = if other_at < *at { (other, *part, *at) } else { (*part, other, other_at) };
            let message = format!("`{code}` is the name of a {} and of a {}", first.word(), second.word());
            findings.error(place, message, format!("give it another name: `open({code})` would mean both"));
        }
    }
}
