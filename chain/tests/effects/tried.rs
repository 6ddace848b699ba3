//! Drafts tried on the history as it stood at a height, and in force from a point on: against what each height's store
//! said, and against what the ledger then did when the draft was adopted.

use std::collections::BTreeMap;

use laufzettel_chain::ids::Height;
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::query::{self, Draft, Later, Order, OrderError, Since, Tried};
use laufzettel_chain::receipt::Code;
use laufzettel_chain::registry::Registry;
use laufzettel_contracts::diff::MappingFault;
use laufzettel_contracts::effect::{Became, EffectKind, Effects};
use laufzettel_contracts::{CALENDARS_DE, Calendars, Code as Name, Definition};
use proptest::prelude::*;

use crate::asked::heights;
use crate::fixture::{MINUTE_MS, case, code, on_day};
use crate::governance::{calendars, change, plain, renaming};
use crate::joined::join;
use crate::random::{history, played};
use crate::world::{COURT, FOREIGNERS, OFFICE, STOP, Scene, with_outcome};

fn definition(text: &str) -> Definition {
    Definition::check(text).expect("sound").definition
}

fn order(height: Height, moves: Option<&BTreeMap<Name, Name>>) -> Order<'_> {
    Order { height, since: Since::Height(height + 1), since_ms: u64::MAX, moves }
}

/// A text tried at a height, from then on, with a mapping.
fn draft(registry: &Registry, text: &str, order: &Order<'_>) -> Draft {
    let draft = Draft::new(registry, Some(definition(text)), None, 0);
    draft.in_force(registry, order).expect("it could come into force so")
}

fn load(scene: &Scene, draft: &Draft, number: u8, height: Height) -> Option<Tried> {
    let registry = scene.ledger.registry();
    draft.load(scene.store.as_ref(), registry, &case(number), (height, None)).expect("memory")
}

fn adopt(scene: &mut Scene, proposed: Change) {
    scene.ahead_ms = 0;
    let (item, code) = scene.propose(OFFICE, proposed);
    assert_eq!(code, Code::Accepted);
    for by in [FOREIGNERS, COURT] {
        assert_eq!(scene.vote(by, item, true), Code::Accepted);
    }
}

/// Blocks until all cases are where the change brings them.
fn settle(scene: &mut Scene) {
    let time_ms = scene.now() + 2 * MINUTE_MS;
    scene.block(time_ms, &[]);
    while scene.ledger.registry().register.recount.is_some() {
        let time_ms = scene.now() + 1;
        scene.block(time_ms, &[]);
    }
}

/// What stands on the ledger as of an instant.
fn stored(scene: &Scene, number: u8, as_of_ms: u64) -> Effects {
    let found = query::effects(scene.store.as_ref(), scene.ledger.registry(), &case(number), as_of_ms);
    found.expect("memory").expect("open").effects
}

