//! How the result of a simulation is shown: what changes for whom, as if the draft had always been in force, and from a
//! point on. Must never ask a node anything.

use laufzettel_proto::v1;
use serde_json::{Value, json};

use crate::cli::case::effects::kind_text;
use crate::cli::output::Output;
use crate::cli::words::{case_text, hex, instant_text};

fn counts_json(counts: Option<&v1::SimulatedCounts>) -> Value {
    let counts = counts.copied().unwrap_or_default();
    json!({ "added": counts.added, "gone": counts.gone, "moved": counts.moved,
            "waits_more": counts.waits_more, "waits_less": counts.waits_less,
            "elapsed_more": counts.elapsed_more, "elapsed_less": counts.elapsed_less })
}

fn effects_json(effects: &[v1::SimulatedEffects]) -> Vec<Value> {
    let one = |one: &v1::SimulatedEffects| json!({ "kind": kind_text(one.kind()), "code": one.code, "counts": counts_json(one.counts.as_ref()) });
    effects.iter().map(one).collect()
}

/// By kind: of one authority there is one entry a kind.
fn kinds_json(effects: &[v1::SimulatedEffects]) -> Value {
    let kinds = effects.iter().map(|one| (kind_text(one.kind()), counts_json(one.counts.as_ref())));
    kinds.collect::<serde_json::Map<String, Value>>().into()
}

fn cost_json(cost: Option<&v1::SimulatedCost>) -> Value {
    let cost = cost.copied().unwrap_or_default();
    json!({ "work": cost.work, "time_us": cost.time_us, "case_time_us": cost.case_time_us })
}

fn difference_json(of: &v1::SimulatedDifference) -> Value {
    let authority = |one: &v1::SimulatedAuthority| {
        json!({ "authority": one.authority, "effects": kinds_json(&one.effects),
                "departures_more": one.departures_more, "departures_less": one.departures_less })
    };
    let departure = |one: &v1::SimulatedDeparture| json!({ "name": one.name, "more": one.more, "less": one.less });
    let unknown = |one: &v1::SimulatedUnknown| json!({ "status": one.status, "outcome": one.outcome, "reports": one.reports, "cases": one.cases });
    json!({
        "changed": of.changed, "newly_deviating": of.newly_deviating, "healed": of.healed,
        "authorities": of.authorities.iter().map(authority).collect::<Vec<_>>(),
        "effects": effects_json(&of.effects),
        "departures": of.departures.iter().map(departure).collect::<Vec<_>>(),
        "unknown": of.unknown.iter().map(unknown).collect::<Vec<_>>(),
        "examples": of.examples.iter().map(|id| case_text(id)).collect::<Vec<_>>(),
    })
}

fn fault_text(fault: v1::MappingFault) -> &'static str {
    match fault {
        v1::MappingFault::OlderLanguage => "the draft is in an older language",
        v1::MappingFault::Missing => "not mapped",
        v1::MappingFault::NotOld => "no status of the version before that may stand on the ledger",
        v1::MappingFault::NotNew => "mapped to no status of the draft that may stand on the ledger",
        v1::MappingFault::Unlike => "its reports look different from those it is mapped to",
        v1::MappingFault::Replaced => {
            "something else at a place at which the rule of this name makes something now; put what is new into a rule of its own"
        }
        v1::MappingFault::Unspecified => "",
    }
}

