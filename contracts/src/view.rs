//! What one reader sees of a case: need to know as a pure function of the definition, the case, what follows from it,
//! and who reads. [`view`] picks, it computes nothing anew; what it leaves out, no text, count or list of it may tell.
//! Must never show a marker outside its audience, work to those it is not for, or a report to a role that its status
//! does not name; and must never hide a lock from those it stops.
//!
//! Who sees what:
//!
//! - a **report**, and the track on which it stands: the roles that may report its status and those that are told of it,
//!   its author, and who can open its sealed part. Of a restricted status there is only the class here: the roles of
//!   the class see that, and nobody sees more without the sealed part;
//! - a **deviation**: who sees the report; one that names a lock also who sees the lock;
//! - a **deadline**: the roles that watch it; a **marker**: its audience;
//! - a **task**, a **notice**: the role it is for, and of that role the authority, where one is known;
//! - a **lock**: the roles that may report what it stops or alarms or what releases it, and who sees its cause;
//! - what was **withdrawn**: who had been told of it;
//! - the **holder** of a role: who holds the role itself, and who sees a report of the case that this role sees, too.
//!
//! A track whose last report the reader does not see is not shown at all: an earlier status would pass for the current.
//! [`Sight`] answers for one report, [`Whole`] says of what the reader misses nothing.

mod sight;
mod whole;

pub use sight::{Holders, Sight};
pub use whole::Whole;

use crate::definition::{Definition, Status};
use crate::effect::{
    Addressee, Cause, DeadlineEffect, EffectDeviation, EffectDeviationKind, EffectId, EffectKind, Effects, History,
    LockEffect, MarkerEffect, NoticeEffect, Past, TaskEffect,
};
use crate::fold::CaseFold;
use crate::fold::state::{Deviation, TrackState};
use crate::name::{AuthorityId, Code};
use crate::report::{Entry, Report, Slot};
use sight::listed;
use std::collections::BTreeSet;
use std::ops::Deref;

/// Who reads.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'r> {
    /// The roles in which it reads.
    pub roles: &'r [Code],
    /// The authority; none asks what is seen by the roles, whoever holds them in the case. Where it is known who holds
    /// a role in the case, another authority sees nothing by that role but what was addressed to itself.
    pub authority: Option<&'r AuthorityId>,
}

impl Reader<'_> {
    /// Whether a report is the reader's own, or sealed to it. That hangs on nothing else.
    pub fn is_of(&self, author: &AuthorityId, report: &Report) -> bool {
        let sealed = || report.sealed.as_ref().map(|sealed| &sealed.recipients);
        self.authority
            .is_some_and(|reader| reader == author || sealed().is_some_and(|recipients| recipients.contains(reader)))
    }

    /// Whether the reader has a role that a status names, be it another authority's in a case. If not, it sees of that
    /// status what is its own, and no more in any case.
    pub fn may_see(&self, status: &Status) -> bool {
        listed(status).any(|role| self.roles.contains(role))
    }
}

/// What a reader sees. All lists keep the order of what they are taken from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View<'v> {
    /// The case in one line: of the tracks seen the one that moved last.
    pub headline: Option<&'v TrackState>,
    /// The tracks seen, in the order of the definition.
    pub tracks: Vec<&'v TrackState>,
    /// Whether the current proceeding is closed; unknown, and so false, to who sees no track.
    pub closed: bool,
    /// The reports seen, in fold order.
    pub reports: Vec<&'v Entry>,
    /// In what reports depart from the order of the definition.
    pub deviations: Vec<&'v Deviation>,
    /// In what reports depart from guards and locks.
    pub effect_deviations: Vec<&'v EffectDeviation>,
    /// Deadlines, also those that are over, as are the next four.
    pub deadlines: Vec<&'v DeadlineEffect>,
    /// Tasks.
    pub tasks: Vec<&'v TaskEffect>,
    /// Notices.
    pub notices: Vec<&'v NoticeEffect>,
    /// Locks.
    pub locks: Vec<&'v LockEffect>,
    /// Markers.
    pub markers: Vec<&'v MarkerEffect>,
    /// By id, what is given no longer.
    pub withdrawn: Vec<(&'v EffectId, &'v Past)>,
    /// By role, who holds it in the case.
    pub participants: Vec<(&'v Code, &'v AuthorityId)>,
}

impl View<'_> {
    /// Whether the reader sees nothing of the case. Who holds a role says nothing about a case.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
            && self.deadlines.is_empty()
            && self.tasks.is_empty()
            && self.notices.is_empty()
            && self.locks.is_empty()
            && self.markers.is_empty()
            && self.withdrawn.is_empty()
    }
}

/// Picks what a reader sees of a case. `effects` are those of the case as of the instant asked about, `history` what is
/// kept of them; both are empty for a definition in language 1.
pub fn view<'v>(
    def: &'v Definition,
    case: &'v CaseFold,
    effects: &'v Effects,
    history: &'v History,
    reader: &Reader<'_>,
) -> View<'v> {
    view_held(def, case, (effects, history), &effects.participants, reader)
}

