//! What is proposed and voted in a simulation with changes by vote, all of it drawn from the seed: another version of the
//! process that hurries (another period, a task more, a status renamed under open cases), one that competes with it, other
//! calendars, what may not be proposed at all, and a process that nobody wants. Votes come early, late, twice, changed,
//! with the wrong key, and from who has none. Must never draw from anything but its seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_contracts::{AuthorityId, CALENDARS_DE, Code, Definition, diff};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::genesis::Member;
use super::script::{COURT, Sent, half};
use crate::fast;

/// The name of `decision_issued` in a version that renames it.
const RENAMED: &str = "decision_made";
/// A rule that gives the court a task by each motion. In a rule that makes something else after it, cases could not move.
const CALLS: &str = r#"[[rule]]
name = "call"
label_de = "Ein Eilantrag wird auch am Telefon gesagt."
label_en = "A motion is told by telephone, too."
on = { status = "motion_filed" }
open = [{ task = "phone", for = "court" }]
basis = "§ 0 (D)"
"#;
/// Until when votes are sent that come in time, from the beginning.
const VOTES_MS: u64 = 15_000;
/// When votes come late.
const LATE_MS: u64 = 19_000;

/// How the next version of the process differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draft {
    /// An examination is shorter; nobody gains anything.
    Shorter,
    /// The court gets a task by each motion.
    Task,
    /// `decision_issued` has another name, and open cases move.
    Renames,
    /// The same by a rule of its own, and open cases move.
    TaskMoves,
}

impl Draft {
    const ALL: [Self; 4] = [Self::Renames, Self::Task, Self::TaskMoves, Self::Shorter];

