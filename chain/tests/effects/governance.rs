//! Changes by vote: what is adopted and what is not, from which height it is in force, which cases it concerns, and that
//! every node has the same of it: the one that executed, the one that opened its store again, the one that joined.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::index;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::limits::{PROPOSAL_OPEN_MS, PROPOSALS_OPEN_OWN_MAX};
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::query;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::state::governance::{self, Proposal, Standing};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _};
use laufzettel_contracts::{AuthorityId, CALENDARS_DE};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::fixture::{self, AUTHORITIES, DAY_MS, MINUTE_MS, case, commit, on_day};
use crate::joined::{compared, join};
use crate::world::{COURT, FOREIGNERS, OFFICE, POLICE, STOP, Scene, open};

/// The process with another version, in which nobody gains anything.
pub(crate) fn plain(version: u32) -> String {
    let head = format!("process = {{ id = \"stop\", version = {version}, label_de");
    let text = STOP.replace("process = { id = \"stop\", version = 1, label_de", &head);
    text.replace("length = \"PT36H\"", "length = \"PT48H\"")
}

/// The same, where the police is called, too.
pub(crate) fn gaining(version: u32) -> String {
    let rule = "lock = [\"removal_stop\"]\nbasis = \"Law 9\"\n\n[[rule]]\nname = \"stop_again\"";
    assert!(STOP.contains(rule));
    plain(version).replace(rule, &format!("open = [{{ task = \"phone\", for = \"police\" }}]\n{rule}"))
}

/// The calendars with another version, in which 22 June 2026 is a holiday everywhere.
pub(crate) fn calendars(version: u32) -> String {
    let text = CALENDARS_DE.replacen("version = 1", &format!("version = {version}"), 1);
    format!(
        "{text}\n[holiday.added]\nlabel_de = \"x\"\nlabel_en = \"x\"\nrule = \"fixed\"\nmonth = 6\nday = 22\nareas = [\"DE\"]\nbasis = \"x\"\nverified = \"M\"\n"
    )
}

fn ids(of: &[usize]) -> Vec<AuthorityId> {
    let mut ids: Vec<_> = of.iter().map(|by| AuthorityId::new(AUTHORITIES[*by].0).expect("an id")).collect();
    ids.sort();
    ids
}

pub(crate) fn change(text: String, must_agree: &[usize]) -> Change {
    let kind = ProposalKind::Definition;
    Change { kind, text: text.into_bytes(), effective_height: 0, must_agree: ids(must_agree), moves: BTreeMap::new() }
}

impl Scene {
    /// One item of no case, signed with a key of this purpose, in a block a minute later.
    fn govern_with(&mut self, by: usize, purpose: &str, action: &Action) -> (ItemDigest, Code) {
        let number = self.ledger.tip().header.height + 1_000_000 * (by as u64 + 1);
        let item = fixture::item(number, None, action);
        let signed = self.signed(by, &[purpose], vec![item]);
        let time_ms = self.now() + MINUTE_MS;
        let receipt = self.block(time_ms, &[signed]).executed.outcomes[0].receipts[0].clone();
        assert_eq!(receipt.revision, 0);
        (receipt.item, receipt.code)
    }
    pub(crate) fn propose(&mut self, by: usize, change: Change) -> (ItemDigest, Code) {
        self.govern_with(by, "governance", &Action::Propose(Box::new(change)))
    }
    pub(crate) fn vote(&mut self, by: usize, proposal: ItemDigest, yes: bool) -> Code {
        self.govern_with(by, "governance", &Action::Vote { proposal, yes }).1
    }
    pub(crate) fn proposal(&self, item: &ItemDigest) -> Proposal {
        governance::proposal(self.store.as_ref(), item).expect("memory").expect("there")
    }
    pub(crate) fn opens(&mut self, number: u8, version: u32) -> Code {
        let open = Action::OpenCase { definition: "stop".to_owned(), version };
        let item = self.item(case(number), &open, None);
        self.send(OFFICE, vec![item])[0].code
    }
    /// What a node says that opens the store anew, and one that joins from a snapshot, is what this one says.
    pub(crate) fn is_the_same_everywhere(&self) {
        let again = open(self.store.clone());
        assert_eq!(*again.tip(), *self.ledger.tip());
        let joined = join(self);
        assert_eq!(compared(&joined.rows()), compared(&self.store.rows()));
        assert_eq!(*open(joined).tip(), *self.ledger.tip());
        let rebuilt = index::rebuild(self.store.as_ref(), self.ledger.registry()).expect("memory");
        assert_eq!(rebuilt, self.store.scan(Family::Index, &[], &[0xff; 64], usize::MAX).expect("memory"));
    }
}