/// The same of a case as it was, for who reads it today: `holders` are those of today, so that who took a case over sees
/// what was before, and who gave it away does not go on reading by asking about the past.
pub fn view_held<'v>(
    def: &'v Definition,
    case: &'v CaseFold,
    (effects, history): (&'v Effects, &'v History),
    holders: &Holders,
    reader: &Reader<'_>,
) -> View<'v> {
    let eye = Eye { def, effects, sight: Sight::new(def, holders, reader) };
    let reports: Vec<&Entry> = case.entries().iter().filter(|entry| eye.sees_report(entry)).collect();
    let slots: BTreeSet<Slot> = reports.iter().map(|entry| entry.slot).collect();
    let state = case.state();
    let on_track = |number: u8| state.tracks.get(&number).filter(|track| slots.contains(&track.slot));
    let tracks: Vec<&TrackState> = def.tracks().iter().filter_map(|track| on_track(track.number)).collect();
    let deadlines: Vec<&DeadlineEffect> =
        effects.deadlines.iter().map(Deref::deref).filter(|one| eye.watches(one)).collect();
    let notices: Vec<&NoticeEffect> = effects
        .notices
        .iter()
        .map(Deref::deref)
        .filter(|one| one.recipients.iter().any(|recipient| eye.is_meant(recipient)))
        .collect();
    let caused = |cause: &Cause| match cause {
        Cause::Report(slot) => slots.contains(slot),
        Cause::Effect(id) => {
            deadlines.iter().any(|one| one.origin.id == *id) || notices.iter().any(|one| one.origin.id == *id)
        }
    };
    let locks: Vec<&LockEffect> =
        effects.locks.iter().map(Deref::deref).filter(|one| caused(&one.origin.cause) || eye.is_stopped(one)).collect();
    let sees_lock = |kind: &EffectDeviationKind| match kind {
        EffectDeviationKind::ExecutedDespiteLock(id) | EffectDeviationKind::AnnouncedDespiteLock(id) => {
            locks.iter().any(|lock| lock.origin.id == *id)
        }
        EffectDeviationKind::Warned(_)
        | EffectDeviationKind::Overridden(_)
        | EffectDeviationKind::Grave(_)
        | EffectDeviationKind::AssignedWithoutRole(_) => false,
    };
    let effect_deviations =
        effects.deviations.iter().filter(|one| slots.contains(&one.slot) || sees_lock(&one.kind)).collect();
    let as_of_ms = effects.as_of_ms;
    let past = history.past().iter().map(|(id, past)| (id, past.as_ref()));
    View {
        headline: tracks.iter().copied().max_by_key(|track| track.order),
        closed: state.closed && !tracks.is_empty(),
        deviations: state.deviations.iter().filter(|one| slots.contains(&one.slot)).collect(),
        effect_deviations,
        tasks: effects.tasks.iter().map(Deref::deref).filter(|one| eye.is_meant(&one.addressee)).collect(),
        markers: effects.markers.iter().map(Deref::deref).filter(|one| eye.is_in_audience(&one.marker)).collect(),
        // What went only after the instant that is asked about had not gone then.
        withdrawn: past
            .filter(|(_, past)| past.withdrawn_ms.is_some_and(|at| at <= as_of_ms) && eye.was_told(past))
            .collect(),
        participants: eye.participants(&reports),
        tracks,
        reports,
        deadlines,
        notices,
        locks,
    }
}

/// A reader before a case.
struct Eye<'e, 'v> {
    def: &'v Definition,
    effects: &'v Effects,
    sight: Sight<'e>,
}

impl<'v> Eye<'_, 'v> {
    fn is_meant(&self, addressee: &Addressee) -> bool {
        self.sight.is_meant(addressee)
    }

    fn sees_report(&self, entry: &Entry) -> bool {
        self.sight.report(&entry.author, &entry.report)
    }

    fn watches(&self, deadline: &DeadlineEffect) -> bool {
        let rule = self.def.rules().deadline(deadline.deadline.as_str());
        rule.is_some_and(|rule| self.sight.holds_any(&rule.watched_by))
    }

    fn is_in_audience(&self, marker: &Code) -> bool {
        let rule = self.def.rules().marker(marker.as_str());
        rule.is_some_and(|rule| self.sight.holds_any(&rule.audience))
    }

    fn is_stopped(&self, lock: &LockEffect) -> bool {
        self.def.rules().lock(lock.lock.as_str()).is_some_and(|lock| self.sight.is_stopped(lock))
    }

    /// Whether it was shown to the reader, and would be: who is no longer in a marker's audience is not told of it.
    fn was_told(&self, past: &Past) -> bool {
        let told = past.told.iter().any(|one| self.is_meant(one));
        told && (past.kind != EffectKind::Marker || self.is_in_audience(&past.name))
    }

    fn participants(&self, reports: &[&Entry]) -> Vec<(&'v Code, &'v AuthorityId)> {
        let statuses: BTreeSet<&Code> = reports.iter().map(|entry| &entry.report.status).collect();
        let shared: BTreeSet<&Code> =
            statuses.into_iter().filter_map(|code| self.def.status(code.as_str())).flat_map(listed).collect();
        let all = self.effects.participants.iter();
        let seen = all.filter(|(role, _)| self.sight.has(role) || shared.contains(role));
        seen.map(|(role, holder)| (role, holder.authority())).collect()
    }
}