/// What it comes to with the draft in force.
fn later(tried: &Tried, as_of_ms: u64) -> Effects {
    match tried.later(as_of_ms).expect("tried so") {
        Later::Opened => tried.draft(as_of_ms).effects().clone(),
        Later::AsNow => tried.now(as_of_ms).effects().clone(),
        Later::Otherwise(folded) => folded.effects().clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_every_height_a_draft_is_compared_with_what_that_height_showed(history in history()) {
        let scene = played(&history);
        let same = Draft::new(scene.ledger.registry(), Some(definition(STOP)), None, 0);
        for (block, seen) in scene.blocks.iter().zip(heights(&scene)) {
            let (height, time_ms) = (block.header.height, block.header.time_ms);
            for (number, seen) in [1, 2].into_iter().zip(seen) {
                let tried = load(&scene, &same, number, height);
                prop_assert_eq!(tried.is_some(), seen.is_some());
                let (Some(tried), Some(seen)) = (tried, seen) else { continue };
                let (now, drafted) = (tried.now(time_ms), tried.draft(time_ms));
                prop_assert_eq!(now.effects(), &seen.effects);
                prop_assert!(tried.compare(&now, &drafted).is_empty());
                prop_assert!((tried.later(time_ms).is_none(), tried.erased) == (true, 0));
            }
        }
    }

    /// A node that joined, and does not keep every height, says the same of those that it keeps.
    #[test]
    fn a_joined_node_says_the_same_of_the_heights_it_keeps(history in history()) {
        let scene = played(&history);
        let (joined, registry) = (join(&scene), scene.ledger.registry());
        let text = plain(2).replace("PT48H", "PT60H");
        let trial = Draft::new(registry, Some(definition(&text)), None, 0);
        for block in &scene.blocks {
            let (height, time_ms) = (block.header.height, block.header.time_ms);
            if query::bare_header(joined.as_ref(), height).expect("memory").is_none() {
                continue;
            }
            for number in [1, 2] {
                let there = trial.load(joined.as_ref(), registry, &case(number), (height, None)).expect("memory");
                let folded = |tried: &Tried| [tried.now(time_ms), tried.draft(time_ms)].map(|one| one.effects().clone());
                let here = load(&scene, &trial, number, height);
                prop_assert_eq!(there.as_ref().map(folded), here.as_ref().map(folded));
            }
        }
    }

    /// Whatever happened: what trying a mapping says is what the ledger does when it is adopted.
    #[test]
    fn cases_come_to_where_the_ledger_then_moves_them(history in history()) {
        let mut scene = played(&history);
        let height = scene.ledger.tip().header.height;
        let proposed = renaming(2);
        let text = String::from_utf8(proposed.text.clone()).expect("a text");
        let only_renamed = BTreeMap::from([(code("registered"), code("entered"))]);
        let trial = draft(scene.ledger.registry(), &text, &order(height, Some(&only_renamed)));
        prop_assert_eq!(trial.faults(), &[]);
        adopt(&mut scene, proposed);
        settle(&mut scene);
        let as_of_ms = scene.now();
        for number in [1, 2] {
            let tried = load(&scene, &trial, number, height).expect("open");
            prop_assert!(matches!(tried.later(as_of_ms), Some(Later::Otherwise(_))));
            prop_assert_eq!(later(&tried, as_of_ms), stored(&scene, number, as_of_ms));
            prop_assert!(tried.unmapped.is_empty());
        }
    }

    #[test]
    fn what_runs_is_counted_as_the_ledger_then_counts_it(history in history()) {
        let mut scene = played(&history);
        let height = scene.ledger.tip().header.height;
        adopt(&mut scene, Change { kind: ProposalKind::Calendars, ..change(calendars(2), &[]) });
        settle(&mut scene);
        let (registry, as_of_ms) = (scene.ledger.registry(), scene.now());
        let since_ms = registry.register.adopted[0].since.expect("they count").time_ms;
        let other = Calendars::check(&calendars(2)).expect("sound").calendars;
        let order = Order { since_ms, ..order(height, None) };
        let trial = Draft::new(registry, None, Some(other), 0).in_force(registry, &order).expect("newer");
        for number in [1, 2] {
            let tried = load(&scene, &trial, number, height).expect("open");
            prop_assert_eq!(later(&tried, as_of_ms), stored(&scene, number, as_of_ms));
        }
    }
}

/// Cases 1 and 2 opened and registered at heights 1 to 4.
fn two() -> Scene {
    let mut scene = Scene::opened();
    scene.report(OFFICE, on_day("registered", -3));
    assert_eq!(scene.opens(2, 1), Code::Accepted);
    let report = scene.item(case(2), &laufzettel_chain::item::Action::Report(on_day("registered", -3)), None);
    assert_eq!(scene.send(OFFICE, vec![report])[0].code, Code::Accepted);
    assert_eq!(scene.ledger.tip().header.height, 4);
    scene
}

#[test]
fn cases_from_before_keep_their_version_unless_they_are_mapped() {
    let scene = two();
    let (registry, now) = (scene.ledger.registry(), scene.now());
    let text = plain(2).replace("PT48H", "PT60H");
    let opened_ms = scene.blocks[2].header.time_ms;
    for since in [Since::Height(3), Since::Instant(opened_ms)] {
        let trial = draft(registry, &text, &Order { since, ..order(4, None) });
        let stands = [1, 2].map(|number| load(&scene, &trial, number, 4).expect("open").later(now).expect("tried so"));
        assert!(matches!(stands, [Later::AsNow, Later::Opened]), "{since:?}: {stands:?}");
    }
    let trial = draft(registry, &text, &Order { since: Since::Instant(opened_ms + 1), ..order(4, None) });
    assert!(matches!(load(&scene, &trial, 2, 4).expect("open").later(now), Some(Later::AsNow)));
    // Moved: its period is another, as if always and from now on; what is mapped to itself is not lost.
    let (none, from) = (BTreeMap::new(), order(4, None));
    let trial = draft(registry, &text, &Order { moves: Some(&none), ..from });
    for number in [1, 2] {
        let tried = load(&scene, &trial, number, 4).expect("open");
        let Some(Later::Otherwise(moved)) = tried.later(now) else { panic!("it moves") };
        assert_eq!(moved.definition().version(), 2);
        for drafted in [*moved, tried.draft(now)] {
            let difference = tried.compare(&tried.now(now), &drafted);
            let told: Vec<_> = difference.changes.iter().map(|one| (one.kind, one.became)).collect();
            assert_eq!(told, [(EffectKind::Deadline, Became::Moved)]);
            assert!(difference.unknown_statuses.is_empty());
        }
    }
    // By height 2 there is one case, and by height 1 it has no report.
    assert!(load(&scene, &trial, 2, 2).is_none());
    let tried = load(&scene, &Draft::new(registry, Some(definition(&text)), None, 0), 1, 1).expect("open");
    assert!(tried.compare(&tried.now(now), &tried.draft(now)).is_empty());
}

#[test]
fn what_a_mapping_cannot_carry_is_named_with_the_reports_it_concerns() {
    let scene = two();
    let registry = scene.ledger.registry();
    // The draft calls it otherwise, and nothing says so; another name is none of the old version.
    let text = plain(2).replace("registered", "entered");
    let named = BTreeMap::from([(code("no_such"), code("entered"))]);
    let trial = draft(registry, &text, &order(4, Some(&named)));
    let faults = [MappingFault::NotNew(code("registered")), MappingFault::NotOld(code("no_such"))];
    assert_eq!(trial.faults(), faults);
    let tried = load(&scene, &trial, 1, 4).expect("open");
    assert_eq!(tried.unmapped, BTreeMap::from([(code("registered"), 1)]));
    let Some(Later::Otherwise(moved)) = tried.later(scene.now()) else { panic!("it moves") };
    let difference = tried.compare(&tried.now(scene.now()), &moved);
    assert_eq!(difference.unknown_statuses, BTreeMap::from([(code("registered"), 1)]));
    // Read under another name, and its outcome is not in the draft.
    let mut scene = scene;
    scene.report(OFFICE, with_outcome(on_day("decided", -1), "granted"));
    let text = plain(2).replace("status.decided", "status.settled").replace("\"decided\"", "\"settled\"");
    let text = text.replace("granted", "allowed");
    let named = BTreeMap::from([(code("decided"), code("settled"))]);
    let height = scene.ledger.tip().header.height;
    let trial = draft(scene.ledger.registry(), &text, &order(height, Some(&named)));
    assert_eq!(trial.faults(), []);
    let tried = load(&scene, &trial, 1, height).expect("open");
    let Some(Later::Otherwise(moved)) = tried.later(scene.now()) else { panic!("it moves") };
    let difference = tried.compare(&tried.now(scene.now()), &moved);
    assert_eq!(difference.unknown_outcomes, BTreeMap::from([((code("settled"), code("granted")), 1)]));
}

#[test]
fn what_could_not_come_into_force_is_refused() {
    let mut scene = two();
    let refused = |registry: &Registry, text: &str, order: &Order<'_>| {
        Draft::new(registry, Some(definition(text)), None, 0).in_force(registry, order).map(|_| ()).unwrap_err()
    };
    let none = BTreeMap::new();
    let moving = |height| order(height, Some(&none));
    assert_eq!(refused(scene.ledger.registry(), STOP, &moving(4)), OrderError::NotNewer(1));
    let other = STOP.replace(r#"id = "stop""#, r#"id = "go""#);
    assert_eq!(refused(scene.ledger.registry(), &other, &moving(4)), OrderError::New);
    let shipped = Calendars::check(CALENDARS_DE).expect("sound").calendars;
    let registry = scene.ledger.registry().clone();
    let moved = Draft::new(&registry, None, Some(shipped.clone()), 0);
    assert_eq!(moved.clone().in_force(&registry, &moving(4)).map(|_| ()), Err(OrderError::NoDefinition));
    assert_eq!(
        moved.in_force(&registry, &order(4, None)).map(|_| ()),
        Err(OrderError::CalendarsNotNewer(shipped.version()))
    );
    // What was adopted later was not there at an earlier height.
    adopt(&mut scene, change(plain(2), &[]));
    let tip = scene.ledger.tip().header.height;
    let registry = scene.ledger.registry();
    assert_eq!(refused(registry, &plain(2), &moving(tip)), OrderError::NotNewer(2));
    draft(registry, &plain(2), &moving(4));
}
