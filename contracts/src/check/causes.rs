//! What sets off what: a rule starts a deadline or sends a notice, whose end or silence runs the next rule. Finds
//! cycles, which would never end, and bounds the work and the effects that follow from one cause. Must never recurse: a
//! definition may be a chain of all its rules.

use super::rules::RuleDraft;
use super::status::Draft;
use crate::definition::{Guard, Trigger};
use crate::finding::Findings;
use crate::limits::{CASCADE_MAX, CAUSE_COST_MAX, CYCLES_TOLD_MAX, EXPRESSION_FACT_COST};
use crate::name::Code;
use std::collections::{BTreeMap, VecDeque};

/// Steps of a cycle that a message names.
const STEPS_SHOWN_MAX: usize = 8;

/// One rule that makes what sets off the next.
#[derive(Debug, Clone, Copy)]
struct Step<'r> {
    rule: &'r Code,
    /// What it does: `starts` or `sends`.
    verb: &'static str,
    made: &'r Code,
    at: usize,
    /// How many times it sets the next off: once for each recipient.
    times: u64,
}

/// The causes some rule waits for, in their order, and which leads to which.
struct Graph<'r> {
    causes: Vec<&'r Trigger>,
    /// For each cause its rules, as places in the text's list.
    rules: Vec<Vec<usize>>,
    /// For each cause the causes it leads to; several steps may lead to one.
    steps: Vec<Vec<(usize, Step<'r>)>>,
}

pub(super) fn check_causes(drafts: &[RuleDraft], statuses: &[Draft], findings: &mut Findings) {
    let graph = Graph::new(drafts);
    check_costs(&graph, drafts, statuses, findings);
    let order = graph.without_cycles();
    if order.len() < graph.causes.len() {
        graph.tell_cycles(&order, findings);
    } else {
        graph.check_cascades(&order, drafts, findings);
    }
}

impl<'r> Graph<'r> {
    fn new(drafts: &'r [RuleDraft]) -> Self {
        let mut by_cause: BTreeMap<&Trigger, Vec<usize>> = BTreeMap::new();
        for (place, draft) in drafts.iter().enumerate() {
            by_cause.entry(&draft.rule.on).or_default().push(place);
        }
        let causes: Vec<&Trigger> = by_cause.keys().copied().collect();
        let rules: Vec<Vec<usize>> = by_cause.into_values().collect();
        let mut steps = Vec::with_capacity(causes.len());
        for places in &rules {
            let drafts = places.iter().filter_map(|place| drafts.get(*place));
            steps.push(drafts.flat_map(|draft| steps_of(draft, &causes)).collect());
        }
        Self { causes, rules, steps }
    }

