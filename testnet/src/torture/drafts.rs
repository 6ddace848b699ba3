//! The texts that are proposed under torture: version after version of the process that cases are led under, and of the
//! calendars. Versions differ in what matters to open cases: a period is longer or shorter, a rule asks for one task more,
//! a status has another name. Must never change a rule that is there so that what it makes comes in another order.

use laufzettel_contracts::CALENDARS_DE;

use super::law;
use super::rules::today;
use crate::cluster::Fault;
use crate::fast;

/// A version of the process that cases are led under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    /// Whether it is the shipped asylum procedure.
    pub(super) law: bool,
    pub(super) version: u32,
    /// Whether a status has its other name.
    renamed: bool,
    /// What a rule that comes and goes makes, if it is there.
    asks: Option<Asks>,
}

/// What a rule makes that comes and goes. Both have the same name: once what the rule made is withdrawn, the same name
/// is given to something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Task,
    Notice,
}

/// What differs between versions, in one process.
struct Differs {
    version: &'static str,
    /// A status that has two names.
    names: [&'static str; 2],
    /// A period that has two lengths.
    lengths: [&'static str; 2],
    /// On which status who is asked for which task, or gets which notice.
    asks: [&'static str; 4],
}

const FAST: Differs = Differs {
    version: "id = \"fast\", version = ",
    names: ["decision_issued", "decision_made"],
    lengths: ["length = \"PT12S\"", "length = \"PT9S\""],
    asks: ["motion_filed", "court", "phone", "alarm"],
};
const LAW: Differs = Differs {
    version: "id = \"asyl-de\"\nversion = ",
    names: [law::RENAMED, "refoulement_clearance_issued"],
    lengths: ["acknowledge_within = \"PT5S\"", "acknowledge_within = \"PT7S\""],
    asks: ["appeal_filed", "asylum_office", "decide", "enforced_despite_stop"],
};

impl Draft {
    /// The version of the genesis file.
    pub(super) fn first(law: bool) -> Self {
        Self { law, version: if law { 2 } else { 1 }, renamed: false, asks: None }
    }
    fn differs(&self) -> &'static Differs {
        if self.law { &LAW } else { &FAST }
    }
    /// The version after it in a round, and whether open cases move to it.
    pub(super) fn next(&self, round: u32) -> (Self, bool) {
        let next = Self { version: self.version + 1, ..self.clone() };
        let asks = match self.asks {
            Some(_) => None,
            None if round % 8 < 4 => Some(Asks::Task),
            None => Some(Asks::Notice),
        };
        match round % 8 {
            0 | 4 => (Self { renamed: !self.renamed, ..next }, true),
            1 | 3 | 5 => (Self { asks, ..next }, true),
            7 => (Self { asks, ..next }, false),
            _ => (next, true),
        }
    }
    /// A version that competes with the next one.
    pub(super) fn competing(&self, next: &Self) -> Self {
        Self { version: next.version + 1, ..self.clone() }
    }
    /// The process.
    pub(super) fn id(&self) -> &'static str {
        if self.law { "asyl-de" } else { fast::ID }
    }
    /// What the status with two names is called in it.
    pub(super) fn named(&self) -> &'static str {
        let [first, second] = self.differs().names;
        if self.renamed { second } else { first }
    }
    pub(super) fn text(&self) -> String {
        let Differs { version, names: [first, _], lengths: [usual, other], asks: [status, role, task, notice] } =
            self.differs();
        let text = if self.law { law::text() } else { fast::TEXT.to_owned() };
        let first_version = Self::first(self.law).version;
        let mut text = text.replace(&format!("{version}{first_version}"), &format!("{version}{}", self.version));
        text = text.replace(first, self.named());
        if (self.version - first_version) % 2 == 1 {
            text = text.replace(usual, other);
        }
        let makes = match self.asks {
            None => return text,
            Some(Asks::Task) => format!("open = [{{ task = \"{task}\", for = \"{role}\" }}]"),
            Some(Asks::Notice) => format!("notify = [{{ notice = \"{notice}\", to = [\"{role}\"] }}]"),
        };
        text += &format!(
            "\n[[rule]]\nname = \"asked_more\"\nlabel_de = \"x\"\nlabel_en = \"x\"\non = {{ status = \"{status}\" }}\n\
             {makes}\nbasis = \"§ 0 (D)\"\n"
        );
        text
    }
}

/// A version of the calendars: another day off two weeks from now, when periods end that begin now.
pub(super) fn calendars(version: u32) -> Result<String, Fault> {
    let ends = today()? + 14 + i32::try_from(version % 3)?;
    let day = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(ends)?)?;
    let text = CALENDARS_DE.replacen("version = 1", &format!("version = {version}"), 1);
    Ok(format!(
        "{text}\n[holiday.added]\nlabel_de = \"x\"\nlabel_en = \"x\"\nrule = \"fixed\"\nmonth = {}\nday = {}\nareas = [\"DE\"]\nbasis = \"x\"\nverified = \"M\"\n",
        day.month(),
        day.day()
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use laufzettel_contracts::{Calendars, Code, Definition, diff};

    use super::*;

    /// Every text that comes is sound and differs from the one before; where cases move, everything has a name.
    #[test]
    fn all_versions_are_sound() {
        for law in [false, true] {
            let (mut draft, mut kinds) = (Draft::first(law), BTreeMap::new());
            for round in 0..32 {
                let (next, moves) = draft.next(round);
                let check = |draft: &Draft| Definition::check(&draft.text()).map(|checked| checked.definition);
                let (old, new) = (check(&draft).unwrap(), check(&next).unwrap_or_else(|found| panic!("{found:?}")));
                assert_eq!((new.id(), new.version()), (next.id(), draft.version + 1));
                assert_eq!(old.status(next.named()).is_none(), draft.renamed != next.renamed);
                let gains = !diff::gains(Some(&old), &new).is_empty();
                assert_eq!(
                    gains,
                    (next.asks.is_some() && draft.asks.is_none()) || draft.renamed != next.renamed,
                    "{next:?}"
                );
                let same = old.statuses().iter().map(|status| {
                    let renamed = status.code.as_str() == draft.named();
                    let to = if renamed { Code::new(next.named()).unwrap() } else { status.code.clone() };
                    (status.code.clone(), to)
                });
                let plain = |code: &Code| old.status(code.as_str()).unwrap().ledger_as.is_none();
                let faults = diff::mapping_faults(&old, &new, &same.filter(|(code, _)| plain(code)).collect());
                assert_eq!(faults, []);
                *kinds.entry((moves, gains)).or_insert(0) += 1;
                draft = next;
            }
            assert!(kinds.len() >= 3, "{kinds:?}");
        }
    }

    #[test]
    fn calendars_that_come_are_sound() {
        for version in 2..6 {
            assert_eq!(Calendars::check(&calendars(version).unwrap()).unwrap().calendars.version(), version);
        }
    }
}