#[test]
fn a_change_needs_the_validators_and_all_who_gain_by_it() {
    let mut scene = Scene::opened();
    let (gains, code) = scene.propose(OFFICE, change(gaining(2), &[POLICE]));
    assert_eq!(code, Code::Accepted);
    // The proposer's vote is one of four; three would do, if the police agreed.
    assert_eq!(scene.vote(FOREIGNERS, gains, true), Code::Accepted);
    assert_eq!(scene.vote(COURT, gains, true), Code::Accepted);
    assert_eq!(scene.proposal(&gains).standing, Standing::Open);
    assert_eq!(scene.proposal(&gains).awaited().cloned().collect::<Vec<_>>(), ids(&[POLICE]));
    scene.is_the_same_everywhere();
    assert_eq!(scene.opens(2, 2), Code::DefinitionUnknown);
    assert_eq!(scene.vote(COURT, gains, true), Code::VoteRepeated);
    assert_eq!(scene.vote(POLICE, gains, true), Code::Accepted);
    assert_eq!(scene.proposal(&gains).standing, Standing::Adopted);
    assert_eq!(scene.vote(COURT, gains, false), Code::ProposalClosed);
    scene.is_the_same_everywhere();
    // With the police alone, the validators are missing.
    let (police, _) = scene.propose(POLICE, change(gaining(3), &[]));
    assert_eq!(scene.proposal(&police).standing, Standing::Open);
    assert_eq!(scene.vote(OFFICE, police, true), Code::Accepted);
    assert_eq!(scene.proposal(&police).standing, Standing::Open, "two of four are not more than two thirds");
}

#[test]
fn cases_keep_their_version_and_new_ones_take_the_newest_in_force() {
    let mut scene = Scene::opened();
    let height = scene.ledger.tip().header.height;
    let later = Change { effective_height: height + 8, ..change(plain(2), &[]) };
    let (item, _) = scene.propose(OFFICE, later);
    for by in [FOREIGNERS, COURT] {
        assert_eq!(scene.vote(by, item, true), Code::Accepted);
    }
    assert_eq!(scene.proposal(&item).standing, Standing::Adopted);
    assert_eq!(scene.opens(2, 2), Code::DefinitionUnknown, "not in force yet");
    assert_eq!(scene.opens(2, 1), Code::Accepted);
    while scene.ledger.tip().header.height < height + 7 {
        assert_eq!(scene.report(OFFICE, on_day("registered", 0)).code, Code::Accepted);
    }
    assert_eq!(scene.opens(3, 1), Code::DefinitionSuperseded);
    assert_eq!(scene.opens(3, 2), Code::Accepted);
    assert_eq!(scene.opens(4, 1), Code::DefinitionSuperseded);
    // The first case goes on under the version it was opened under: 36 hours there, 48 in the new one.
    let report = scene.item(case(3), &Action::Report(on_day("registered", 0)), None);
    assert_eq!(scene.send(OFFICE, vec![report])[0].code, Code::Accepted);
    let ends = |number: u8| {
        let found = query::effects(scene.store.as_ref(), scene.ledger.registry(), &case(number), scene.now());
        let effects = found.expect("memory").expect("open").effects;
        effects.deadlines.last().expect("runs").due.as_ref().expect("counted").elapses_ms()
    };
    assert_eq!(ends(3) - ends(1), 12 * 3_600_000);
    let row = |number| CaseRow::load(scene.store.as_ref(), &case(number)).expect("memory").expect("open");
    assert_eq!((row(1).version, row(3).version), (1, 2));
    let text = query::definition_text(scene.store.as_ref(), "stop", 2).expect("memory");
    assert_eq!(text, Some(plain(2)));
    scene.is_the_same_everywhere();
}