    fn steps_from(&self, cause: usize) -> &[(usize, Step<'r>)] {
        self.steps.get(cause).map_or(&[], Vec::as_slice)
    }

    /// The causes of which none leads back to itself, each after all that lead to it (Kahn).
    fn without_cycles(&self) -> Vec<usize> {
        let mut waits = vec![0_usize; self.causes.len()];
        for (next, _) in self.steps.iter().flatten() {
            if let Some(count) = waits.get_mut(*next) {
                *count = count.saturating_add(1);
            }
        }
        let free = waits.iter().enumerate().filter(|(_, count)| **count == 0).map(|(cause, _)| cause);
        let mut order: Vec<usize> = free.collect();
        let mut done = 0_usize;
        while let Some(cause) = order.get(done).copied() {
            done = done.saturating_add(1);
            for (next, _) in self.steps_from(cause) {
                let Some(count) = waits.get_mut(*next) else { continue };
                *count = count.saturating_sub(1);
                if *count == 0 {
                    order.push(*next);
                }
            }
        }
        order
    }

    /// One shortest cycle for each cause that is on one, no cause in two of them.
    fn tell_cycles(&self, order: &[usize], findings: &mut Findings) {
        let mut told = vec![false; self.causes.len()];
        for cause in order {
            if let Some(done) = told.get_mut(*cause) {
                *done = true;
            }
        }
        let mut left = CYCLES_TOLD_MAX;
        for cause in 0..self.causes.len() {
            if left == 0 {
                break;
            }
            let cycle = if told.get(cause) == Some(&false) { self.cycle(cause, &told) } else { Vec::new() };
            let Some((_, first)) = cycle.first() else { continue };
            let shown: Vec<String> =
                cycle.iter().take(STEPS_SHOWN_MAX).map(|(from, step)| self.show(*from, step)).collect();
            let more = cycle.len().saturating_sub(STEPS_SHOWN_MAX);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let message = format!("rules set one another off for ever: {}{more}", shown.join(", then "));
            findings.error(
                first.at,
                message,
                "take one of these steps out: what repeats is reported again by a person",
            );
            left = left.saturating_sub(1);
            for (on, _) in cycle {
                if let Some(done) = told.get_mut(on) {
                    *done = true;
                }
            }
        }
    }

    /// The shortest way from a cause back to it past those that are not told yet: each step with the cause it is from.
    fn cycle(&self, root: usize, told: &[bool]) -> Vec<(usize, Step<'r>)> {
        let mut came: BTreeMap<usize, (usize, Step<'r>)> = BTreeMap::new();
        let mut open = VecDeque::from([root]);
        while let Some(cause) = open.pop_front() {
            for (next, step) in self.steps_from(cause) {
                if told.get(*next) != Some(&false) || came.contains_key(next) {
                    continue;
                }
                came.insert(*next, (cause, *step));
                open.push_back(*next);
            }
        }
        let mut path = Vec::new();
        let mut cause = root;
        while let Some((from, step)) = came.get(&cause).copied() {
            path.push((from, step));
            cause = from;
            if cause == root {
                path.reverse();
                return path;
            }
        }
        Vec::new()
    }

    fn show(&self, from: usize, step: &Step<'_>) -> String {
        let cause = self.causes.get(from).map_or_else(String::new, |cause| shown(cause));
        format!("{cause} rule `{}` {} `{}`", step.rule, step.verb, step.made)
    }

    /// How many effects follow from each cause in the end.
    fn check_cascades(&self, order: &[usize], drafts: &[RuleDraft], findings: &mut Findings) {
        let mut follow = vec![0_u64; self.causes.len()];
        for cause in order.iter().rev() {
            let rules = self.rules.get(*cause).into_iter().flatten().filter_map(|place| drafts.get(*place));
            let own = rules.fold(0_u64, |sum, draft| sum.saturating_add(effects(draft)));
            let total = self.steps_from(*cause).iter().fold(own, |sum, (next, step)| {
                let later = follow.get(*next).copied().unwrap_or_default();
                sum.saturating_add(later.saturating_mul(step.times))
            });
            if let Some(place) = follow.get_mut(*cause) {
                *place = total;
            }
            // The end of a deadline is told at what starts it, if that is too much already.
            if total > CASCADE_MAX
                && self.steps_from(*cause).iter().all(|(next, _)| follow.get(*next) <= Some(&CASCADE_MAX))
                && let Some((cause, at)) = self.causes.get(*cause).zip(self.first_at(*cause, drafts))
            {
                let message =
                    format!("{} rules make {total} effects in the end, more than {CASCADE_MAX}", shown(cause));
                findings.error(at, message, "let fewer things follow from one another");
            }
        }
    }

    /// Where the first rule of a cause stands.
    fn first_at(&self, cause: usize, drafts: &[RuleDraft]) -> Option<usize> {
        let place = self.rules.get(cause)?.first()?;
        drafts.get(*place).map(|draft| draft.name_at)
    }
}

/// What a rule makes that may set off one of these causes.
fn steps_of<'r>(draft: &'r RuleDraft, causes: &[&Trigger]) -> Vec<(usize, Step<'r>)> {
    let mut steps = Vec::new();
    let rule = &draft.rule.name;
    let mut add = |cause: Trigger, step: Step<'r>| {
        if let Ok(next) = causes.binary_search(&&cause) {
            steps.push((next, step));
        }
    };
    for (made, at) in draft.rule.start.iter().zip(&draft.start_at) {
        let step = Step { rule, verb: "starts", made, at: *at, times: 1 };
        for cause in [Trigger::Warned(made.clone()), Trigger::Elapsed(made.clone()), Trigger::Grace(made.clone())] {
            add(cause, step);
        }
    }
    for (sending, at) in draft.rule.notify.iter().zip(&draft.notify_at) {
        let times = u64::try_from(sending.to.len()).unwrap_or(u64::MAX);
        let step = Step { rule, verb: "sends", made: &sending.notice, at: *at, times };
        add(Trigger::Unacknowledged(sending.notice.clone()), step);
    }
    steps
}

