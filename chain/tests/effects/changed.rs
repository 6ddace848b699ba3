//! What is asked of a store after changes by vote: random histories in the midst of which calendars begin to count, or open
//! cases move to another version. Each height is known again as it was, rows of inboxes tell what their cases tell, and a
//! draft that is what is in force changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, ItemDigest};
use laufzettel_chain::index::waiting::Waiting;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::{Ledger, genesis_state};
use laufzettel_chain::limits::BLOCK_WORK_MAX;
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::query::{self, Draft, Inbox};
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::case::{CaseRow, OpenCase};
use laufzettel_chain::state::governance;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::transaction::Payload;
use laufzettel_contracts::effect::{Became, EffectId, Effects, Past, TaskState};
use laufzettel_contracts::{Calendars, Definition};
use proptest::prelude::*;

use crate::asked::alone;
use crate::fixture::{self, AUTHORITIES, DAY_MS, MINUTE_MS, case, commit, key, on_day};
use crate::governance::{Voted, calendars, change, counting_text, gaining, text_of};
use crate::random::{Step, begun, history, played_on};
use crate::world::{OFFICE, POLICE, STOP, Scene, genesis_text, open, with_outcome};

/// A history, what is adopted in its midst, and the history after it.
type Changed = (Vec<(u64, Vec<Step>)>, Vec<Voted>, Vec<(u64, Vec<Step>)>);

fn changed() -> impl Strategy<Value = Changed> {
    let voted = prop_oneof![
        Just(vec![Voted::Calendars]),
        Just(vec![Voted::Renaming]),
        Just(vec![Voted::Calendars, Voted::Renaming]),
        Just(vec![Voted::Renaming, Voted::Calendars]),
    ];
    (history(), voted, history())
}

/// Everything played, and blocks until every case has come to what was adopted.
fn scene((before, voted, after): &Changed) -> Scene {
    let mut scene = begun();
    let mut reports = played_on(&mut scene, before, Vec::new());
    for (version, change) in (2..).zip(voted) {
        scene.adopts(*change, version);
        reports = played_on(&mut scene, after, reports);
    }
    while scene.ledger.registry().register.recount.is_some() {
        let time_ms = scene.now() + 1;
        scene.block(time_ms, &[]);
    }
    scene
}

/// The cases after each block, as the next one would find them stored, played once more.
fn stored(scene: &Scene) -> Vec<[Option<OpenCase>; 2]> {
    let store = Arc::new(MemStore::default());
    let mut ledger: Ledger = open(store.clone());
    let mut seen = Vec::new();
    for block in &scene.blocks {
        let executed = ledger.validate(block).expect("valid");
        commit(&mut ledger, block, executed);
        seen.push([1, 2].map(|number| {
            let found = OpenCase::load(store.as_ref(), ledger.registry(), &case(number)).expect("memory");
            found.map(|mut case| {
                case.bring(block.header.time_ms);
                case
            })
        }));
    }
    seen
}

fn whole(scene: &Scene, of: &CaseId) -> query::CaseEffects {
    let found = query::effects(scene.store.as_ref(), scene.ledger.registry(), of, scene.now());
    found.expect("memory").expect("open")
}

