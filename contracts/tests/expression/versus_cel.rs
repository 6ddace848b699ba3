//! The same conditions read by the crate `cel`: the syntax is CEL's, so precedence, comparisons, sums, `in` and the
//! joining of conditions must come out alike. What CEL has no word for is given to it as data: a report is a map, a day
//! an integer, a code a text, and what may be absent is asked for first.

use super::generator::{Choices, condition, world};
use super::{Facts, OPENINGS, World, code, read};
use cel::objects::{Key, Map, Value as CelValue};
use cel::{Context, Program};
use laufzettel_contracts::{Entry, Value};
use proptest::prelude::*;
use std::sync::Arc;

const STATUSES: [&str; 4] = ["applied", "decided", "appealed", "care"];

fn map(pairs: impl IntoIterator<Item = (String, CelValue)>) -> CelValue {
    // Its order is by hash; only keys are ever asked for.
    let map = pairs.into_iter().map(|(name, value)| (Key::String(name.into()), value)).collect();
    CelValue::Map(Map { map: Arc::new(map) })
}

fn text(value: impl ToString) -> CelValue {
    CelValue::String(value.to_string().into())
}

fn report(entry: &Entry) -> CelValue {
    let report = &entry.report;
    let mut fields = vec![
        ("day".to_owned(), CelValue::Int(report.occurred.day().into())),
        ("author".to_owned(), text(&entry.author)),
    ];
    fields.extend(report.effective.map(|day| ("effective".to_owned(), CelValue::Int(day.into()))));
    fields.extend(report.outcome.as_ref().map(|code| ("outcome".to_owned(), text(code))));
    for (name, value) in &report.attributes {
        let value = match value {
            Value::Date(day) => CelValue::Int((*day).into()),
            Value::Code(code) => text(code),
            Value::Authority(id) => text(id),
            Value::Integer(value) => CelValue::Int(*value),
            Value::Bool(value) => CelValue::Bool(*value),
            Value::Commitment(_) => continue,
        };
        fields.push((name.to_string(), value));
    }
    map(fields)
}

fn context(world: &World) -> Context<'static, 'static> {
    let mut context = Context::default();
    let mut case: Vec<(String, CelValue)> = STATUSES
        .iter()
        .filter_map(|status| world.last(&code(status)).map(|entry| ((*status).to_owned(), report(entry))))
        .collect();
    case.extend(world.this.as_ref().map(|entry| ("this".to_owned(), report(entry))));
    case.extend(world.regime.as_ref().map(|code| ("regime".to_owned(), text(code))));
    context.add_variable_from_value("case", map(case));
    let now = STATUSES.map(|status| (status.to_owned(), CelValue::Int(world.count(&code(status)).into())));
    context.add_variable_from_value("now", map(now));
    let ever = STATUSES.map(|status| (status.to_owned(), CelValue::Bool(world.has_ever(&code(status)))));
    context.add_variable_from_value("ever", map(ever));
    let open = OPENINGS.map(|name| (name.to_owned(), CelValue::Bool(world.open(&code(name)))));
    context.add_variable_from_value("open", map(open));
    context.add_variable_from_value("proceeding", CelValue::Int(world.proceeding.into()));
    context
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]

    #[test]
    fn both_come_to_the_same(
        numbers in prop::collection::vec(any::<u8>(), 1..120),
        cases in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 4),
    ) {
        let both = condition(&mut Choices::new(&numbers, false), 4);
        let ours = read(&both.ours);
        let theirs = Program::compile(&both.cel).map_err(|error| TestCaseError::fail(format!("{}: {error}", both.cel)))?;
        for case in &cases {
            let world = world(&mut Choices::new(case, false));
            let answer = theirs.execute(&context(&world));
            prop_assert_eq!(Ok(CelValue::Bool(ours.eval(&world))), answer, "{}\n{}\n{:?}", both.ours, both.cel, world);
        }
    }
}
