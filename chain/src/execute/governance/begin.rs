//! A block's own part in changes by vote, after its transactions: proposals expire, calendars begin to count, cases are
//! counted by the newest ones and move to other versions, a bounded number in a block. Must never judge an item.

use crate::execute::{Execution, effects};
use crate::ids::{CaseId, ItemDigest};
use crate::index;
use crate::limits;
use crate::proposal::ProposalKind;
use crate::state::case::CaseRow;
use crate::state::governance::{Adopted, Since, Standing};
use crate::storage::StoreError;

impl Execution<'_> {
    /// The block's own part, after its transactions: proposals expire, calendars begin to count, and cases are counted by
    /// the newest ones and move to other versions, a bounded number in a block.
    pub(in crate::execute) fn govern(&mut self) -> Result<(), StoreError> {
        if self.registry.protocol < 2 {
            return Ok(());
        }
        let time_ms = self.place.time_ms;
        let late = self.register().open.iter().filter(|pending| pending.expires_ms < time_ms);
        let late: Vec<ItemDigest> = late.map(|pending| pending.item).collect();
        for item in late {
            self.close_proposal(&item, Standing::Expired)?;
        }
        self.recount()?;
        self.begin_calendars();
        self.begin_moves();
        Ok(())
    }
    /// Calendars whose height has come count from the next block on; older ones that come later never do.
    fn begin_calendars(&mut self) {
        let since = Since { height: self.place.height, time_ms: self.place.time_ms };
        let calendars = |adopted: &&Adopted| adopted.kind == ProposalKind::Calendars;
        let all = || self.register().adopted.iter().filter(calendars);
        let counting = self.register().counting();
        let come = all().filter(|adopted| {
            adopted.since.is_none()
                && adopted.effective <= since.height
                && counting.is_none_or(|by| by < adopted.version)
        });
        let Some(version) = come.map(|adopted| adopted.version).max() else { return };
        let register = self.register_mut();
        let found = register
            .adopted
            .iter_mut()
            .find(|adopted| adopted.kind == ProposalKind::Calendars && adopted.version == version);
        if let Some(begins) = found {
            begins.since = Some(since);
            register.recount = Some([0; 16]);
        }
    }
    /// Cases move from the block after the one whose height has come.
    fn begin_moves(&mut self) {
        let since = Since { height: self.place.height, time_ms: self.place.time_ms };
        let begins =
            |adopted: &Adopted| adopted.moves_from > 0 && adopted.since.is_none() && adopted.effective <= since.height;
        if !self.register().adopted.iter().any(begins) {
            return;
        }
        let register = self.register_mut();
        for adopted in register.adopted.iter_mut().filter(|adopted| begins(adopted)) {
            adopted.since = Some(since);
        }
        register.recount = Some([0; 16]);
    }
    /// Brings forward cases in the order of their ids: those last written under older calendars in which something is
    /// still to come, and those that move to another version.
    fn recount(&mut self) -> Result<(), StoreError> {
        let Some(from) = self.register().recount else { return Ok(()) };
        let since = self.registry.calendars_since.last().map_or(0, |(since, _)| *since);
        let page = index::cases_from(self.read, &from, limits::RECOUNT_CASES_MAX)?;
        let comes_at = (self.conduct.comes_at)(self.place.height);
        let (mut work, mut next) = (0u64, None);
        for id in page.iter().copied() {
            if work > limits::DUE_WORK_MAX {
                next = Some(id.0);
                break;
            }
            let Some(row) = CaseRow::load(self.read, &id)? else { continue };
            let waits = row.changed <= since && row.next_due_ms().is_some()
                || self.registry.moved(&row.definition, row.version, comes_at).is_some();
            let changed = self.before.get(&id).zip(self.cases.get(&id));
            let changed = changed.is_some_and(|(before, case)| *before != case.revision()) || self.due.contains(&id);
            if !waits || changed {
                continue;
            }
            let Some(case) = self.case(&id)? else { continue };
            work = work.saturating_add(effects::cost(case));
            std::sync::Arc::make_mut(case).touch_due();
            self.due.insert(id);
        }
        if next.is_none() && page.len() >= limits::RECOUNT_CASES_MAX {
            next = page.last().and_then(after);
        }
        self.register_mut().recount = next;
        Ok(())
    }
}

/// The first case id after this one; none after the last.
fn after(id: &CaseId) -> Option<[u8; 16]> {
    u128::from_be_bytes(id.0).checked_add(1).map(u128::to_be_bytes)
}
