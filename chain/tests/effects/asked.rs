//! What is asked of a store beside the newest state: a case as it was known at a height, the rows of inboxes without
//! their cases, and what a draft would change.

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::index::waiting::Waiting;
use laufzettel_chain::index::{self, Find};
use laufzettel_chain::query::{self, CaseEffects, Draft, Inbox};
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_contracts::effect::{Became, Difference, EffectKind, Effects, Past};
use laufzettel_contracts::{CALENDARS_DE, Calendars, Definition};
use proptest::prelude::*;

use crate::fixture::{AUTHORITIES, HOUR_MS, case, commit};
use crate::random::{history, played};
use crate::world::{STOP, Scene, genesis, open};

/// What the store of each height said, by playing the blocks once more.
pub(crate) fn heights(scene: &Scene) -> Vec<[Option<CaseEffects>; 2]> {
    let store = Arc::new(MemStore::default());
    let mut ledger = open(store.clone());
    let mut seen = Vec::new();
    for block in &scene.blocks {
        let executed = ledger.validate(block).expect("valid");
        commit(&mut ledger, block, executed);
        let time_ms = block.header.time_ms;
        seen.push([1, 2].map(|number| {
            query::effects(store.as_ref(), &genesis().registry, &case(number), time_ms).expect("memory")
        }));
    }
    seen
}

/// The one effect of a row among those of its case, alone.
pub(crate) fn alone(effects: &Effects, id: &laufzettel_contracts::effect::EffectId) -> Effects {
    let mut one = Effects { as_of_ms: effects.as_of_ms, ..Effects::default() };
    one.tasks.extend(effects.tasks.iter().filter(|task| task.origin.id == *id).cloned());
    one.notices.extend(effects.notices.iter().filter(|notice| notice.origin.id == *id).cloned());
    one.deadlines.extend(effects.deadlines.iter().filter(|deadline| deadline.origin.id == *id).cloned());
    one
}

fn draft(text: &str) -> Draft {
    let definition = Definition::check(text).expect("sound").definition;
    Draft::new(&genesis().registry, Some(definition), None, 0)
}

