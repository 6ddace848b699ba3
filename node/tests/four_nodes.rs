//! Four nodes in one process, over real sockets and RocksDB, without the API:
//! a transaction given to any one of an idle network becomes final on all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::ids::{CaseId, ItemDigest, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::query;
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_contracts::{ASYL_DE, Code, Report, When};
use laufzettel_node::clock;
use laufzettel_node::consensus::Reply;
use laufzettel_node::localnet::{LocalNet, Member};
use laufzettel_node::node::Node;
use laufzettel_node::setup::Setup;

fn member(id: &str, roles: &[&str]) -> Member {
    Member {
        id: id.into(),
        label_de: id.into(),
        label_en: id.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        hosted_by: id.into(),
    }
}

fn local_net(folder: &Path) -> LocalNet {
    let members = vec![
        member("de-bamf", &["asylum_office"]),
        member("sn-lds", &["reception", "central_foreigners_authority"]),
        member("sn-dresden", &["foreigners_authority"]),
        member("de-bpol", &["federal_police"]),
    ];
    LocalNet::make(folder, "test", members, vec![ASYL_DE.to_owned()]).unwrap()
}

fn transaction(net: &LocalNet, node: &Node, author: &str, number: u8) -> Arc<SignedTransaction> {
    let case = CaseId([number; 16]);
    let today = i32::try_from(clock::now_ms() / 86_400_000).unwrap();
    let open = Action::OpenCase { definition: "asyl-de".into(), version: 1 };
    let report = Action::Report(Report::new(Code::new("application_made").unwrap(), When::Day(today)));
    let items = vec![Item::encode([1; 16], case, &open), Item::encode([2; 16], case, &report)];
    let payload = Payload {
        network: node.runtime.handle().genesis().network,
        incarnation: 0,
        id: TransactionId([number; 16]),
        authority: author.into(),
        valid_until_ms: clock::now_ms() + 3_600_000,
        source_system: String::new(),
        item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
    };
    Arc::new(payload.sign(items, &net.service_key(author).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_given_to_any_node_of_an_idle_network_is_final_on_all() {
    let folder = tempfile::tempdir().unwrap();
    let net = local_net(folder.path());
    let mut nodes = Vec::new();
    for id in &net.nodes {
        let setup = Setup::load(&net.node_folder(id).join("config.toml")).unwrap();
        nodes.push(Node::start(&setup).await.unwrap());
    }
    let deadline = Duration::from_secs(60);
    for (number, node) in nodes.iter().enumerate() {
        let author = net.nodes[number].as_str();
        let transaction = transaction(&net, node, author, u8::try_from(number).unwrap() + 1);
        let mut replies = node.runtime.handle().submit(transaction, true).unwrap();
        let first = tokio::time::timeout(deadline, replies.next()).await.unwrap().unwrap();
        assert!(matches!(first, Reply::Accepted { .. }), "{first:?}");
        let second = tokio::time::timeout(deadline, replies.next()).await.unwrap().unwrap();
        let Reply::Final(outcome) = second else { panic!("{second:?}") };
        for other in &nodes {
            let handle = other.runtime.handle();
            let mut tips = handle.tips();
            let reached = tips.wait_for(|tip| tip.header.height >= outcome.height);
            tokio::time::timeout(deadline, reached).await.unwrap().unwrap();
            let receipts = query::receipts(handle.store().as_ref(), outcome.height, outcome.index).unwrap().unwrap();
            assert_eq!(receipts.len(), 2);
        }
    }
    let mut heads = Vec::new();
    for node in &nodes {
        heads.push(query::header(node.runtime.handle().store().as_ref(), 1).unwrap().unwrap().0);
    }
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]));
    for node in nodes {
        tokio::task::spawn_blocking(|| node.runtime.stop()).await.unwrap();
    }
}
