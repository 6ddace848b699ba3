//! Checks the graph that `after` makes of the statuses: each can be reached, and the text has predecessors before
//! their successors wherever the graph has no cycle, because the position in the text orders reports of one instant.
//! Must never recurse: a definition may be a chain of all its statuses.

use super::status::Draft;
use crate::definition::After;
use crate::finding::Findings;
use crate::name::Code;
use std::collections::BTreeMap;

/// The statuses in order of rank and what may follow each.
struct Graph<'d> {
    drafts: &'d [Draft],
    /// Indices by code.
    indices: BTreeMap<&'d Code, usize>,
    /// For every status those that name it in `after`.
    successors: Vec<Vec<usize>>,
}

pub(super) fn check_order(drafts: &[Draft], findings: &mut Findings) {
    let graph = Graph::new(drafts);
    graph.check_ranks(findings);
    graph.check_reachable(findings);
}

impl<'d> Graph<'d> {
    fn new(drafts: &'d [Draft]) -> Self {
        let indices: BTreeMap<&Code, usize> =
            drafts.iter().enumerate().map(|(index, draft)| (&draft.status.code, index)).collect();
        let mut successors = vec![Vec::new(); drafts.len()];
        for (index, draft) in drafts.iter().enumerate() {
            for predecessor in &draft.predecessors {
                let place = indices.get(&predecessor.value).and_then(|before| successors.get_mut(*before));
                if let Some(followers) = place {
                    followers.push(index);
                }
            }
        }
        Self { drafts, indices, successors }
    }

    /// For every status whether it can come after some of these; they themselves can.
    fn reached_from(&self, roots: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut reached = vec![false; self.drafts.len()];
        let mut open: Vec<usize> = roots.collect();
        while let Some(index) = open.pop() {
            let Some(seen) = reached.get_mut(index) else {
                continue;
            };
            if !std::mem::replace(seen, true) {
                open.extend(self.successors.get(index).into_iter().flatten());
            }
        }
        reached
    }

    fn check_ranks(&self, findings: &mut Findings) {
        for (index, draft) in self.drafts.iter().enumerate() {
            let late = |predecessor: &&_| self.index_of(predecessor).is_some_and(|before| before > index);
            let mut late = draft.predecessors.iter().filter(late).peekable();
            if late.peek().is_none() {
                continue;
            }
            let reached = self.reached_from(std::iter::once(index));
            for predecessor in late {
                // Both ways round: the two are in one cycle, and no order of the text could be right.
                if self.index_of(predecessor).is_some_and(|before| reached.get(before) == Some(&true)) {
                    continue;
                }
                let (before, after) = (&predecessor.value, &draft.status.code);
                let message = format!("`{before}` comes before `{after}` but stands later in the text");
                findings.error(predecessor.at, message, format!("move [status.{before}] above [status.{after}]"));
            }
        }
    }

    fn check_reachable(&self, findings: &mut Findings) {
        let roots = self.drafts.iter().enumerate().filter(|(_, draft)| is_root(draft)).map(|(index, _)| index);
        let reached = self.reached_from(roots);
        for (draft, reached) in self.drafts.iter().zip(reached) {
            if !reached {
                let message = format!("`{}` can never be reached in order", draft.status.code);
                let fix = "name in `after` START, ANY or a status that can be reached";
                findings.error(draft.after_at.unwrap_or(draft.at), message, fix);
            }
        }
    }

    fn index_of(&self, predecessor: &super::section::Located<Code>) -> Option<usize> {
        self.indices.get(&predecessor.value).copied()
    }
}

/// Whether a status can come first, or is at fault already in a way that leaves this open.
fn is_root(draft: &Draft) -> bool {
    let free = |rule: &After| match rule {
        After::Start | After::Any => true,
        After::Status(_) => false,
    };
    let unconstrained = draft.status.after.as_ref().is_none_or(|rules| rules.iter().any(free));
    unconstrained || draft.after_faulty || draft.status.ledger_as.is_some()
}
