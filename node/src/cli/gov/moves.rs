//! How open cases move to a new version: the mapping of statuses that a proposal carries, and what is wrong with it.

use std::collections::BTreeMap;

use laufzettel_contracts::diff::{MappingFault, check_mapping};
use laufzettel_contracts::{Code, Definition};
use laufzettel_proto::v1;

use crate::cli::client::Target;
use crate::cli::fault::Fault;

/// The whole mapping from the newest version to a text: what is named, and all else to itself.
pub(super) async fn mapping(
    target: &Target,
    prepared: &v1::PrepareProposalResponse,
    text: &str,
    named: BTreeMap<Code, Code>,
) -> Result<BTreeMap<Code, Code>, Fault> {
    if prepared.base_version == 0 {
        return Err(Fault::usage(format!("{} is new: there are no cases to move", prepared.id)));
    }
    let request = v1::GetDefinitionRequest { id: prepared.id.clone(), version: prepared.base_version };
    let answer = target.processes().await?.get_definition(request).await;
    let old = answer.map_err(|status| Fault::refused(&status))?.into_inner().text;
    let check = |text: &str| Definition::check(text).map(|checked| checked.definition);
    match (check(&old), check(text)) {
        (Ok(old), Ok(new)) => complete(&old, &new, named),
        _ => Err(Fault::usage("only the cases of a process definition can be moved")),
    }
}

/// A mapping of all statuses that may stand on the ledger.
fn complete(old: &Definition, new: &Definition, named: BTreeMap<Code, Code>) -> Result<BTreeMap<Code, Code>, Fault> {
    let on_ledger = old.statuses().iter().filter(|status| status.ledger_as.is_none());
    let mut mapping: BTreeMap<Code, Code> =
        on_ledger.map(|status| (status.code.clone(), status.code.clone())).collect();
    mapping.extend(named);
    check_mapping(old, new, &mapping).map_err(|fault| Fault::usage(sentence(&fault, &mapping)))?;
    Ok(mapping)
}

fn sentence(fault: &MappingFault, mapping: &BTreeMap<Code, Code>) -> String {
    let to = |from: &Code| mapping.get(from).map(ToString::to_string).unwrap_or_default();
    match fault {
        MappingFault::OlderLanguage => {
            "the text is in an older language than the version before: cases would lose their rules; leave --move-cases out"
                .to_owned()
        }
        MappingFault::Missing(from) => format!("{from} is not mapped; say --map {from}=NEW"),
        MappingFault::NotOld(from) => {
            format!("the version before has no status {from} that may stand on the ledger; leave --map {from}=... out")
        }
        MappingFault::NotNew(from) => format!(
            "the text has no status {} that may stand on the ledger, and reports of {from} have to become something; say --map {from}=NEW",
            to(from)
        ),
        MappingFault::Unlike(from) => format!(
            "reports of {from} cannot be read as {}: days and instants differ, or an attribute of the same name holds something else",
            to(from)
        ),
        MappingFault::Replaced(rule) => format!(
            "the rule {rule} makes something else at a place at which the version before makes something (counted over start, open, notify, lock, mark): in moved cases one would pass for the other; put what is new into a rule of its own, or give {rule} another name"
        ),
    }
}

#[cfg(test)]
mod tests {
    use laufzettel_contracts::{ASYL_DE, ASYL_DE_2};

    use super::*;

    #[test]
    fn what_keeps_its_name_need_not_be_named_and_what_is_missing_is_told() {
        let check = |text: &str| Definition::check(text).unwrap().definition;
        let (first, second) = (check(ASYL_DE), check(ASYL_DE_2));
        let whole = complete(&second, &second, BTreeMap::new()).unwrap();
        assert!(whole.iter().all(|(from, to)| from == to) && whole.len() > 40);
        // Version 2 in the place of version 1 would be in an older language.
        assert!(complete(&second, &first, BTreeMap::new()).unwrap_err().message().contains("older language"));
        let code = |text: &str| Code::new(text).unwrap();
        let wrong = BTreeMap::from([(code("decision_issued"), code("no_such_status"))]);
        let wrong = complete(&second, &second, wrong).unwrap_err();
        assert!(wrong.message().contains("--map decision_issued=NEW"), "{}", wrong.message());
        // A marker at the place of a lock: in moved cases the lock would go and nobody be told.
        let other = check(&ASYL_DE_2.replacen("\nlock = [\"subsequent_application_stop\"]\n", "\n", 1));
        let marked =
            ASYL_DE_2.replacen("\nlock = [\"subsequent_application_stop\"]\n", "\nmark = [\"presumed_final\"]\n", 1);
        assert!(complete(&second, &other, BTreeMap::new()).is_ok(), "the lock came last");
        let replaced = complete(&second, &check(&marked), BTreeMap::new()).unwrap_err();
        assert!(replaced.message().contains("put what is new into a rule of its own"), "{}", replaced.message());
    }
}