fn tried(scene: &Scene, draft: &Draft, number: u8) -> (Difference, u64, u64) {
    let tried = draft.load(scene.store.as_ref(), &genesis().registry, &case(number), (u64::MAX, None)).expect("memory");
    let tried = tried.expect("open, and of its id");
    let (now, drafted) = (tried.now(scene.now()), tried.draft(scene.now()));
    let stored = scene.effects_of(case(number)).effects;
    assert_eq!(now.effects(), &stored, "what is compared with is what the ledger shows");
    (tried.compare(&now, &drafted), now.work, drafted.work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_case_is_known_again_as_it_was_at_each_height(history in history()) {
        let scene = played(&history);
        let (read, registry) = (scene.store.as_ref(), &genesis().registry);
        for (block, seen) in scene.blocks.iter().zip(heights(&scene)) {
            let (height, time_ms) = (block.header.height, block.header.time_ms);
            for (number, seen) in [1, 2].into_iter().zip(seen) {
                let known = query::known_at(read, registry, &case(number), height).expect("memory");
                prop_assert_eq!(known.is_some(), seen.is_some());
                let (Some(mut known), Some(seen)) = (known, seen) else { continue };
                known.case.bring(time_ms);
                let living = known.case.living().expect("of language 2");
                prop_assert_eq!(living.history(), &seen.history);
                prop_assert_eq!(living.effects(), &seen.effects);
                prop_assert_eq!(known.erased, 0);
            }
            // The block of an instant is the last one not after it.
            let newest = scene.blocks.len() as u64;
            prop_assert_eq!(query::height_at(read, newest, time_ms).expect("memory"), Some(height));
            prop_assert_eq!(query::height_at(read, newest, time_ms - 1).expect("memory"), (height > 1).then_some(height - 1));
        }
    }

    /// What a list shows of a row is what the case says, also a while after the row was written.
    #[test]
    fn a_row_of_an_inbox_tells_what_its_case_tells(history in history(), later_hours in 0..500u64) {
        let scene = played(&history);
        let registry = &genesis().registry;
        let calendars = registry.calendars.as_ref().expect("protocol 2");
        for (authority, _) in AUTHORITIES.iter().map(|one| (one.0, ())) {
            for list in [Inbox::Tasks, Inbox::Notices, Inbox::Deadlines] {
                for row in query::inbox(scene.store.as_ref(), authority, list, None, 1_000).expect("memory") {
                    let waiting = Waiting::read(&row.bytes).expect("written by this version");
                    prop_assert_eq!((waiting.definition.as_str(), waiting.version), ("stop", 1));
                    let whole = scene.effects_of(row.case);
                    let (effects, kept) = waiting.clone().effects(calendars, &registry.directory, scene.now());
                    prop_assert_eq!(&effects, &alone(&whole.effects, &row.effect));
                    let of: Vec<&Past> = kept.past().values().map(AsRef::as_ref).collect();
                    prop_assert_eq!(of, vec![whole.history.past()[&row.effect].as_ref()]);
                    // Nothing but time passes until something is due.
                    let until = CaseRow::load(scene.store.as_ref(), &row.case).expect("memory").expect("open").next_due_ms();
                    let later = scene.now() + later_hours * HOUR_MS;
                    if until.is_none_or(|until| later < until) {
                        let whole = query::effects(scene.store.as_ref(), registry, &row.case, later).expect("memory").expect("open");
                        let (effects, _) = waiting.effects(calendars, &registry.directory, later);
                        prop_assert_eq!(effects, alone(&whole.effects, &row.effect));
                    }
                }
            }
        }
    }

    #[test]
    fn a_draft_that_is_the_definition_in_force_changes_nothing(history in history()) {
        let scene = played(&history);
        for number in [1, 2] {
            let (difference, now, drafted) = tried(&scene, &draft(STOP), number);
            prop_assert!(difference.is_empty(), "{:?}", difference);
            prop_assert_eq!(now, drafted);
        }
        // The calendars in force as a draft of calendars neither.
        let calendars = Calendars::check(CALENDARS_DE).expect("sound").calendars;
        let (difference, ..) = tried(&scene, &Draft::new(&genesis().registry, None, Some(calendars), scene.now()), 1);
        prop_assert!(difference.is_empty(), "{:?}", difference);
    }

    /// Pages of cases by what is due, however small, hold what the rows of the cases say.
    #[test]
    fn cases_are_found_by_what_is_due(history in history(), after_hours in 0..900u64) {
        let scene = played(&history);
        let before_ms = scene.now() + after_hours * HOUR_MS;
        let row = |id: &CaseId| CaseRow::load(scene.store.as_ref(), id).expect("memory").expect("open");
        let all = index::cases(scene.store.as_ref(), Find::All, None, 10).expect("memory");
        let due: Vec<CaseId> = all.into_iter().filter(|id| row(id).next_due_ms().is_some_and(|due_ms| due_ms < before_ms)).collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = index::cases(scene.store.as_ref(), Find::DueBefore(before_ms), after.as_ref(), 1).expect("memory");
            let Some(last) = page.last() else { break };
            after = Some(*last);
            found.extend(page);
        }
        prop_assert_eq!(found, due);
    }
}

#[test]
fn a_draft_of_another_id_or_version_is_about_no_case() {
    let scene = Scene::opened();
    let (read, registry) = (scene.store.as_ref(), &genesis().registry);
    let other = draft(&STOP.replace(r#"id = "stop""#, r#"id = "go""#));
    assert!(other.load(read, registry, &case(1), (u64::MAX, None)).expect("memory").is_none());
    assert!(draft(STOP).load(read, registry, &case(1), (u64::MAX, Some(2))).expect("memory").is_none());
    assert!(draft(STOP).load(read, registry, &case(1), (u64::MAX, Some(1))).expect("memory").is_some());
    assert!(draft(STOP).load(read, registry, &case(9), (u64::MAX, None)).expect("memory").is_none());
}

#[test]
fn a_new_task_in_a_draft_is_added_where_its_status_was_reported() {
    let mut scene = Scene::opened();
    scene.report(crate::world::COURT, crate::world::relief(0));
    let text = STOP.replace("name = \"stop\"\n", "name = \"stop\"\nopen = [{ task = \"check\", for = \"office\" }]\n");
    let (difference, now, drafted) = tried(&scene, &draft(&text), 1);
    let told: Vec<_> = difference.changes.iter().map(|one| (one.kind, one.code.as_str(), one.became)).collect();
    assert_eq!(told, [(EffectKind::Task, "check", Became::Added)]);
    let office: BTreeSet<String> = difference.changes[0].concerns.iter().map(ToString::to_string).collect();
    assert_eq!(office, BTreeSet::from([AUTHORITIES[crate::world::OFFICE].0.to_owned()]));
    assert_eq!((now, drafted), (4, 4), "two for the report and the act, twice for the effects");
}
