//! The history of a case for people: what was reported, and corrections and retractions as such, with what was there
//! before. Must never show an event later than the answer it belongs to.

use std::collections::BTreeMap;

use laufzettel_proto::v1;
use serde_json::{Value, json};

use crate::cli::client::Target;
use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::cli::words::{hex, instant_text, when_text};

/// Events of one page.
const PAGE: i32 = 1_000;

/// All events of a case, in ledger order, up to a height.
pub(in crate::cli) async fn fetch(target: &Target, case: &[u8], until: Option<u64>) -> Result<Vec<v1::Event>, Fault> {
    let (mut client, mut events, mut after_cursor) = (target.cases().await?, Vec::new(), String::new());
    loop {
        let request = v1::ListEventsRequest { case_id: case.to_vec(), after_cursor, page_size: PAGE, read_at: None };
        let page = client.list_events(request).await.map_err(|status| Fault::refused(&status))?.into_inner();
        events.extend(page.events);
        after_cursor = page.next_cursor;
        let passed = events.last().is_some_and(|event| until.is_some_and(|until| event.height > until));
        if !page.more || passed {
            events.retain(|event| until.is_none_or(|until| event.height <= until));
            return Ok(events);
        }
    }
}

/// What a slot says now, and whose it is.
pub(in crate::cli) fn standing<'e>(events: &'e [v1::Event], slot: &[u8]) -> Option<(&'e v1::Report, &'e str)> {
    use v1::event::Action;
    let last = events.iter().rev().find(|event| event.slot == slot)?;
    let report = match last.action.as_ref()? {
        Action::Report(report) => report,
        Action::Correct(correct) => correct.report.as_ref()?,
        Action::Retract(_) => return None,
    };
    Some((report, &last.authority))
}

/// What became of a report later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Later {
    Corrected(u64),
    Retracted(u64),
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line<'e> {
    event: &'e v1::Event,
    /// Of a correction or retraction, what stood before.
    was: Option<&'e v1::Report>,
    /// What stands from then on.
    now: Option<&'e v1::Report>,
    later: Option<Later>,
}

/// The lines, in ledger order.
pub(super) fn lines(events: &[v1::Event]) -> Vec<Line<'_>> {
    use v1::event::Action;
    let mut standing: BTreeMap<&[u8], (&v1::Report, usize)> = BTreeMap::new();
    let mut lines: Vec<Line<'_>> = Vec::new();
    for event in events {
        let (slot, at) = (event.slot.as_slice(), event.block_time_ms);
        let before = standing.get(slot).copied();
        let (now, later) = match &event.action {
            Some(Action::Report(report)) => (Some(report), None),
            Some(Action::Correct(correct)) => (correct.report.as_ref(), Some(Later::Corrected(at))),
            Some(Action::Retract(_)) => (None, Some(Later::Retracted(at))),
            None => (None, None),
        };
        if let (Some((_, line)), Some(later)) = (before, later)
            && let Some(earlier) = lines.get_mut(line)
        {
            earlier.later = Some(later);
        }
        match now {
            Some(report) => standing.insert(slot, (report, lines.len())),
            None => standing.remove(slot),
        };
        lines.push(Line { event, was: before.map(|(report, _)| report).filter(|_| later.is_some()), now, later: None });
    }
    lines
}

/// What a report says, by name.
fn facts(report: &v1::Report) -> Vec<(String, String)> {
    let mut facts = vec![
        ("status".to_owned(), report.status.clone()),
        ("occurred".to_owned(), when_text(report.occurred.as_ref())),
        ("effective".to_owned(), when_text(report.effective.as_ref())),
        ("outcome".to_owned(), report.outcome.clone()),
    ];
    if report.proceeding > 0 {
        facts.push(("proceeding".to_owned(), report.proceeding.to_string()));
    }
    facts.extend(report.attributes.iter().map(|attribute| (attribute.name.clone(), value(attribute))));
    facts.retain(|(_, text)| !text.is_empty());
    facts
}

fn value(attribute: &v1::Attribute) -> String {
    use v1::attribute::Value as Held;
    match &attribute.value {
        Some(Held::Date(day)) => when_text(Some(&v1::When { at: Some(v1::when::At::Day(*day)) })),
        Some(Held::Code(text) | Held::Authority(text)) => text.clone(),
        Some(Held::Integer(number)) => number.to_string(),
        Some(Held::Bool(yes)) => yes.to_string(),
        Some(Held::Commitment(bytes)) => hex(bytes),
        None => String::new(),
    }
}

fn facts_json(report: &v1::Report) -> Value {
    facts(report).into_iter().map(|(name, text)| (name, text.into())).collect::<serde_json::Map<_, _>>().into()
}