/// What stands in whose list of tasks and of notices, by the effects alone.
fn waits(scene: &Scene) -> BTreeSet<(String, EffectId)> {
    let directory = &scene.ledger.registry().directory;
    let mut waits = BTreeSet::new();
    for number in [1, 2] {
        let whole = whole(scene, &case(number));
        for task in whole.effects.tasks.iter().filter(|task| task.state == TaskState::Open) {
            let meant: Vec<_> = match &task.addressee.authority {
                Some(known) => vec![known.clone()],
                None => directory.holders(&task.addressee.role).cloned().collect(),
            };
            waits.extend(meant.into_iter().map(|by| (by.to_string(), task.origin.id)));
        }
    }
    waits
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_case_is_known_again_as_it_was_at_each_height(changed in changed()) {
        let scene = scene(&changed);
        let (read, registry) = (scene.store.as_ref(), scene.ledger.registry());
        let mut versions = BTreeSet::new();
        for (block, seen) in scene.blocks.iter().zip(stored(&scene)) {
            for (number, seen) in [1, 2].into_iter().zip(seen) {
                let known = query::known_at(read, registry, &case(number), block.header.height).expect("memory");
                prop_assert_eq!(known.is_some(), seen.is_some());
                let (Some(mut known), Some(seen)) = (known, seen) else { continue };
                known.case.bring(block.header.time_ms);
                prop_assert_eq!(known.case.definition.version(), seen.definition.version());
                prop_assert_eq!(known.case.fold.entries(), seen.fold.entries());
                let (known, seen_living) = (known.case.living().expect("of language 2"), seen.living().expect("of language 2"));
                prop_assert_eq!(known.history(), seen_living.history());
                prop_assert_eq!(known.effects(), seen_living.effects());
                versions.insert(seen.definition.version());
            }
        }
        prop_assert_eq!(versions.len() > 1, changed.1.contains(&Voted::Renaming), "cases moved");
    }

    /// Also where no block had to look at the case again.
    #[test]
    fn a_row_of_an_inbox_tells_what_its_case_tells(changed in changed()) {
        let scene = scene(&changed);
        let registry = scene.ledger.registry();
        let calendars = registry.calendars.as_ref().expect("protocol 2");
        let mut tasks = BTreeSet::new();
        for (authority, ..) in AUTHORITIES {
            for list in [Inbox::Tasks, Inbox::Notices, Inbox::Deadlines] {
                for row in query::inbox(scene.store.as_ref(), authority, list, None, 1_000).expect("memory") {
                    let waiting = Waiting::read(&row.bytes).expect("written by this version");
                    let stored = CaseRow::load(scene.store.as_ref(), &row.case).expect("memory").expect("open");
                    prop_assert_eq!((&waiting.definition, waiting.version), (&stored.definition, stored.version));
                    let whole = whole(&scene, &row.case);
                    let (effects, kept): (Effects, _) = waiting.effects(calendars, &registry.directory, scene.now());
                    prop_assert_eq!(&effects, &alone(&whole.effects, &row.effect));
                    let of: Vec<&Past> = kept.past().values().map(AsRef::as_ref).collect();
                    prop_assert_eq!(of, vec![whole.history.past()[&row.effect].as_ref()]);
                    if list == Inbox::Tasks {
                        tasks.insert((authority.to_owned(), row.effect));
                    }
                }
            }
        }
        prop_assert_eq!(tasks, waits(&scene));
    }

    #[test]
    fn a_draft_that_is_what_is_in_force_changes_nothing(changed in changed()) {
        let scene = scene(&changed);
        let (registry, next) = (scene.ledger.registry(), scene.ledger.tip().header.height + 1);
        for number in [1, 2] {
            let stored = CaseRow::load(scene.store.as_ref(), &case(number)).expect("memory").expect("open");
            let definition = Definition::check(&text_of(stored.version)).expect("sound").definition;
            let count = |of: &str| Calendars::check(of).expect("sound").calendars;
            let calendars = count(&counting_text(&changed.1));
            let drafts = [
                Draft::new(registry, Some(definition.clone()), None, scene.now()),
                Draft::new(registry, None, Some(calendars.clone()), scene.now()),
                Draft::new(registry, Some(definition), Some(calendars), scene.now()),
            ];
            for draft in drafts {
                let tried = draft.load(scene.store.as_ref(), registry, &case(number), (next, None)).expect("memory");
                let tried = tried.expect("open, and of its id");
                let (now, drafted) = (tried.now(scene.now()), tried.draft(scene.now()));
                prop_assert_eq!(now.effects(), &whole(&scene, &case(number)).effects, "what is compared with is what is shown");
                let difference = tried.compare(&now, &drafted);
                prop_assert!(difference.is_empty(), "{:?}", difference);
            }
        }
    }
}