/// How many effects one run of a rule makes; a notice is one for all its recipients.
fn effects(draft: &RuleDraft) -> u64 {
    let rule = &draft.rule;
    let lists = [rule.start.len(), rule.open.len(), rule.notify.len(), rule.lock.len(), rule.mark.len()];
    lists.into_iter().fold(0, |sum, count| sum.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)))
}

/// What judging and running a rule costs, in steps of an expression.
fn cost(draft: &RuleDraft) -> u32 {
    let rule = &draft.rule;
    let lists = [&rule.close, &rule.stop, &rule.unlock, &rule.clear, &rule.start, &rule.lock, &rule.mark];
    let recipients = rule.notify.iter().map(|sending| sending.to.len());
    let counts = lists.into_iter().map(Vec::len).chain(recipients).chain([rule.open.len(), rule.notify.len()]);
    let actions = counts.fold(0_u32, |sum, count| sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)));
    let when = rule.when.as_ref().map_or(0, |when| when.cost());
    actions.saturating_mul(EXPRESSION_FACT_COST).saturating_add(when).saturating_add(1)
}

/// Bounds what one cause costs. A report also has its guards judged.
fn check_costs(graph: &Graph<'_>, drafts: &[RuleDraft], statuses: &[Draft], findings: &mut Findings) {
    let guards = |guards: &[Guard]| guards.iter().fold(0_u32, |sum, guard| sum.saturating_add(guard.when.cost()));
    let mut costs: BTreeMap<Trigger, (u32, usize)> = BTreeMap::new();
    for draft in statuses {
        let sum = guards(&draft.status.warn_if).saturating_add(guards(&draft.status.block_if));
        costs.insert(Trigger::Status(draft.status.code.clone()), (sum, draft.at));
    }
    for (place, cause) in graph.causes.iter().enumerate() {
        let rules = graph.rules.get(place).into_iter().flatten().filter_map(|place| drafts.get(*place));
        let sum = rules.fold(0_u32, |sum, draft| sum.saturating_add(cost(draft)));
        let at = graph.first_at(place, drafts).unwrap_or_default();
        let entry = costs.entry((*cause).clone()).or_insert((0, at));
        entry.0 = entry.0.saturating_add(sum);
    }
    for (cause, (sum, at)) in costs {
        if sum > CAUSE_COST_MAX {
            let message = format!("{} guards and rules cost {sum} steps, more than {CAUSE_COST_MAX}", shown(&cause));
            findings.error(at, message, "make their conditions shorter, or let fewer rules wait for one cause");
        }
    }
}

/// A cause as a message names it.
fn shown(cause: &Trigger) -> String {
    match cause {
        Trigger::Status(code) => format!("at a report of `{code}`"),
        Trigger::Warned(code) => format!("at the warning of `{code}`"),
        Trigger::Elapsed(code) => format!("at the end of `{code}`"),
        Trigger::Grace(code) => format!("at the end of the grace of `{code}`"),
        Trigger::Unacknowledged(code) => format!("at the silence about `{code}`"),
    }
}
