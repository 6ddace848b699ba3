//! What is special about a run: how many validators, who is odd, who lies and
//! how. Drawn from the seed alone, so that every block of eight seeds sees
//! each kind, and some dozen blocks every lie by itself.

use std::collections::BTreeMap;

use super::broken::Broken;
use super::genesis::Runs;
use super::liar::Lie;

/// The odd one out among the validators.
pub(super) const ODD: usize = 3;

/// What is special about a validator that is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// Nothing.
    None,
    /// Its clock is far off: others hold its blocks for their time, and it holds theirs.
    ClockOff,
    /// Its database is set back to an earlier copy, its watermark is not.
    SetBack,
}

/// Everything that is special about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mode {
    /// The first nodes validate; one more follows.
    pub(super) validators: usize,
    pub(super) odd: Odd,
    /// Who lies, and how.
    pub(super) liars: BTreeMap<usize, Vec<Lie>>,
    /// Whether validator [`ODD`] runs twice with one key; its second node comes last.
    pub(super) twin: bool,
    /// Whether some transactions are so large that a body has several parts.
    pub(super) bulky: bool,
    /// Whether somebody submits a transaction whose execution panics.
    pub(super) hostile: bool,
    /// Whether rules are run: protocol version 2, with deadlines, locks, notices, tasks, and corrections of what made
    /// them.
    pub(super) rules: bool,
    /// Whether processes and calendars change by vote meanwhile.
    pub(super) votes: bool,
}

/// Lies of a list that goes round and round, from a place on.
fn lies(from: u64, count: u64) -> Vec<Lie> {
    let all = Lie::ALL.len() as u64;
    let mut picked: Vec<Lie> = Vec::new();
    for number in from..from.saturating_add(count) {
        let at = usize::try_from(number.checked_rem(all).unwrap_or(0)).unwrap_or(0);
        picked.extend(Lie::ALL.get(at));
    }
    // Always in one order, whatever their places: the later ones work on what the earlier ones made.
    picked.sort_unstable();
    picked.dedup();
    picked
}

impl Mode {
    fn well() -> Self {
        let (liars, odd) = (BTreeMap::new(), Odd::None);
        Self { validators: 4, odd, liars, twin: false, bulky: false, hostile: false, rules: false, votes: false }
    }
    fn with_liar(lies: Vec<Lie>) -> Self {
        Self { liars: BTreeMap::from([(ODD, lies)]), ..Self::well() }
    }

    /// Of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut mode = Self::drawn(seed);
        // A body that comes in one part has none to withhold.
        mode.bulky |= mode.liars.values().flatten().any(|lie| *lie == Lie::WithholdsParts);
        // Half of all runs, and in these the same kinds as in the others: protocol version 1 stays in use.
        mode.rules = (seed / 16) % 2 == 1;
        mode.votes = matches!((seed / 16) % 8, 5 | 7);
        mode
    }
    fn drawn(seed: u64) -> Self {
        let block = seed / 8;
        let even = block.is_multiple_of(2);
        match seed % 8 {
            1 => Self { bulky: even, ..Self::with_liar(lies(block * 2, 1)) },
            2 => Self { odd: if even { Odd::SetBack } else { Odd::ClockOff }, ..Self::well() },
            3 => Self { hostile: even, ..Self::with_liar(lies(block * 3, 3)) },
            4 => Self { bulky: true, hostile: true, ..Self::well() },
            5 => {
                // Which two of the seven lie moves, so that their turns follow each other in some runs.
                let (first, second) = (usize::from(even), if even { 4 } else { 2 });
                let liars = BTreeMap::from([(first, lies(block * 4, 2)), (second, lies(block * 4 + 2, 2))]);
                Self { validators: 7, liars, bulky: !even, ..Self::well() }
            }
            6 => Self { twin: true, bulky: even, ..Self::well() },
            7 => Self { bulky: !even, ..Self::with_liar(lies(block * 2 + 1, 1)) },
            _ => Self::well(),
        }
    }
    /// Of nodes that are broken on purpose: among others that are well, so that what is caught is theirs. Only a gate
    /// that is off shows nothing unless somebody proposes what it should hold back.
    pub(super) fn of_broken(broken: Broken) -> Self {
        match broken {
            Broken::GateOff => Self::with_liar(vec![Lie::ProposesAhead, Lie::ProposesLaterRound]),
            _ => Self { rules: broken.is_of_rules(), votes: broken.is_of_votes(), ..Self::well() },
        }
    }

    /// Clients that submit while there is chaos.
    pub(super) fn clients(&self) -> usize {
        if self.votes { 96 } else { 40 }
    }
    /// What the network runs.
    pub(super) fn runs(&self) -> Runs {
        match (self.votes, self.rules) {
            (true, _) => Runs::Votes,
            (false, true) => Runs::Rules,
            (false, false) => Runs::Plain,
        }
    }
    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.validators + 1 + usize::from(self.twin)
    }
    /// Whose member runs on this node.
    pub(super) fn member_of(&self, node: usize) -> usize {
        if self.twin && node + 1 == self.nodes() { ODD } else { node }
    }
    /// Whether this node lies.
    pub(super) fn lies(&self, node: usize) -> bool {
        self.liars.contains_key(&node)
    }
    /// Whether this node's key may sign twice: it lies, or is a twin.
    pub(super) fn is_faulty(&self, node: usize) -> bool {
        self.lies(node) || (self.twin && self.member_of(node) == ODD)
    }
    /// Whether this liar can execute what makes honest nodes panic.
    pub(super) fn executes_hostile(&self, node: usize) -> bool {
        self.liars.get(&node).is_some_and(|lies| lies.contains(&Lie::ProposesPanic))
    }
    /// Whether somebody floods the pools, which are small then.
    pub(super) fn floods_pools(&self) -> bool {
        self.liars.values().flatten().any(|lie| *lie == Lie::FloodsPools)
    }
    /// What this is, for the report.
    pub(super) fn name(&self) -> String {
        let mut name = format!("{} validators", self.validators);
        match self.odd {
            Odd::None => {}
            Odd::ClockOff => name += ", a clock off",
            Odd::SetBack => name += ", a database set back",
        }
        for (node, lies) in &self.liars {
            let lies: Vec<&str> = lies.iter().map(|lie| lie.name()).collect();
            name += &format!(", node {node} {}", lies.join(" and "));
        }
        for (is, what) in [
            (self.rules, ", rules"),
            (self.votes, ", votes"),
            (self.twin, ", twins"),
            (self.bulky, ", bodies in parts"),
            (self.hostile, ", a hostile transaction"),
        ] {
            name += if is { what } else { "" };
        }
        name
    }
}
