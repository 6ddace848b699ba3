//! How a task is completed and a notice acknowledged. A code that fits more than one is never guessed.

use clap::Args;
use laufzettel_proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::api::reasons::Reason;
use crate::cli::case::effects::{instant_or_none, label, state_text, task_json};
use crate::cli::client::Target;
use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::cli::submit::{self, Wait};
use crate::cli::words::{case_id, case_text, effect_id, hex, random_id, uuid, when_text};

/// Arguments of `tasks complete`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Complete {
    /// The case.
    case: String,
    /// The task: its code, if only one such task is open in the case, or its effect id.
    task: String,
    /// With which outcome [default: the only one the task has].
    #[arg(long)]
    outcome: Option<String>,
    /// Transaction id, a UUID; give it again when repeating [default: random].
    #[arg(long)]
    id: Option<String>,
    /// When to end.
    #[arg(long, value_enum, default_value_t = Wait::Final)]
    wait: Wait,
}

/// Arguments of `tasks show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The case.
    case: String,
    /// The task: its code, if the case has one such task, or its effect id.
    task: String,
}

/// Arguments of `notices ack`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Acknowledge {
    /// The case.
    case: String,
    /// The notice: its code, if only one such notice waits in the case, or its effect id.
    notice: String,
    /// Transaction id, a UUID; give it again when repeating [default: random].
    #[arg(long)]
    id: Option<String>,
    /// When to end.
    #[arg(long, value_enum, default_value_t = Wait::Final)]
    wait: Wait,
}

/// The one of these that is meant by a code or an effect id.
fn one_of<'a, T>(all: &'a [T], text: &str, what: &str, name: fn(&T) -> (&str, &[u8])) -> Result<&'a T, Fault> {
    let asked = effect_id(text).ok();
    let fits = |one: &&T| asked.map_or_else(|| name(one).0 == text, |asked| name(one).1 == asked);
    let mut fitting = all.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => {
            let ids: Vec<String> = all.iter().filter(fits).map(|one| hex(name(one).1)).collect();
            Err(Fault::usage(format!(
                "the case has {what} {text} {} times; name one by its id: {}",
                ids.len(),
                ids.join(", ")
            )))
        }
        (None, _) => {
            let codes: Vec<&str> = all.iter().map(|one| name(one).0).collect();
            let there = if codes.is_empty() { "none".to_owned() } else { codes.join(", ") };
            Err(Fault::failed(format!("the case has no {what} {text}; there is: {there}")))
        }
    }
}

fn task_name(task: &v1::Task) -> (&str, &[u8]) {
    (&task.code, &task.effect_id)
}

fn notice_name(notice: &v1::Notice) -> (&str, &[u8]) {
    (&notice.code, &notice.effect_id)
}

/// The case of a command.
async fn case_of(target: &Target, case_id: &[u8]) -> Result<v1::Case, Fault> {
    let request = v1::GetCaseRequest { case_id: case_id.to_vec(), ..v1::GetCaseRequest::default() };
    let answer = target.cases().await?.get_case(request).await.map_err(|status| Fault::refused(&status))?;
    Ok(answer.into_inner().view.unwrap_or_default())
}

impl Show {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let case = case_id(&self.case)?.0;
        let view = case_of(target, &case).await?;
        let task = one_of(&view.tasks, &self.task, "task", task_name)?;
        let whom = if task.authority.is_empty() { format!("all {}", task.role) } else { task.authority.clone() };
        let mut rows = vec![
            ("case", case_text(&case)),
            ("task", format!("{}: {}", task.code, label(task.labels.as_ref(), &task.code))),
            ("effect", hex(&task.effect_id)),
            ("state", state_text(task.state().as_str_name(), "TASK_STATE_")),
            ("for", whom),
            ("due", when_text(task.due_day.as_ref())),
            ("outcomes", task.outcomes.join(", ")),
            ("rule", task.rule.clone()),
            ("basis", task.basis.clone()),
            ("since", instant_or_none(task.since_ms)),
        ];
        if task.done_ms > 0 {
            rows.push(("done", format!("{} by {}, {}", task.outcome, task.done_by, instant_or_none(task.done_ms))));
        }
        output.record(&rows, &super::of_case(&case, task_json(task)));
        for sentence in &task.derivation {
            output.say(&sentence.en);
        }
        Ok(())
    }
}

/// Those of a code that a repeat may be about. The first call may have answered the one that is meant, so that it waits no
/// more; and of those that wait now none may be.
fn of_code<T: Clone>(all: &[T], text: &str, what: &str, name: fn(&T) -> (&str, &[u8])) -> Result<Vec<T>, Fault> {
    let fitting: Vec<T> = all.iter().filter(|one| name(one).0 == text).cloned().collect();
    if fitting.is_empty() { one_of(all, text, what, name).map(|one| vec![one.clone()]) } else { Ok(fitting) }
}

/// Whether a transaction of an id that was given is known already: then this call is a repeat.
async fn is_repeat(target: &Target, id: Option<&str>) -> Result<bool, Fault> {
    let Some(id) = id else { return Ok(false) };
    let request = v1::GetTransactionRequest { authority: String::new(), transaction_id: uuid(id)? };
    match target.submission().await?.get_transaction(target.call(request)).await {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::NotFound => Ok(false),
        Err(status) => Err(Fault::refused(&status)),
    }
}

/// Whether a transaction id stands for something else than was sent.
fn is_taken(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == Reason::IdTaken.name())
}