fn force_json(force: &v1::SimulatedForce) -> Value {
    let unmapped = force.unmapped.iter().map(|one| {
        let fault = one.fault().as_str_name().trim_start_matches("MAPPING_FAULT_").to_owned();
        json!({ "status": one.status, "rule": one.rule, "fault": fault, "reports": one.reports, "cases": one.cases })
    });
    let unmapped: Vec<Value> = unmapped.collect();
    let mut value = difference_json(&force.difference.clone().unwrap_or_default());
    let more = json!({ "from_height": force.from_height, "from_ms": force.from_ms, "opened": force.opened,
                       "moved": force.moved, "base_version": force.base_version, "unmapped": unmapped,
                       "cost": cost_json(force.cost.as_ref()) });
    extend(&mut value, more);
    value
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

/// The result as one JSON value.
pub(super) fn result_json(result: &v1::Simulation) -> Value {
    let position = result.position.unwrap_or_default();
    let mut value = difference_json(&always(result));
    let more = json!({
        "height": position.height, "block": hex(&result.block_id), "block_time_ms": position.block_time_ms,
        "as_of_ms": result.as_of_ms, "cases": result.cases, "incomplete": result.incomplete,
        "cost_now": cost_json(result.cost_now.as_ref()), "cost_draft": cost_json(result.cost_draft.as_ref()),
        "from": result.force.as_ref().map(force_json),
    });
    extend(&mut value, more);
    value
}

/// What changes as if the draft had always been in force.
fn always(result: &v1::Simulation) -> v1::SimulatedDifference {
    v1::SimulatedDifference {
        changed: result.changed,
        newly_deviating: result.newly_deviating,
        healed: result.healed,
        authorities: result.authorities.clone(),
        effects: result.effects.clone(),
        departures: result.departures.clone(),
        unknown: result.unknown.clone(),
        examples: result.examples.clone(),
    }
}

fn numbers(counts: Option<&v1::SimulatedCounts>) -> Vec<String> {
    let counts = counts.copied().unwrap_or_default();
    let pair = |more: u64, less: u64| if (more, less) == (0, 0) { String::new() } else { format!("+{more} -{less}") };
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    vec![
        number(counts.added),
        number(counts.gone),
        number(counts.moved),
        pair(counts.waits_more, counts.waits_less),
        pair(counts.elapsed_more, counts.elapsed_less),
    ]
}

fn cost_text(cost: Option<&v1::SimulatedCost>) -> String {
    let cost = cost.copied().unwrap_or_default();
    let ms = cost.time_us.div_ceil(1_000);
    format!("{} units of work, {ms} ms, the longest case {} µs", cost.work, cost.case_time_us)
}

/// Shows a result.
pub(in crate::cli) fn print(result: &v1::Simulation, output: &Output) {
    let position = result.position.unwrap_or_default();
    let mut rows = vec![
        ("state of", format!("height {}, {}", position.height, instant_text(position.block_time_ms))),
        ("block", hex(&result.block_id)),
        ("as of", instant_text(result.as_of_ms)),
        ("cases", format!("{}, changed {}", result.cases, result.changed)),
        ("deviating", format!("{} cases more, {} less", result.newly_deviating, result.healed)),
        ("cost now", cost_text(result.cost_now.as_ref())),
        ("cost of draft", cost_text(result.cost_draft.as_ref())),
    ];
    if result.incomplete > 0 {
        rows.push(("incomplete", format!("{} cases: something of them is erased by now", result.incomplete)));
    }
    output.record(&rows, &result_json(result));
    if result.force.is_some() {
        output.say("\nAs if the draft had always been in force:");
    }
    difference(&always(result), output);
    if let Some(force) = &result.force {
        in_force(force, output);
    }
}

fn in_force(force: &v1::SimulatedForce, output: &Output) {
    let from = match force.from_height {
        0 => instant_text(force.from_ms),
        height => format!("height {height}"),
    };
    let scope = "a version of a process is for cases opened since and those that are moved, calendars are for all";
    output.say(&format!("\nIn force from {from} on; {scope}:"));
    let of = force.difference.clone().unwrap_or_default();
    let moved = match force.base_version {
        0 => "none: no mapping was given".to_owned(),
        base => format!("{} of version {base}", force.moved),
    };
    let lines = [
        format!("opened since: {}", force.opened),
        format!("moved: {moved}"),
        format!("changed: {}; deviating: {} cases more, {} less", of.changed, of.newly_deviating, of.healed),
        format!("cost: {}", cost_text(force.cost.as_ref())),
    ];
    for line in lines {
        output.say(&line);
    }
    let table = force.unmapped.iter().map(|one| {
        let what = if one.rule.is_empty() { one.status.clone() } else { format!("rule {}", one.rule) };
        vec![what, fault_text(one.fault()).to_owned(), one.reports.to_string(), one.cases.to_string()]
    });
    output.details(&["cannot be mapped", "why", "reports", "cases"], table.collect());
    if !force.unmapped.is_empty() {
        output.say("The ledger would refuse a proposal with this mapping.");
    }
    difference(&of, output);
}

/// Tables of what changes.
fn difference(of: &v1::SimulatedDifference, output: &Output) {
    let changes = ["added", "gone", "moved", "waiting", "elapsed"];
    let mut table = Vec::new();
    for authority in &of.authorities {
        let name = if authority.authority.is_empty() { "(nobody holds the role)" } else { &authority.authority };
        for effects in &authority.effects {
            let row = [vec![name.to_owned(), kind_text(effects.kind())], numbers(effects.counts.as_ref())];
            table.push(row.concat());
        }
        if (authority.departures_more, authority.departures_less) != (0, 0) {
            let (more, less) = (authority.departures_more.to_string(), authority.departures_less.to_string());
            table.push(vec![name.to_owned(), "deviation".into(), more, less]);
        }
    }
    output.details(&[["authority", "what"].as_slice(), &changes].concat(), table);
    let table = of.effects.iter().map(|effects| {
        [vec![kind_text(effects.kind()), effects.code.clone()], numbers(effects.counts.as_ref())].concat()
    });
    output.details(&[["kind", "code"].as_slice(), &changes].concat(), table.collect());
    let table = of.departures.iter().map(|one| vec![one.name.clone(), one.more.to_string(), one.less.to_string()]);
    output.details(&["deviation", "more", "less"], table.collect());
    let table = of
        .unknown
        .iter()
        .map(|one| vec![one.status.clone(), one.outcome.clone(), one.reports.to_string(), one.cases.to_string()]);
    output.details(&["not in the draft: status", "outcome", "reports", "cases"], table.collect());
    let examples = of.examples.iter().map(|id| vec![case_text(id)]);
    output.details(&["cases that change, the first"], examples.collect());
    if of.changed == 0 {
        output.say("the draft changes no case");
    }
}