    fn text(self, version: u32) -> String {
        let text = replaced(fast::TEXT, r#"id = "fast", version = 1"#, &format!(r#"id = "fast", version = {version}"#));
        let text = replaced(&text, r#"length = "PT12S""#, r#"length = "PT9S""#);
        let task = r#"open = [{ task = "cancel_removal", for = "foreigners_authority" }"#;
        match self {
            Self::Shorter => text,
            Self::Renames => replaced(&text, "decision_issued", RENAMED),
            Self::Task => replaced(&text, task, &format!(r#"{task}, {{ task = "phone", for = "court" }}"#)),
            Self::TaskMoves => format!("{text}\n{CALLS}"),
        }
    }
    fn moves(self) -> bool {
        matches!(self, Self::Renames | Self::TaskMoves)
    }
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    debug_assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

/// What is to be reported in cases of the version that comes, and the transactions by which it comes.
pub(super) struct Plan {
    /// What a decision is called in it.
    pub(super) decision: &'static str,
    pub(super) sent: Vec<Sent>,
    /// The proposal that nobody decides.
    pub(super) unwanted: ItemDigest,
}

/// A plan while it is made.
struct Planner<'m> {
    random: ChaCha8Rng,
    members: &'m [Member],
    genesis: &'m Genesis,
    count: u32,
    sent: Vec<Sent>,
}

/// The plan of a seed.
pub(super) fn plan(seed: u64, genesis: &Arc<Genesis>, members: &[Member]) -> Option<Plan> {
    let random = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(999));
    let mut planner = Planner { random, members, genesis, count: 0, sent: Vec::new() };
    let pick = planner.random.random_range(0..Draft::ALL.len());
    let draft = *Draft::ALL.get(pick)?;
    planner.versions(draft)?;
    planner.calendars()?;
    planner.refused(draft)?;
    let unwanted = planner.unwanted()?;
    let decision = if draft == Draft::Renames { RENAMED } else { "decision_issued" };
    Some(Plan { decision, sent: planner.sent, unwanted })
}

impl Planner<'_> {
    fn chance(&mut self, of: u32) -> bool {
        self.random.random_range(0..of) == 0
    }
    fn between(&mut self, from_ms: u64, to_ms: u64) -> u64 {
        self.random.random_range(from_ms..to_ms)
    }
    fn any(&mut self) -> usize {
        self.random.random_range(0..self.members.len())
    }
    /// An item of no case; its digest.
    fn say(&mut self, member: usize, action: &Action, wait_ms: u64) -> ItemDigest {
        self.count += 1;
        let item = Item::encode(half(&format!("vote {}", self.count)), None, action);
        let digest = ItemDigest::of(&item);
        // Now and then with the key of a case system, which may not.
        let governs = !self.chance(12) || matches!(action, Action::Propose(_));
        self.sent.push(Sent { member, governs, items: vec![item], wait_ms, ..Sent::default() });
        digest
    }
    fn propose(&mut self, member: usize, change: Change, wait_ms: u64) -> ItemDigest {
        self.say(member, &Action::Propose(Box::new(change)), wait_ms)
    }
    fn vote(&mut self, member: usize, proposal: ItemDigest, yes: bool, wait_ms: u64) {
        self.say(member, &Action::Vote { proposal, yes }, wait_ms);
    }
    /// Who must agree, as a client has the product compute it.
    fn asked(&self, old: Option<&str>, new: &str) -> Option<Vec<AuthorityId>> {
        let checked = |text: &str| Some(Definition::check(text).ok()?.definition);
        let old = match old {
            Some(old) => Some(checked(old)?),
            None => None,
        };
        let gains = diff::gains(old.as_ref(), &checked(new)?);
        Some(diff::must_agree(&gains, &self.genesis.registry.directory).into_iter().collect())
    }
    fn definition(&mut self, draft: Draft, version: u32) -> Option<Change> {
        let text = draft.text(version);
        let must_agree = self.asked(Some(fast::TEXT), &text)?;
        let mut moves = BTreeMap::new();
        if draft.moves() {
            let old = Definition::check(fast::TEXT).ok()?.definition;
            for status in old.statuses() {
                let renamed = draft == Draft::Renames && status.code.as_str() == "decision_issued";
                let to = if renamed { Code::new(RENAMED).ok()? } else { status.code.clone() };
                moves.insert(status.code.clone(), to);
            }
        }
        let heights = [0, 0, 0, 12, 20];
        let pick = self.random.random_range(0..heights.len());
        let effective_height = heights.get(pick).copied()?;
        Some(Change { kind: ProposalKind::Definition, text: text.into_bytes(), effective_height, must_agree, moves })
    }
    /// The next version, and one that competes with it: whichever is adopted first leaves the other behind.
    fn versions(&mut self, draft: Draft) -> Option<()> {
        let change = self.definition(draft, 2)?;
        let (by, at_ms) = (self.any(), self.between(200, 2_500));
        let next = self.propose(by, change, at_ms);
        self.votes(next, by, at_ms, 12);
        let rival = self.definition(Draft::Shorter, 3)?;
        let (by, at_ms) = (self.any(), self.between(500, 6_000));
        let rival = self.propose(by, rival, at_ms);
        for _ in 0..3 {
            let (by, wait_ms) = (self.any(), self.between(at_ms, VOTES_MS));
            let yes = self.chance(3);
            self.vote(by, rival, yes, wait_ms);
        }
        Some(())
    }
    /// Calendars in which the day is off on which a period for departure would end, two weeks after the beginning.
    fn calendars(&mut self) -> Option<()> {
        let text = replaced(CALENDARS_DE, "version = 1", "version = 2");
        let text = format!(
            "{text}\n[holiday.added]\nlabel_de = \"x\"\nlabel_en = \"x\"\nrule = \"fixed\"\nmonth = 10\nday = 5\nareas = [\"DE\"]\nbasis = \"x\"\nverified = \"M\"\n"
        );
        let (kind, text) = (ProposalKind::Calendars, text.into_bytes());
        let change = Change { kind, text, effective_height: 0, must_agree: Vec::new(), moves: BTreeMap::new() };
        let (by, at_ms) = (self.any(), self.between(500, 5_000));
        let calendars = self.propose(by, change, at_ms);
        self.votes(calendars, by, at_ms, 8);
        Some(())
    }
    /// Nearly all vote, most of them for it; some twice, some otherwise than before, some too late.
    fn votes(&mut self, proposal: ItemDigest, by: usize, from_ms: u64, one_no_in: u32) {
        for member in 0..self.members.len() {
            // Some are there before the proposal is, which the faults delay, and count for nothing.
            let wait_ms = self.between(from_ms + 1_500, VOTES_MS);
            match self.random.random_range(0..16) {
                0 => {}
                1 => self.vote(member, proposal, true, LATE_MS),
                2 => {
                    self.vote(member, proposal, false, wait_ms);
                    self.vote(member, proposal, true, wait_ms + 1_500);
                }
                3 => {
                    self.vote(member, proposal, true, wait_ms);
                    self.vote(member, proposal, true, wait_ms + 700);
                }
                // Who proposes has voted.
                _ if member == by => {}
                _ => {
                    let no = self.chance(one_no_in);
                    self.vote(member, proposal, !no, wait_ms);
                }
            }
        }
    }
    /// What is refused: another list of who must agree, a mapping with a gap, a text that is none, a height that is past.
    fn refused(&mut self, draft: Draft) -> Option<()> {
        let mut change = self.definition(draft, 4)?;
        match self.random.random_range(0..5) {
            0 => match change.must_agree.pop() {
                Some(_) => {}
                None => change.must_agree.extend(AuthorityId::new(&self.members.first()?.id)),
            },
            1 => drop(change.moves.pop_first()),
            2 => change.text.truncate(700),
            // A task at the place of the notice of a lock, and open cases are to move.
            3 => {
                change =
                    Change { moves: self.definition(Draft::TaskMoves, 4)?.moves, ..self.definition(Draft::Task, 4)? }
            }
            _ => change.effective_height = 1,
        }
        let (by, at_ms) = (self.any(), self.between(500, LATE_MS));
        let refused = self.propose(by, change, at_ms);
        let by = self.any();
        self.vote(by, refused, true, at_ms + 2_000);
        Some(())
    }
    /// A process that is new to the network, so that all of its roles must agree. Only the court is ever for it.
    fn unwanted(&mut self) -> Option<ItemDigest> {
        let text = replaced(fast::TEXT, r#"id = "fast""#, r#"id = "calm""#);
        let (kind, must_agree) = (ProposalKind::Definition, self.asked(None, &text)?);
        let change = Change { kind, text: text.into_bytes(), effective_height: 0, must_agree, moves: BTreeMap::new() };
        let at_ms = self.between(500, 9_000);
        let unwanted = self.propose(COURT, change, at_ms);
        self.vote(COURT, unwanted, true, at_ms + 900);
        Some(unwanted)
    }
}

/// A vote for what has expired.
pub(super) fn too_late(member: usize, proposal: ItemDigest) -> Sent {
    let item = Item::encode(half("too late"), None, &Action::Vote { proposal, yes: true });
    Sent { member, governs: true, items: vec![item], ..Sent::default() }
}