#[test]
fn what_may_not_be_proposed_is_refused_with_its_reason() {
    let mut scene = Scene::opened();
    let reason = |scene: &mut Scene, change: Change| scene.propose(COURT, change).1;
    assert_eq!(
        scene.govern_with(OFFICE, "service", &Action::Propose(Box::new(change(plain(2), &[])))).1,
        Code::KeyPurpose
    );
    assert_eq!(reason(&mut scene, change("nonsense".to_owned(), &[])), Code::TextRefused);
    assert_eq!(reason(&mut scene, Change { text: vec![0xff, 0xfe], ..change(plain(2), &[]) }), Code::TextRefused);
    assert_eq!(reason(&mut scene, change(plain(1), &[])), Code::VersionNotNewer);
    assert_eq!(reason(&mut scene, change(plain(2), &[POLICE])), Code::AgreementListWrong);
    assert_eq!(reason(&mut scene, change(gaining(2), &[])), Code::AgreementListWrong);
    assert_eq!(reason(&mut scene, change(gaining(2), &[POLICE, COURT])), Code::AgreementListWrong);
    let past = Change { effective_height: 1, ..change(plain(2), &[]) };
    assert_eq!(reason(&mut scene, past), Code::EffectiveHeightWrong);
    let far = Change { effective_height: u64::MAX, ..change(plain(2), &[]) };
    assert_eq!(reason(&mut scene, far), Code::EffectiveHeightWrong);
    let other = calendars(2).replacen("id = \"de\"", "id = \"fr\"", 1);
    let other = Change { kind: ProposalKind::Calendars, ..change(other, &[]) };
    assert_eq!(reason(&mut scene, other), Code::TextRefused);
    assert_eq!(scene.vote(OFFICE, ItemDigest([9; 32]), true), Code::ProposalUnknown);
    // None of these left anything behind.
    assert_eq!(governance::register(scene.store.as_ref()).expect("memory"), None);
    for _ in 0..PROPOSALS_OPEN_OWN_MAX {
        assert_eq!(reason(&mut scene, change(plain(2), &[])), Code::Accepted);
    }
    assert_eq!(reason(&mut scene, change(plain(2), &[])), Code::TooManyProposals);
    scene.is_the_same_everywhere();
}

#[test]
fn a_vote_may_be_changed_until_it_is_decided_and_a_no_of_who_must_agree_decides() {
    let mut scene = Scene::opened();
    let (item, _) = scene.propose(OFFICE, change(gaining(2), &[POLICE]));
    assert_eq!(scene.vote(COURT, item, false), Code::Accepted);
    assert_eq!(scene.vote(COURT, item, true), Code::Accepted);
    assert_eq!(scene.vote(COURT, item, true), Code::VoteRepeated);
    assert_eq!(scene.vote(POLICE, item, false), Code::Accepted);
    assert_eq!(scene.proposal(&item).standing, Standing::Rejected);
    assert_eq!(scene.vote(POLICE, item, true), Code::ProposalClosed);
    // Two of four against it: more than two thirds cannot be for it any more.
    let (item, _) = scene.propose(OFFICE, change(plain(2), &[]));
    assert_eq!(scene.vote(COURT, item, false), Code::Accepted);
    assert_eq!(scene.proposal(&item).standing, Standing::Open);
    assert_eq!(scene.vote(POLICE, item, false), Code::Accepted);
    assert_eq!(scene.proposal(&item).standing, Standing::Rejected);
    scene.is_the_same_everywhere();
}

