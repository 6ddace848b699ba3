//! A process changed by vote over four processes: proposed at one node, voted on at three, in force at all; and what a
//! person sees of it at the command line.

use laufzettel_chain::ids::CaseId;
use laufzettel_node::clock;
use laufzettel_node::localnet::FOUR_AUTHORITIES;
use laufzettel_proto::v1;
use prost::Message as _;
use tokio::time::{Duration, Instant, sleep};

use super::foreign::Python;
use super::inbox::Clerk;
use super::{command, turn};
use crate::cluster::Cluster;

const PATIENCE: Duration = Duration::from_secs(60);
const OFFICE: &str = "de-bamf";
const DIRECTORATE: &str = "sn-lds";
const FOREIGNERS: &str = "sn-dresden";
const POLICE: &str = "de-bpol";

/// The process with its next version, in which the police is called as the foreigners authority is.
fn next_version() -> String {
    let text = include_str!("stop.toml").replace("id = \"stop\", version = 1", "id = \"stop\", version = 2");
    let task = "open = [{ task = \"cancel_removal\", for = \"foreigners_authority\" }]";
    assert!(text.contains(task));
    text.replace(
        task,
        "open = [{ task = \"cancel_removal\", for = \"foreigners_authority\" }, { task = \"cancel_removal\", for = \"federal_police\" }]",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_changed_by_vote_and_new_cases_are_under_the_new_version() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let members = FOUR_AUTHORITIES.iter().map(laufzettel_node::localnet::Template::member).collect();
    let definitions = vec![include_str!("stop.toml").to_owned()];
    let mut cluster = Cluster::make(&folder.path().join("network"), "voting", members, definitions).unwrap();
    cluster.start().await.unwrap();
    let [office, directorate, foreigners, police] =
        [OFFICE, DIRECTORATE, FOREIGNERS, POLICE].map(|id| Clerk::of(&cluster, id));
    let old = office.does(&["submit", "--status", "application_made", "--open", "stop@1"]);
    let old = old["case"].as_str().unwrap().to_owned();
    let draft = folder.path().join("stop-2.toml");
    std::fs::write(&draft, next_version()).unwrap();
    let draft = draft.display().to_string();

    // What it would do is known before it is proposed; a text with findings goes nowhere.
    let plan = office.does(&["gov", "propose", &draft, "--dry-run"]);
    assert_eq!((&plan["must_agree"], &plan["base_version"]), (&serde_json::json!([POLICE]), &1.into()), "{plan}");
    assert_eq!(plan["gains"][0]["code"], "cancel_removal");
    let broken = folder.path().join("broken.toml").display().to_string();
    std::fs::write(&broken, "language = 2\n").unwrap();
    assert_eq!(office.try_to(&["gov", "propose", &broken]).0, Some(1));
    assert_eq!(office.does(&["gov", "list"]), serde_json::json!([]));

    let proposed = office.does(&["gov", "propose", &draft]);
    let id = proposed["proposal"].as_str().unwrap().to_owned();
    assert_eq!((&proposed["state"], &proposed["power_yes"]), (&"open".into(), &1.into()), "{proposed}");
    // A beginning of the id names it at another node; the wrong key does not sign it.
    let short = &id[..10];
    foreigners.sees(&["gov", "show", short], |shown| shown["state"] == "open").await;
    let service = cluster.net.profile(FOREIGNERS).join("service.pem").display().to_string();
    assert_eq!(foreigners.try_to(&["gov", "vote", short, "yes", "--key", &service]).0, Some(1));
    for voter in [&directorate, &foreigners] {
        voter.sees(&["gov", "show", &id], |_| true).await;
        assert_eq!(voter.does(&["gov", "vote", &id, "yes"])["state"], "open");
    }
    assert_eq!(foreigners.try_to(&["gov", "vote", &id, "yes"]).0, Some(1), "it stands already");
    // Three of four are for it, and it waits for the police.
    police.sees(&["gov", "show", &id], |shown| shown["power_yes"] == 3).await;
    assert_eq!(police.does(&["gov", "show", &id])["missing"], serde_json::json!(["de-bpol has to agree"]));
    assert_eq!(office.try_to(&["submit", "--status", "application_made", "--open", "stop@2"]).0, Some(1));
    assert_eq!(police.does(&["gov", "vote", &id, "yes"])["state"], "adopted");

    // In force at every node; a node that starts again still has it.
    for person in [&office, &directorate, &foreigners, &police] {
        person.sees(&["process", "list"], |list| list.as_array().is_some_and(|list| list.len() == 2)).await;
    }
    let shown = office.does(&["process", "list"]);
    assert_eq!((&shown[0]["superseded"], &shown[1]["superseded"]), (&true.into(), &false.into()), "{shown}");
    cluster.kill(OFFICE).unwrap();
    cluster.start().await.unwrap();
    let new = office.does(&["submit", "--status", "application_made", "--open", "stop@2"]);
    let new = new["case"].as_str().unwrap().to_owned();
    assert_eq!(office.try_to(&["submit", "--status", "application_made", "--open", "stop@1"]).0, Some(1));
    proven(&cluster, &foreigners, [(&old, "stop@1, of the genesis file"), (&new, "stop@2, adopted by vote")], Some(0))
        .await;
    for case in [&old, &new] {
        office.does(&["submit", "--case", case, "--status", "subsequent_application_filed"]);
    }
    proven(&cluster, &foreigners, [(&old, "stop@1, of the genesis file"), (&new, "stop@2, adopted by vote")], Some(1))
        .await;
    // The police has a task in the new case; the old one goes on as it was.
    let tasks = police.sees(&["tasks", "list"], |list| list.as_array().is_some_and(|list| !list.is_empty())).await;
    assert_eq!((tasks.as_array().unwrap().len(), &tasks[0]["case"]), (1, &new.as_str().into()), "{tasks}");
    foreigners.sees(&["tasks", "list"], |list| list.as_array().is_some_and(|list| list.len() == 2)).await;
    let (code, text) = command(&["gov", "show", &id, "--text", "--profile", &office.profile]);
    assert_eq!((code, text.trim_end()), (Some(0), next_version().trim_end()));
    moved(&cluster, [&office, &directorate, &foreigners], &new).await;
    cluster.stop().unwrap();
}

/// Answers to clearance checks are checked with the genesis file alone, also under a process adopted by vote; the exit
/// code says how they turned out.
async fn proven(cluster: &Cluster, asks: &Clerk, cases: [(&str, &str); 2], wanted: Option<i32>) {
    let genesis = cluster.net.folder.join("genesis.toml").display().to_string();
    for (case, under) in cases {
        let arguments = ["case", "clearance", case, "removal_scheduled", "--genesis", &genesis];
        // Just after a start not all nodes have been heard of: exit code 3.
        let deadline = Instant::now() + PATIENCE;
        let (code, answer) = loop {
            let (code, answer) = asks.try_to(&arguments);
            if code != Some(3) || Instant::now() > deadline {
                break (code, answer);
            }
            sleep(Duration::from_millis(200)).await;
        };
        assert_eq!(code, wanted, "{answer}");
        assert!(answer["proof"].as_str().is_some_and(|proof| proof.contains(under)), "{answer}");
    }
    let python = Python::ready().await.unwrap();
    for (case, under) in cases {
        let case = CaseId::parse(case).unwrap();
        let answer = asked(cluster, &case).await;
        let file = cluster.net.folder.join("clearance.answer");
        std::fs::write(&file, answer.encode_to_vec()).unwrap();
        let case: String = case.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = file.display().to_string();
        let said = python.clears([&genesis, &file, &case, "removal_scheduled"]).await.unwrap();
        let (verdict, beats) = if wanted == Some(0) { ("no lock", OFFICE) } else { ("locked", "") };
        let (process, ground) = under.split_once(", ").unwrap();
        let ground = if ground.contains("vote") { "voted" } else { "genesis" };
        let mut lines = said.lines();
        assert_eq!(lines.next(), Some(format!("{verdict} {process} {ground}").as_str()), "{said}");
        let (found, refused) = lines.next().and_then(|line| line.split_once(' ')).unwrap();
        assert_eq!(found, beats, "whose nodes signed that they know the block");
        assert!(refused.parse::<u32>().unwrap() > 100, "most of an answer is proof: {refused}");
    }
}

/// An answer that is current, over the wire.
async fn asked(cluster: &Cluster, case: &CaseId) -> v1::CheckClearanceResponse {
    let mut client = cluster.connect(FOREIGNERS, FOREIGNERS).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = v1::CheckClearanceRequest {
            // Another at each call, which the clock tells.
            transaction_id: [&case.0[..8], &clock::now_ms().to_be_bytes()].concat(),
            case_id: case.0.to_vec(),
            status: "removal_scheduled".into(),
        };
        let answer = client.cases.check_clearance(request).await.unwrap().into_inner();
        if answer.verdict() != v1::ClearanceVerdict::NotCurrent {
            return answer;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// A third version renames a status, and the case of the second moves to it at every node.
async fn moved(cluster: &Cluster, [office, directorate, foreigners]: [&Clerk; 3], case: &str) {
    let draft = cluster.net.folder.join("stop-3.toml");
    let text = next_version().replace("version = 2", "version = 3");
    std::fs::write(&draft, text.replace("application_made", "application_received")).unwrap();
    let draft = draft.display().to_string();
    // Reports of what is gone have to become something.
    assert_eq!(office.try_to(&["gov", "propose", &draft, "--move-cases"]).0, Some(2));
    let map = "application_made=application_received";
    let proposed = office.does(&["gov", "propose", &draft, "--move-cases", "--map", map]);
    assert_eq!((&proposed["moves_cases"], &proposed["state"]), (&true.into(), &"open".into()), "{proposed}");
    let id = proposed["proposal"].as_str().unwrap();
    // Who votes sees how cases would move, and tries it on the cases of the own node before.
    foreigners.sees(&["gov", "show", id], |_| true).await;
    let (code, mapping) = command(&["gov", "show", id, "--mapping", "--profile", &foreigners.profile]);
    let lines: Vec<&str> = mapping.lines().collect();
    assert!(code == Some(0) && lines.contains(&map) && lines.contains(&"decision_issued=decision_issued"), "{mapping}");
    let config = cluster.net.node_folder(FOREIGNERS).join("config.toml").display().to_string();
    let tried = foreigners.does(&["gov", "show", id, "--try", "--config", &config]);
    assert_eq!(
        (&tried["cases"], &tried["from"]["moved"], &tried["from"]["changed"]),
        (&2.into(), &1.into(), &0.into())
    );
    assert_eq!((&tried["from"]["base_version"], &tried["from"]["unmapped"]), (&2.into(), &serde_json::json!([])));
    for voter in [directorate, foreigners] {
        voter.sees(&["gov", "show", id], |_| true).await;
        voter.does(&["gov", "vote", id, "yes"]);
    }
    let shown = office.does(&["gov", "show", id]);
    assert_eq!(shown["state"], "adopted", "{shown}");
    // Who has no role in the process voted, too, and sees none of its cases.
    assert_eq!(directorate.try_to(&["case", "show", case]).0, Some(1));
    for person in [office, foreigners] {
        let shown = person.sees(&["case", "show", case], |shown| shown["version"] == 3).await;
        assert!(shown.to_string().contains("subsequent_application_filed"), "{shown}");
    }
    proven(cluster, foreigners, [(case, "stop@3, adopted by vote"); 2], Some(1)).await;
    office.does(&["submit", "--case", case, "--status", "application_received"]);
    assert_eq!(office.try_to(&["submit", "--case", case, "--status", "application_made"]).0, Some(1));
}
