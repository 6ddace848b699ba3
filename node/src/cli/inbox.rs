//! `laufzettel tasks`, `notices` and `deadlines`: what the authority of the profile has to do, to know and to watch,
//! and how it answers.

mod answer;
mod follow;

use clap::{Args, Subcommand};
use jiff::{Span, Timestamp};
use laufzettel_proto::v1;
use serde_json::{Value, json};

use super::case::effects::{
    deadline_json, due_text, instant_or_none, label, notice_json, notice_text, state_text, task_json,
};
use super::client::Target;
use super::fault::Fault;
use super::output::Output;
use super::words::{berlin, case_text, when_text};
use answer::{Acknowledge, Complete, Show};
use follow::Follow;

/// Most entries of a page.
const PAGE_MAX: usize = 1_000;

/// Subcommands of `tasks`.
#[derive(Debug, Subcommand)]
pub(super) enum Tasks {
    /// Open tasks, by due day.
    List(List),
    /// One task of a case: what it is, until when and why.
    Show(Show),
    /// How many tasks, notices and deadlines there are, and how many are overdue.
    Count,
    /// Complete a task.
    Complete(Complete),
    /// Follow tasks and notices as they come and go.
    Watch(Follow),
}

/// Subcommands of `notices`.
#[derive(Debug, Subcommand)]
pub(super) enum Notices {
    /// Notices, urgent ones first.
    List {
        /// Only those to be acknowledged.
        #[arg(long)]
        to_acknowledge: bool,
        /// Most notices shown.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Acknowledge a notice.
    Ack(Acknowledge),
}

/// Subcommands of `deadlines`.
#[derive(Debug, Subcommand)]
pub(super) enum Deadlines {
    /// Deadlines that the authority watches, by due day.
    List(List),
}

/// Which entries.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only what is overdue.
    #[arg(long)]
    overdue: bool,
    /// Only what is due within this time from now, as P7D or PT12H; includes what is overdue.
    #[arg(long, value_name = "PERIOD", conflicts_with = "overdue")]
    due_within: Option<String>,
    /// Most entries shown.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Tasks {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        match self {
            Self::List(list) => list.tasks(target, output).await,
            Self::Show(show) => show.run(target, output).await,
            Self::Count => count(target, output).await,
            Self::Complete(complete) => complete.run(target, output).await,
            Self::Watch(follow) => follow.run(target, output).await,
        }
    }
}

impl Notices {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        match self {
            Self::List { to_acknowledge, limit } => notices(*to_acknowledge, *limit, target, output).await,
            Self::Ack(acknowledge) => acknowledge.run(target, output).await,
        }
    }
}

impl Deadlines {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        match self {
            Self::List(list) => list.deadlines(target, output).await,
        }
    }
}

/// The instant a period from now ends at, as a clerk in Germany counts days.
fn within(period: &str) -> Result<u64, Fault> {
    let form = "a period is written P7D, P2W, P1M or PT12H";
    let span: Span = period.parse().map_err(|_| Fault::usage(format!("--due-within {period:?}: {form}")))?;
    let zoned = Timestamp::now().to_zoned(berlin()?);
    let end = zoned.checked_add(span).ok().and_then(|end| u64::try_from(end.timestamp().as_millisecond()).ok());
    end.ok_or_else(|| Fault::usage(format!("--due-within {period:?} leads out of the calendar; {form}")))
}

fn page_size(limit: usize, have: usize) -> i32 {
    i32::try_from(limit.saturating_sub(have).min(PAGE_MAX)).unwrap_or(i32::MAX)
}

fn say_more(token: &str, output: &Output) {
    if !token.is_empty() {
        output.say("there are more; raise --limit");
    }
}

/// An entry with its case.
fn of_case(case: &[u8], mut json: Value) -> Value {
    if let Some(map) = json.as_object_mut() {
        map.insert("case".to_owned(), case_text(case).into());
    }
    json
}

impl List {
    fn due_until_ms(&self) -> Result<u64, Fault> {
        self.due_within.as_deref().map_or(Ok(0), within)
    }