#[test]
fn proposals_expire_and_are_superseded() {
    let mut scene = Scene::opened();
    let (first, _) = scene.propose(OFFICE, change(plain(2), &[]));
    let (second, _) = scene.propose(COURT, change(plain(3), &[]));
    let (calendar, _) = scene.propose(POLICE, Change { kind: ProposalKind::Calendars, ..change(calendars(2), &[]) });
    for by in [FOREIGNERS, POLICE] {
        assert_eq!(scene.vote(by, second, true), Code::Accepted);
    }
    assert_eq!(scene.proposal(&second).standing, Standing::Adopted);
    assert_eq!(scene.proposal(&first).standing, Standing::Superseded, "it was compared with version 1");
    assert_eq!(scene.proposal(&calendar).standing, Standing::Open, "another text");
    let expires_ms = scene.proposal(&calendar).expires_ms;
    assert_eq!(PROPOSAL_OPEN_MS, 30 * DAY_MS);
    let at = |scene: &mut Scene, time_ms: u64| {
        while scene.now() + DAY_MS < time_ms {
            let next = scene.now() + DAY_MS;
            scene.block(next, &[]);
        }
        scene.block(time_ms, &[]);
    };
    at(&mut scene, expires_ms);
    assert_eq!(scene.proposal(&calendar).standing, Standing::Open);
    at(&mut scene, expires_ms + 2 * MINUTE_MS);
    assert_eq!(scene.proposal(&calendar).standing, Standing::Expired);
    assert_eq!(scene.vote(OFFICE, calendar, true), Code::ProposalClosed);
    scene.is_the_same_everywhere();
}

/// What is adopted in the midst of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voted {
    /// Calendars with one more holiday.
    Calendars,
    /// A version to which open cases move.
    Renaming,
}

impl Scene {
    /// A change is proposed and gets the votes it needs, and a block passes in which it is in force.
    pub(crate) fn adopts(&mut self, change: Voted, version: u32) {
        let proposed = match change {
            Voted::Calendars => Change { kind: ProposalKind::Calendars, ..self::change(calendars(version), &[]) },
            Voted::Renaming => renaming(version),
        };
        self.ahead_ms = 0;
        let (item, code) = self.propose(OFFICE, proposed);
        assert_eq!(code, Code::Accepted);
        for by in [FOREIGNERS, COURT] {
            assert_eq!(self.vote(by, item, true), Code::Accepted);
        }
        assert_eq!(self.proposal(&item).standing, Standing::Adopted);
        let time_ms = self.now() + MINUTE_MS;
        self.block(time_ms, &[]);
    }
}

/// The text of a version of the process after these changes, of which the first was the second version.
pub(crate) fn text_of(version: u32) -> String {
    if version == 1 { STOP.to_owned() } else { String::from_utf8(renaming(version).text).expect("a text") }
}

/// The text of the calendars that count after these changes.
pub(crate) fn counting_text(voted: &[Voted]) -> String {
    let place = (2..).zip(voted).find(|(_, change)| **change == Voted::Calendars);
    place.map_or_else(|| CALENDARS_DE.to_owned(), |(version, _)| calendars(version))
}

/// The next version, in which what was `registered` is `entered`, and a check is a task of the court; and the mapping.
pub(crate) fn renaming(version: u32) -> Change {
    renaming_from(STOP, plain(version))
}

fn renaming_from(old: &str, new: String) -> Change {
    let text = new.replace("registered", "entered");
    let old = laufzettel_contracts::Definition::check(old).expect("sound").definition;
    let code = |text: &str| fixture::code(text);
    let to =
        |from: &laufzettel_contracts::Code| if from.as_str() == "registered" { code("entered") } else { from.clone() };
    let moves = old.statuses().iter().map(|status| (status.code.clone(), to(&status.code))).collect();
    // What the office had to do at `registered` it has to do at `entered`: another cause, so it is asked.
    Change { moves, ..change(text, &[OFFICE]) }
}