/// In what two reports differ: name, what was, what is.
fn differences(was: &v1::Report, now: &v1::Report) -> Vec<(String, String, String)> {
    let (was, now) = (facts(was), facts(now));
    let of = |all: &[(String, String)], name: &str| {
        all.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let mut names: Vec<&String> = was.iter().map(|(name, _)| name).collect();
    names.extend(now.iter().map(|(name, _)| name).filter(|name| !was.iter().any(|(known, _)| known == *name)));
    let all = names.into_iter().map(|name| (name.clone(), of(&was, name), of(&now, name)));
    all.filter(|(_, was, now)| was != now).collect()
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

impl Line<'_> {
    /// What happened, in words.
    fn what(&self) -> String {
        use v1::event::Action;
        let status = |report: Option<&v1::Report>| report.map(|report| report.status.clone()).unwrap_or_default();
        match &self.event.action {
            Some(Action::Report(report)) => format!("{} {}", report.status, report.outcome).trim_end().to_owned(),
            Some(Action::Correct(_)) => {
                let Some((was, now)) = self.was.zip(self.now) else {
                    return format!("corrected: {} (what was there is erased)", status(self.now));
                };
                let changes = differences(was, now)
                    .into_iter()
                    .map(|(name, was, now)| format!("{name} was {}, now {}", or_nothing(&was), or_nothing(&now)));
                let changes: Vec<String> = changes.collect();
                let changes =
                    if changes.is_empty() { "nothing to be shown changed".to_owned() } else { changes.join("; ") };
                format!("corrected: {}: {changes}", was.status)
            }
            Some(Action::Retract(retract)) => {
                let was = self.was.map_or_else(
                    || "what is erased".to_owned(),
                    |was| format!("{} of {}", was.status, when_text(was.occurred.as_ref())),
                );
                format!("retracted: {was}: {}", retract.reason)
            }
            None => "not shown: erased, or not for this reader".into(),
        }
    }

    fn kind(&self) -> &'static str {
        use v1::event::Action;
        match &self.event.action {
            Some(Action::Report(_)) => "report",
            Some(Action::Correct(_)) => "correction",
            Some(Action::Retract(_)) => "retraction",
            None => "hidden",
        }
    }

    fn remark(&self) -> String {
        let deviation = if self.event.deviation { "deviation" } else { "" };
        let later = match self.later {
            None => String::new(),
            Some(Later::Corrected(at)) => format!("corrected {}", instant_text(at)),
            Some(Later::Retracted(at)) => format!("retracted {}", instant_text(at)),
        };
        [deviation, &later].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn json(&self) -> Value {
        let (corrected_ms, retracted_ms) = match self.later {
            None => (0, 0),
            Some(Later::Corrected(at)) => (at, 0),
            Some(Later::Retracted(at)) => (0, at),
        };
        json!({ "kind": self.kind(), "what": self.what(), "slot": hex(&self.event.slot), "by": self.event.authority,
                "height": self.event.height, "block_time_ms": self.event.block_time_ms,
                "deviation": self.event.deviation, "was": self.was.map(facts_json), "now": self.now.map(facts_json),
                "corrected_ms": corrected_ms, "retracted_ms": retracted_ms })
    }
}

/// The lines as JSON.
pub(super) fn json_of(lines: &[Line<'_>]) -> Value {
    lines.iter().map(Line::json).collect::<Vec<_>>().into()
}

/// The lines as a table.
pub(super) fn table(lines: &[Line<'_>], output: &Output) {
    let rows = lines.iter().map(|line| {
        let occurred = when_text(line.now.or(line.was).and_then(|report| report.occurred.as_ref()));
        let recorded = instant_text(line.event.block_time_ms);
        vec![recorded, line.event.authority.clone(), occurred, line.what(), line.remark()]
    });
    output.details(&["recorded", "by", "occurred", "what", ""], rows.collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(slot: u8, height: u64, action: v1::event::Action) -> v1::Event {
        v1::Event { slot: vec![slot; 32], height, block_time_ms: height, action: Some(action), ..v1::Event::default() }
    }

    fn report(status: &str, day: i32, outcome: &str) -> v1::Report {
        let occurred = Some(v1::When { at: Some(v1::when::At::Day(day)) });
        v1::Report { status: status.into(), occurred, outcome: outcome.into(), ..v1::Report::default() }
    }

    #[test]
    fn corrections_and_retractions_tell_what_was() {
        use v1::event::Action;
        let correct = |report| Action::Correct(v1::Correct { slot: vec![1; 32], report: Some(report) });
        let retract = Action::Retract(v1::Retract { slot: vec![1; 32], reason: "wrong_person".into() });
        let events = [
            event(1, 5, Action::Report(report("decided", 20_605, "granted"))),
            event(2, 6, Action::Report(report("served", 20_606, ""))),
            event(1, 7, correct(report("decided", 20_605, "rejected"))),
            event(1, 8, correct(report("decided", 20_604, "rejected"))),
            event(1, 9, retract),
        ];
        let lines = lines(&events);
        let whats: Vec<String> = lines.iter().map(Line::what).collect();
        assert_eq!(
            whats,
            [
                "decided granted",
                "served",
                "corrected: decided: outcome was granted, now rejected",
                "corrected: decided: occurred was 2026-06-01, now 2026-05-31",
                "retracted: decided of 2026-05-31: wrong_person",
            ]
        );
        // Each says what became of it, and of nothing else.
        let laters: Vec<_> = lines.iter().map(|line| line.later).collect();
        let corrected = |at| Some(Later::Corrected(at));
        assert_eq!(laters, [corrected(7), None, corrected(8), Some(Later::Retracted(9)), None]);
        assert_eq!(lines[4].json()["was"]["occurred"], "2026-05-31");
        assert_eq!(lines[4].json()["now"], Value::Null);
    }
}