impl Complete {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let case = case_id(&self.case)?.0;
        let asked = match (effect_id(&self.task), &self.outcome) {
            (Ok(id), Some(outcome)) => vec![(id.to_vec(), outcome.clone())],
            _ => self.find(target, &case).await?,
        };
        let id = self.id.as_deref().map_or_else(|| random_id().map(Vec::from), uuid)?;
        let mut client = target.tasks().await?;
        submit::say_ids(&case, &id, output);
        let mut answer = Err(Status::not_found(""));
        for (effect_id, outcome) in asked {
            let request = v1::CompleteTaskRequest {
                transaction_id: id.clone(),
                case_id: case.to_vec(),
                effect_id,
                outcome,
                valid_until_ms: 0,
                wait: self.wait.policy().into(),
            };
            answer = client.complete_task(target.call(request)).await;
            if !answer.as_ref().is_err_and(is_taken) {
                break;
            }
        }
        told(answer.map(|answer| answer.into_inner().outcome), (&case, &id, self.wait), (target, output)).await
    }

    /// The open task that is meant; of a repeat, those that may have been. Each with its outcome.
    async fn find(&self, target: &Target, case: &[u8]) -> Result<Vec<(Vec<u8>, String)>, Fault> {
        let mut view = case_of(target, case).await?;
        let tasks = if is_repeat(target, self.id.as_deref()).await? {
            of_code(&view.tasks, &self.task, "task", task_name)?
        } else {
            view.tasks.retain(|task| task.state() == v1::TaskState::Open);
            vec![one_of(&view.tasks, &self.task, "open task", task_name)?.clone()]
        };
        tasks.iter().map(|task| Ok((task.effect_id.clone(), self.outcome_of(task)?))).collect()
    }

    fn outcome_of(&self, task: &v1::Task) -> Result<String, Fault> {
        match (&self.outcome, task.outcomes.as_slice()) {
            (Some(outcome), _) => Ok(outcome.clone()),
            (None, [only]) => Ok(only.clone()),
            (None, all) => {
                Err(Fault::usage(format!("name the outcome with --outcome; {} has {}", task.code, all.join(", "))))
            }
        }
    }
}

impl Acknowledge {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let case = case_id(&self.case)?.0;
        let asked = match effect_id(&self.notice) {
            Ok(id) => vec![id.to_vec()],
            Err(_) => self.find(target, &case).await?,
        };
        let id = self.id.as_deref().map_or_else(|| random_id().map(Vec::from), uuid)?;
        let mut client = target.tasks().await?;
        submit::say_ids(&case, &id, output);
        let mut answer = Err(Status::not_found(""));
        for effect_id in asked {
            let request = v1::AcknowledgeNoticeRequest {
                transaction_id: id.clone(),
                case_id: case.to_vec(),
                effect_id,
                valid_until_ms: 0,
                wait: self.wait.policy().into(),
            };
            answer = client.acknowledge_notice(target.call(request)).await;
            if !answer.as_ref().is_err_and(is_taken) {
                break;
            }
        }
        told(answer.map(|answer| answer.into_inner().outcome), (&case, &id, self.wait), (target, output)).await
    }

    /// The notice that is meant; of a repeat, those that may have been.
    async fn find(&self, target: &Target, case: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let mut view = case_of(target, case).await?;
        let notices = if is_repeat(target, self.id.as_deref()).await? {
            of_code(&view.notices, &self.notice, "notice", notice_name)?
        } else {
            view.notices.retain(|notice| notice.to_acknowledge);
            vec![one_of(&view.notices, &self.notice, "notice to be acknowledged", notice_name)?.clone()]
        };
        Ok(notices.into_iter().map(|notice| notice.effect_id).collect())
    }
}

/// Prints what came of a transaction, and fails if it is not final.
async fn told(
    answer: Result<Option<v1::Outcome>, Status>,
    (case, id, wait): (&[u8], &[u8], Wait),
    (target, output): (&Target, &Output),
) -> Result<(), Fault> {
    let outcome = answer.map_err(|status| Fault::submitted(&status, &hex(id)))?.unwrap_or_default();
    submit::print(case, id, &outcome, output)?;
    submit::settled(&outcome, (wait, id), target).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(code: &str, id: u8) -> v1::Task {
        v1::Task { code: code.into(), effect_id: vec![id; 16], ..v1::Task::default() }
    }

    #[test]
    fn a_task_is_named_by_code_or_id_and_never_guessed() {
        let all = [task("serve", 1), task("hear", 2), task("hear", 3)];
        let find = |text: &str| one_of(&all, text, "open task", task_name).map(|task| task.effect_id[0]);
        assert_eq!(find("serve"), Ok(1));
        assert_eq!(find(&"03".repeat(16)), Ok(3));
        let twice = find("hear").unwrap_err();
        assert!(twice.message().contains(&"02".repeat(16)) && twice.message().contains(&"03".repeat(16)));
        assert!(find("decide").unwrap_err().message().contains("serve, hear, hear"));
    }

    #[test]
    fn the_only_outcome_need_not_be_named() {
        let complete = |outcome: Option<&str>| Complete {
            case: String::new(),
            task: String::new(),
            outcome: outcome.map(str::to_owned),
            id: None,
            wait: Wait::Final,
        };
        let (one, two) = (
            v1::Task { outcomes: vec!["done".into()], ..task("a", 1) },
            v1::Task { outcomes: vec!["done".into(), "not_needed".into()], ..task("a", 1) },
        );
        assert_eq!(complete(None).outcome_of(&one).unwrap(), "done");
        assert_eq!(complete(Some("not_needed")).outcome_of(&two).unwrap(), "not_needed");
        assert_eq!(complete(None).outcome_of(&two).unwrap_err().code(), 2);
    }
}
