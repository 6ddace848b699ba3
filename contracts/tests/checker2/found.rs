//! Everything the sound text says is in the definition, as it says it.

use super::{SOUND, sound, with};
use laufzettel_contracts::{Civil, Code, Definition, Length, StartDay, Trigger, UnknownSeat};

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

fn length(text: &str) -> Length {
    Length::parse(text).expect("a length")
}

fn names(codes: &[Code]) -> Vec<&str> {
    codes.iter().map(Code::as_str).collect()
}

#[test]
fn language_and_regimes() {
    let definition = sound();
    let rules = definition.rules();
    assert_eq!(definition.language(), 2);
    assert_eq!(rules.decided_by, Some(code("lodged")));
    let cut_off = Civil::new(2026, 6, 12).and_then(Civil::day_number).expect("a day");
    let regimes: Vec<_> = rules.regimes.iter().map(|regime| (regime.code.as_str(), regime.from)).collect();
    assert_eq!(regimes, [("before_pact", None), ("pact", Some(cut_off))]);
    assert_eq!(rules.regimes[0].labels.en, "Old law");
    assert_eq!(rules.regimes[0].basis, "Law 0");
    assert_eq!(rules.regime_on(cut_off - 1), Some(0));
    assert_eq!(rules.regime_on(cut_off), Some(1));
    assert_eq!((rules.regime_on(i32::MIN), rules.regime_on(i32::MAX)), (Some(0), Some(1)));
}

#[test]
fn additions_to_statuses() {
    let definition = sound();
    let decided = definition.status("decided").expect("a status");
    assert_eq!(decided.retention, Some(length("P10Y")));
    let [guard] = &decided.warn_if[..] else { panic!("{:?}", decided.warn_if) };
    assert_eq!((guard.name.as_str(), guard.labels.de.as_str()), ("no_hearing", "Ohne Anhörung"));
    assert_eq!(guard.when.to_string(), "!has(heard) && this.outcome == rejected");
    assert!(guard.overrides.is_empty() && decided.block_if.is_empty());
    let last = definition.status("final").expect("a status");
    let [open, early] = &last.block_if[..] else { panic!("{:?}", last.block_if) };
    assert_eq!((names(&open.overrides), open.basis.as_str()), (vec!["court_informed_by_phone"], "Law 5"));
    let text = "open(appeal_2w) && days_between(last(decided).day, this.day) < 14";
    assert_eq!((early.name.as_str(), early.when.to_string().as_str()), ("too_early", text));
    let moved = definition.status("moved").expect("a status");
    assert_eq!(moved.assigns, [(code("foreigners"), code("to"))]);
    assert_eq!(moved.retention, None);
}

#[test]
fn deadlines() {
    let definition = sound();
    let rules = definition.rules();
    let appeal = rules.deadline("appeal_2w").expect("a deadline");
    assert_eq!(appeal.lengths, [length("P2W"), length("P1W")], "in the order of the regimes");
    assert_eq!((appeal.from, appeal.unknown_seat), (StartDay::Effective, UnknownSeat::Latest));
    assert_eq!((appeal.seat.as_ref(), names(&appeal.met_by)), (Some(&code("court")), vec!["appealed"]));
    assert_eq!((appeal.warn, appeal.grace), (Some(length("P3D")), Some(length("P5WD"))));
    assert_eq!((names(&appeal.watched_by), appeal.basis.as_str()), (vec!["office", "foreigners"], "Law 4"));
    let hearing = rules.deadline("hearing").expect("a deadline");
    assert_eq!(hearing.lengths, [length("P1M"), length("P1M")], "one length is that of every regime");
    assert_eq!((hearing.from, &hearing.seat, hearing.warn), (StartDay::Occurred, &None, None));
    assert_eq!(rules.deadline("serve"), None);
}

#[test]
fn tasks_notices_locks_and_markers() {
    let definition = sound();
    let rules = definition.rules();
    let serve = rules.task("serve").expect("a task");
    assert_eq!(
        (names(&serve.done_by), names(&serve.outcomes)),
        (vec!["appealed", "final"], vec!["done", "not_needed"])
    );
    assert_eq!(serve.within, Some(length("P3D")));
    let phone = rules.task("phone").expect("a task");
    assert_eq!((names(&phone.outcomes), phone.within, phone.done_by.len()), (vec!["done"], None, 0));
    let stop = rules.notice("stop_removal").expect("a notice");
    assert_eq!((stop.urgent, stop.acknowledge_within_ms), (true, Some(15 * 60_000)));
    let news = rules.notice("news").expect("a notice");
    assert_eq!((news.urgent, news.acknowledge_within_ms), (false, None));
    let lock = rules.lock("removal_stop").expect("a lock");
    assert_eq!((names(&lock.stops), names(&lock.alarms)), (vec!["enforcement", "final"], vec!["removed"]));
    assert_eq!(names(&rules.marker("presumed_final").expect("a marker").audience), ["office"]);
}