    async fn tasks(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let (mut client, due_until_ms) = (target.tasks().await?, self.due_until_ms()?);
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let page_size = page_size(self.limit, found.len());
            let request =
                v1::ListTasksRequest { due_until_ms, overdue: self.overdue, page_size, page_token, min_height: 0 };
            let page = client.list_tasks(request).await.map_err(|status| Fault::refused(&status))?.into_inner();
            found.extend(page.tasks);
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= self.limit {
                break;
            }
        }
        let found: Vec<_> = found.into_iter().map(|found| (found.case_id, found.task.unwrap_or_default())).collect();
        let rows = found.iter().map(|(case, task)| {
            let due = when_text(task.due_day.as_ref());
            vec![due, case_text(case), task.code.clone(), label(task.labels.as_ref(), &task.code), task.role.clone()]
        });
        let json: Vec<Value> = found.iter().map(|(case, task)| of_case(case, task_json(task))).collect();
        output.list(&["due", "case", "task", "", "as"], rows.collect(), &json.into());
        say_more(&page_token, output);
        Ok(())
    }

    async fn deadlines(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let (mut client, due_until_ms) = (target.tasks().await?, self.due_until_ms()?);
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let page_size = page_size(self.limit, found.len());
            let request =
                v1::ListDeadlinesRequest { due_until_ms, overdue: self.overdue, page_size, page_token, min_height: 0 };
            let page = client.list_deadlines(request).await.map_err(|status| Fault::refused(&status))?.into_inner();
            found.extend(page.deadlines);
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= self.limit {
                break;
            }
        }
        let found: Vec<_> =
            found.into_iter().map(|found| (found.case_id, found.deadline.unwrap_or_default())).collect();
        let rows = found.iter().map(|(case, deadline)| {
            let state = state_text(deadline.state().as_str_name(), "DEADLINE_STATE_");
            let name = label(deadline.labels.as_ref(), &deadline.code);
            vec![due_text(deadline), state, case_text(case), name, deadline.basis.clone()]
        });
        let json: Vec<Value> = found.iter().map(|(case, deadline)| of_case(case, deadline_json(deadline))).collect();
        output.list(&["due", "", "case", "deadline", "basis"], rows.collect(), &json.into());
        say_more(&page_token, output);
        Ok(())
    }
}

async fn count(target: &Target, output: &Output) -> Result<(), Fault> {
    let answer = target.tasks().await?.count_inbox(v1::CountInboxRequest { min_height: 0 }).await;
    let answer = answer.map_err(|status| Fault::refused(&status))?.into_inner();
    let lists = [("tasks", answer.tasks), ("notices", answer.notices), ("deadlines", answer.deadlines)];
    let lists = lists.map(|(name, count)| (name, count.unwrap_or_default()));
    let rows = lists.map(|(name, count)| {
        let more = if count.more { " or more" } else { "" };
        (name, format!("{}{more}, {} overdue", count.all, count.overdue))
    });
    let json = |count: &v1::InboxCount| json!({ "all": count.all, "overdue": count.overdue, "more": count.more });
    let json: serde_json::Map<String, Value> =
        lists.iter().map(|(name, count)| ((*name).to_owned(), json(count))).collect();
    output.record(&rows, &json.into());
    Ok(())
}

async fn notices(to_acknowledge: bool, limit: usize, target: &Target, output: &Output) -> Result<(), Fault> {
    let mut client = target.tasks().await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let page_size = page_size(limit, found.len());
        let request = v1::ListNoticesRequest { to_acknowledge, page_size, page_token, min_height: 0 };
        let page = client.list_notices(request).await.map_err(|status| Fault::refused(&status))?.into_inner();
        found.extend(page.notices);
        page_token = page.next_page_token;
        if page_token.is_empty() || found.len() >= limit {
            break;
        }
    }
    let found: Vec<_> = found.into_iter().map(|found| (found.case_id, found.notice.unwrap_or_default())).collect();
    let rows = found.iter().map(|(case, notice)| {
        let urgent = if notice.urgent { "urgent" } else { "" };
        let by = match (notice.to_acknowledge, notice.acknowledge_by_ms) {
            (false, _) => String::new(),
            (true, 0) => "at once".to_owned(),
            (true, ms) => instant_or_none(ms),
        };
        vec![urgent.into(), case_text(case), notice.code.clone(), notice_text(notice), by]
    });
    let json: Vec<Value> = found.iter().map(|(case, notice)| of_case(case, notice_json(notice))).collect();
    output.list(&["", "case", "notice", "", "acknowledge by"], rows.collect(), &json.into());
    say_more(&page_token, output);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_from_now_is_read() {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap();
        let half_a_day = within("PT12H").unwrap() - now;
        assert!((43_200_000..43_260_000).contains(&half_a_day), "{half_a_day}");
        // A day of the clock change has 23 or 25 hours.
        let week = (within("P7D").unwrap() - now) / 3_600_000;
        assert!((166..=170).contains(&week), "{week}");
        assert_eq!(within("seven days").unwrap_err().code(), 2);
    }
}