/// Adopted and in force, rejected, open, and calendars that count: one of each.
pub(crate) fn voted_story() -> Scene {
    let mut scene = Scene::opened();
    let (adopted, _) = scene.propose(OFFICE, change(gaining(2), &[POLICE]));
    for by in [COURT, POLICE] {
        assert_eq!(scene.vote(by, adopted, true), Code::Accepted);
    }
    let (rejected, _) = scene.propose(POLICE, change(plain(3), &[]));
    for by in [OFFICE, COURT] {
        assert_eq!(scene.vote(by, rejected, false), Code::Accepted);
    }
    let (moves, _) = scene.propose(POLICE, renaming_from(&gaining(2), gaining(3)));
    for by in [OFFICE, COURT] {
        assert_eq!(scene.vote(by, moves, true), Code::Accepted);
    }
    let (counts, _) = scene.propose(FOREIGNERS, Change { kind: ProposalKind::Calendars, ..change(calendars(2), &[]) });
    for by in [OFFICE, COURT] {
        assert_eq!(scene.vote(by, counts, true), Code::Accepted);
    }
    let later = Change { effective_height: 100, ..change(plain(4), &[OFFICE]) };
    let (open, _) = scene.propose(COURT, later);
    assert_eq!(scene.vote(POLICE, open, false), Code::Accepted);
    assert_eq!(scene.proposal(&open).standing, Standing::Open);
    scene
}

#[test]
fn a_ledger_that_only_validates_gets_the_same() {
    let mut scene = Scene::opened();
    let (item, _) = scene.propose(OFFICE, change(gaining(2), &[POLICE]));
    for by in [COURT, POLICE] {
        scene.vote(by, item, true);
    }
    assert_eq!(scene.opens(2, 2), Code::Accepted);
    let store = Arc::new(MemStore::default());
    let mut other: Ledger = open(store.clone());
    for block in &scene.blocks {
        let executed = other.validate(block).expect("valid");
        commit(&mut other, block, executed);
        other = open(store.clone());
    }
    assert_eq!(store.rows(), scene.store.rows());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the order of votes: it is adopted with the first vote after which more than two thirds and all who must
    /// agree are for it, rejected with the first after which that is out of reach, and no vote counts after that.
    #[test]
    fn any_order_of_votes_decides_as_counted_by_hand(
        gains in any::<bool>(),
        votes in vec((0..4usize, any::<bool>()), 0..14),
    ) {
        let mut scene = Scene::opened();
        let proposed = if gains { change(gaining(2), &[POLICE]) } else { change(plain(2), &[]) };
        let (item, _) = scene.propose(OFFICE, proposed);
        let mut said = [None; 4];
        said[OFFICE] = Some(true);
        let mut standing = Standing::Open;
        for (by, yes) in votes {
            let code = scene.vote(by, item, yes);
            if standing != Standing::Open {
                prop_assert_eq!(code, Code::ProposalClosed);
                continue;
            }
            if said[by] == Some(yes) {
                prop_assert_eq!(code, Code::VoteRepeated);
                continue;
            }
            prop_assert_eq!(code, Code::Accepted);
            said[by] = Some(yes);
            let count = |what| said.iter().filter(|one| **one == Some(what)).count();
            if count(false) >= 2 || gains && said[POLICE] == Some(false) {
                standing = Standing::Rejected;
            } else if count(true) >= 3 && (!gains || said[POLICE] == Some(true)) {
                standing = Standing::Adopted;
            }
            prop_assert_eq!(scene.proposal(&item).standing, standing);
        }
        let opened = scene.opens(2, 2);
        prop_assert_eq!(opened == Code::Accepted, standing == Standing::Adopted);
        scene.is_the_same_everywhere();
    }
}