#[test]
fn rules_by_their_cause() {
    let definition = sound();
    let rules = definition.rules();
    let served = rules.caused_by(&Trigger::Status(code("decided"))).next().expect("a rule");
    assert_eq!(served.name.as_str(), "decision_served");
    let when = served.when.as_ref().map(ToString::to_string);
    assert_eq!(when.as_deref(), Some("this.outcome == rejected && regime in [before_pact, pact]"));
    assert_eq!((names(&served.stop), names(&served.start)), (vec!["hearing"], vec!["appeal_2w"]));
    let open: Vec<_> = served.open.iter().map(|open| (open.task.as_str(), open.role.as_str())).collect();
    assert_eq!(open, [("serve", "office"), ("phone", "police")]);
    let stop = rules.caused_by(&Trigger::Status(code("appealed"))).next().expect("a rule");
    assert_eq!((names(&stop.clear), names(&stop.lock)), (vec!["presumed_final"], vec!["removal_stop"]));
    assert_eq!(
        (stop.notify[0].notice.as_str(), names(&stop.notify[0].to)),
        ("stop_removal", vec!["foreigners", "police"])
    );
    for (cause, name) in [
        (Trigger::Warned(code("appeal_2w")), "appeal_warned"),
        (Trigger::Elapsed(code("appeal_2w")), "appeal_elapsed"),
        (Trigger::Grace(code("appeal_2w")), "presumably_final"),
        (Trigger::Unacknowledged(code("stop_removal")), "escalate"),
        (Trigger::Status(code("ruled")), "released"),
    ] {
        let found: Vec<&str> = rules.caused_by(&cause).map(|rule| rule.name.as_str()).collect();
        assert_eq!(found, [name]);
    }
    let elapsed = rules.caused_by(&Trigger::Elapsed(code("appeal_2w"))).next().expect("a rule");
    assert_eq!(names(&elapsed.close), ["serve"]);
    assert_eq!(rules.caused_by(&Trigger::Elapsed(code("hearing"))).count(), 0);
    assert_eq!(
        rules.triggers().map(|cause| rules.caused_by(cause).count()).sum::<usize>(),
        SOUND.matches("[[rule]]").count()
    );
    assert_eq!(
        names(&rules.caused_by(&Trigger::Status(code("ruled"))).next().expect("a rule").unlock),
        ["removal_stop"]
    );
}

/// Two rules of one cause run in the order of the text, whatever stands between them.
#[test]
fn rules_of_one_cause_keep_their_order() {
    let labels = "label_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n";
    let more = format!(
        "\n[[rule]]\nname = \"a_later\"\non = {{ status = \"lodged\" }}\nopen = [{{ task = \"phone\", for = \"office\" }}]\n{labels}"
    );
    let definition = Definition::check(&with("", &more)).expect("a sound text").definition;
    let found: Vec<&str> =
        definition.rules().caused_by(&Trigger::Status(code("lodged"))).map(|rule| rule.name.as_str()).collect();
    assert_eq!(found, ["hearing_wanted", "a_later"]);
}

/// Without regimes a deadline has one length, and nothing decides.
#[test]
fn a_definition_needs_no_regimes() {
    let begin = SOUND.find("[regimes]").expect("the regimes");
    let end = SOUND.find("[status.lodged]").expect("the first status");
    let text = SOUND
        .replace(&SOUND[begin..end], "")
        .replace("{ before_pact = \"P2W\", pact = \"P1W\" }", "\"P2W\"")
        .replace(" && regime in [before_pact, pact]", "");
    let definition = Definition::check(&text).expect("a sound text").definition;
    let rules = definition.rules();
    assert_eq!((rules.decided_by.as_ref(), rules.regimes.len(), rules.regime_on(0)), (None, 0, None));
    assert_eq!(rules.deadline("appeal_2w").expect("a deadline").lengths, [length("P2W")]);
    assert_eq!(rules.deadline("hearing").expect("a deadline").lengths, [length("P1M")]);
    let asks = Definition::check(&text.replace("!open(removal_stop)", "regime == pact")).expect_err("no regimes");
    assert!(asks[0].message.contains("no regimes"), "{asks:?}");
}
