//! What ends a lock, what does not, and who is told when one stands again (ADR 0011).

use super::*;

/// Report of a proceeding.
fn of(proceeding: u32, report: Report) -> Report {
    Report { proceeding, ..report }
}

fn standing(told: &Told) -> Vec<[u8; 32]> {
    let stands = told.effects.locks.iter().filter(|lock| lock.released_by.is_none());
    stands
        .map(|lock| match lock.origin.cause {
            Cause::Report(slot) => slot,
            Cause::Effect(_) => panic!("no effect locks here"),
        })
        .collect()
}

#[test]
fn a_release_is_of_its_own_proceeding_and_of_what_was_known() {
    let mut told = Told::new();
    told.report(1, "court-south", instant("relief", at(2, 10)), at(2, 10));
    told.report(2, "de-bamf", on("again", 3), at(3, 10));
    told.report(3, "court-south", instant("relief", at(4, 10)), at(4, 10));
    assert_eq!(standing(&told), [slot(1), slot(3)]);
    // It counts to the second proceeding; the stop of the first goes on, and stops in the second, too.
    told.report(4, "court-south", on("ruled", 5), at(5, 10));
    assert_eq!(standing(&told), [slot(1)]);
    assert!(matches!(told.admit(&on("scheduled", 6), None), Err(Stop::Locked { .. })));
    // A motion dated before the ruling and recorded after it: whoever ruled did not know of it.
    told.report(5, "court-south", instant("relief", at(4, 12)), at(6, 10));
    assert_eq!(standing(&told), [slot(1), slot(5)]);
    told.report(6, "court-south", of(1, on("ruled", 6)), at(6, 11));
    assert_eq!(standing(&told), [slot(5)]);
    told.report(7, "court-south", on("ruled", 6), at(6, 12));
    assert_eq!(standing(&told), [[0; 32]; 0]);
}

#[test]
fn what_deviates_releases_and_stops_nothing_until_what_is_missing_arrives() {
    let mut told = Told::new();
    let guard = "[[status.withdrawn.warn_if]]\nname = \"unheard\"\nlabel_de = \"x\"\nlabel_en = \"x\"\nwhen = \"!has(heard)\"\nbasis = \"Law 1\"\n";
    let text = include_str!("../process.toml").replacen("[status.relief]", &format!("{guard}\n[status.relief]"), 1);
    told.setting.definition = Definition::check(&text).expect("sound").definition;
    told.report(1, "de-bamf", rejected(1), at(1, 9));
    told.report(2, "court-south", instant("relief", at(2, 10)), at(2, 10));
    told.report(3, "de-bamf", on("withdrawn", 3), at(3, 10));
    assert_eq!(told.effects.deviations.last().map(|found| found.slot), Some(slot(3)));
    assert_eq!(standing(&told), [slot(2)]);
    assert_eq!(first(&told.effects, "appeal").0, DeadlineState::Running);
    // The task is closed all the same.
    assert!(matches!(told.effects.tasks[0].state, TaskState::Closed(_)));
    told.report(4, "de-bamf", on("heard", 2), at(4, 10));
    assert_eq!(standing(&told), [[0; 32]; 0]);
    assert_eq!(first(&told.effects, "appeal").0, DeadlineState::Stopped(Cause::Report(slot(3))));
    // Gone again, and all stands as if it had never been released.
    told.case.retract(&told.setting.definition, slot(4)).expect("it stands");
    told.fold(at(4, 11));
    assert_eq!(standing(&told), [slot(2)]);
    assert_eq!(first(&told.effects, "appeal").0, DeadlineState::Running);
}

#[test]
fn that_a_lock_stands_again_is_urgent_and_to_be_acknowledged() {
    let mut told = Told::new();
    let filed = at(2, 10);
    let lock = told.report(1, "court-south", instant("relief", filed), filed).arose[0].id;
    told.report(2, "court-south", on("ruled", 3), at(3, 10));
    assert_eq!(standing(&told), [[0; 32]; 0]);
    let acknowledge = |told: &mut Told, by: &str| {
        let world = told.setting.world();
        told.history.acknowledge(&world, &told.effects, &lock, &authority(by), at(4, 11))
    };
    assert_eq!(acknowledge(&mut told, "fa-one"), Err(HistoryRefusal::NothingToAcknowledge));
    // The ruling was of another case: the stop stands again, and whoever took it for over has to know.
    told.case.retract(&told.setting.definition, slot(2)).expect("it stands");
    let changes = told.fold(at(4, 10));
    assert_eq!(shown(&changes), ["~lock removal_stop!?"]);
    assert!(addressees(&changes.returned[0].told).contains(&"foreigners=?".to_owned()));
    assert_eq!(shown(&told.fold(at(4, 10) + 1)), [""; 0], "once");
    assert_eq!(told.history.past()[&lock].again_ms, Some(at(4, 10)));
    assert_eq!(acknowledge(&mut told, "fa-one"), Ok(()));
    assert_eq!(acknowledge(&mut told, "fa-one"), Err(HistoryRefusal::AlreadyAcknowledged));
    // Released in earnest it asks for nothing; and if that, too, was wrong, it asks anew.
    told.report(3, "court-south", on("ruled", 5), at(5, 10));
    assert!(!told.history.past()[&lock].asks());
    told.case.retract(&told.setting.definition, slot(3)).expect("it stands");
    assert_eq!(shown(&told.fold(at(5, 11))), ["~lock removal_stop!?"]);
    assert_eq!(acknowledge(&mut told, "fa-one"), Ok(()));
}