/// A network in which the police runs no validator.
fn without_police() -> Genesis {
    let text = |root: &[u8; 32]| {
        let validator = format!("\n[[validator]]\nauthority = \"{}\"\npower = 1\n", AUTHORITIES[POLICE].0);
        let text = genesis_text(root, &[STOP]);
        assert!(text.contains(&validator));
        text.replace(&validator, "\n")
    };
    let draft = Genesis::parse(text(&[0; 32]).as_bytes()).expect("sound");
    let (root, _) = genesis_state(&draft, &MemStore::default()).expect("memory");
    Genesis::parse(text(&root).as_bytes()).expect("sound")
}

/// Blocks see again what the pool saw: who has no vote is told so, and counts for nothing, until it must agree itself.
#[test]
fn a_vote_of_who_has_none_is_refused_in_the_block() {
    let genesis = Arc::new(without_police());
    let store = Arc::new(MemStore::default());
    let mut ledger = Ledger::open(store.clone(), genesis.clone(), false).expect("opens");
    let mut said = |by: usize, action: &Action| {
        let height = ledger.tip().header.height;
        let item = fixture::item(height, None, action);
        let payload = Payload {
            network: genesis.network,
            incarnation: 0,
            id: fixture::transaction_id(height),
            authority: AUTHORITIES[by].0.to_owned(),
            valid_until_ms: ledger.tip().header.time_ms + MINUTE_MS,
            source_system: String::new(),
            item_digests: vec![ItemDigest::of(&item)],
        };
        let signed = Arc::new(payload.sign(vec![item], &key(by, "governance")));
        let (proposer, time_ms) = (ledger.tip().order[0], ledger.tip().header.time_ms + 1_000);
        let built = ledger.build(0, time_ms, proposer, &[signed], BLOCK_WORK_MAX).expect("memory");
        let executed = ledger.validate(&built.block).expect("valid");
        let receipt = executed.outcomes[0].receipts[0].clone();
        commit(&mut ledger, &built.block, executed);
        (receipt.item, receipt.code)
    };
    let mut propose = |text: String, kind, must_agree: &[usize]| {
        let change = Change { kind, ..change(text, must_agree) };
        let (item, code) = said(OFFICE, &Action::Propose(Box::new(change)));
        assert_eq!(code, Code::Accepted);
        (item, said(POLICE, &Action::Vote { proposal: item, yes: true }).1)
    };
    let (counted, code) = propose(calendars(2), ProposalKind::Calendars, &[]);
    assert_eq!(code, Code::NoVote);
    let (asked, code) = propose(gaining(2), ProposalKind::Definition, &[POLICE]);
    assert_eq!(code, Code::Accepted);
    let votes = |item| governance::proposal(store.as_ref(), &item).expect("memory").expect("there").votes.len();
    assert_eq!((votes(counted), votes(asked)), (1, 2));
}

/// A draft of calendars tells what its adoption would do: it moves the end of what runs, and not of what is over.
#[test]
fn a_draft_of_calendars_moves_what_runs_and_leaves_what_is_over() {
    let mut scene = begun();
    assert_eq!(scene.report(OFFICE, with_outcome(on_day("decided", 0), "rejected")).code, Code::Accepted);
    let moved = |scene: &Scene| {
        let draft = Calendars::check(&calendars(2)).expect("sound").calendars;
        let draft = Draft::new(scene.ledger.registry(), None, Some(draft), scene.now());
        let tried = draft.load(scene.store.as_ref(), scene.ledger.registry(), &case(1), (u64::MAX, None));
        let tried = tried.expect("memory").expect("open");
        let difference = tried.compare(&tried.now(scene.now()), &tried.draft(scene.now()));
        let changes = difference.changes.iter().map(|one| (one.code.as_str().to_owned(), one.became));
        changes.collect::<Vec<_>>()
    };
    // A week from 15 June 2026 ends on the 22nd, which the draft makes a holiday.
    assert_eq!(moved(&scene), [("appeal".to_owned(), Became::Moved)]);
    let over = scene.now() + 9 * DAY_MS;
    scene.block(over, &[]);
    assert_eq!(moved(&scene), []);
}
