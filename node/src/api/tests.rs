//! The services over mTLS, with a ledger in memory and one validator that
//! decides each transaction at once.

mod blocks;
mod clearance;
mod feeds;
mod foretold;
mod inbox;
mod numbers;
mod sight;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Address, ItemDigest, TransactionId};
use laufzettel_chain::ledger::{Ledger, Tip};
use laufzettel_chain::light::LightClient;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Batch, Store};
use laufzettel_chain::transaction::Payload;
use laufzettel_chain::vote::{Signable as _, Vote, VoteType};
use laufzettel_proto::v1;
use laufzettel_proto::v1::case_service_client::CaseServiceClient;
use laufzettel_proto::v1::ledger_service_client::LedgerServiceClient;
use laufzettel_proto::v1::submission_service_client::SubmissionServiceClient;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::backend::{Backend, BackendParts, NodeState, Submit, Sync};
use super::{Api, convert};
use crate::config::ApiSection;
use crate::genesis::{AuthorityCard, KeyEntry, ValidatorEntry};
use crate::keys::KeyPurpose;
use crate::tls::{self, CertificateFiles, Subject};

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn card(id: &str, role: &str, seed: u8, hosted_by: &str) -> AuthorityCard {
    let entry = |purpose, seed| KeyEntry {
        purpose,
        public: data_encoding::HEXLOWER.encode(key(seed).verifying_key().as_bytes()),
    };
    AuthorityCard {
        id: id.into(),
        label_de: id.into(),
        label_en: id.into(),
        roles: vec![role.into()],
        hosted_by: hosted_by.into(),
        keys: vec![
            entry(KeyPurpose::Consensus, seed),
            entry(KeyPurpose::Node, seed + 1),
            entry(KeyPurpose::Service, seed + 2),
        ],
    }
}

fn genesis() -> Arc<Genesis> {
    genesis_of(["asylum_office", "foreigners_authority"], laufzettel_contracts::ASYL_DE)
}

/// What comes of a feed until its node stops, which it must say.
pub(in crate::api) async fn stops<T>(feed: &mut tonic::Streaming<T>) {
    let ended = loop {
        match feed.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the feed must say why it ends"),
            Err(status) => break status,
        }
    };
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "STOPPING"));
}

/// Two authorities of these roles, the first of which has the node, and a process.
pub(in crate::api) fn genesis_of([first, second]: [&str; 2], definition: &str) -> Arc<Genesis> {
    genesis_with(vec![card("de-bamf", first, 10, "de-bamf"), card("sn-zab", second, 20, "sn-zab")], definition)
}

/// These authorities, of which de-bamf has the node, and a process.
fn genesis_with(cards: Vec<AuthorityCard>, definition: &str) -> Arc<Genesis> {
    let definition = definition.to_owned();
    let mut made =
        crate::genesis::Genesis::new("test", now_ms() - 1_000, cards, &["de-bamf".into()], vec![definition]).unwrap();
    made.validators = vec![ValidatorEntry { authority: "de-bamf".into(), power: 1 }];
    Arc::new(Genesis::parse(made.text().unwrap().as_bytes()).unwrap())
}

/// Decides every transaction in a block of its own.
async fn decide(mut ledger: Ledger, mut submits: mpsc::Receiver<Submit>, tip: watch::Sender<Arc<Tip>>) {
    let consensus = key(10);
    let address = Address::of(&consensus.verifying_key());
    while let Some(submit) = submits.recv().await {
        let _ = submit.answer.send(Ok(()));
        let built =
            ledger.build(0, now_ms(), address, &[submit.signed], laufzettel_chain::limits::PROPOSAL_WORK).unwrap();
        let header = &built.block.header;
        let vote = Vote {
            network: header.network,
            incarnation: header.incarnation,
            height: header.height,
            round: 0,
            vote_type: VoteType::Precommit,
            value: Some(built.block.id()),
            address,
        };
        let signature = crypto::sign(&consensus, Vote::DOMAIN, &encode(&vote));
        let certificate = Certificate {
            height: header.height,
            round: 0,
            block: built.block.id(),
            signatures: vec![(address, signature)],
        };
        let executed = ledger.validate(&built.block).unwrap();
        tip.send_replace(ledger.commit(&built.block, executed, &certificate, Batch::default()).unwrap());
    }
}

/// A node in memory.
pub(in crate::api) struct Node {
    api: Api,
    stop: CancellationToken,
    pub(in crate::api) genesis: Arc<Genesis>,
    pub(in crate::api) backend: Arc<Backend>,
    pub(in crate::api) store: Arc<dyn Store>,
    root: CertificateFiles,
    folder: tempfile::TempDir,
}

impl Node {
    async fn start() -> Self {
        Self::of(genesis()).await
    }

    /// A node of a network.
    pub(in crate::api) async fn of(genesis: Arc<Genesis>) -> Self {
        Self::in_state(genesis, NodeState { sync: Sync::InSync, ..NodeState::default() }).await
    }

    /// A node whose driver says this once and then nothing more.
    async fn in_state(genesis: Arc<Genesis>, state: NodeState) -> Self {
        Self::over(Arc::new(MemStore::default()), genesis, state).await
    }

    /// The same node after a restart: what is in its store, and nothing else.
    pub(in crate::api) async fn again(self) -> Self {
        let (store, genesis) = (self.store.clone(), self.genesis.clone());
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.api.task).await.expect("stops").unwrap().unwrap();
        Self::over(store, genesis, NodeState { sync: Sync::InSync, ..NodeState::default() }).await
    }

    async fn over(store: Arc<dyn Store>, genesis: Arc<Genesis>, state: NodeState) -> Self {
        let ledger = Ledger::open(store.clone(), genesis.clone(), false).unwrap();
        let (tip_sender, tip) = watch::channel(ledger.tip());
        let (submit, submits) = mpsc::channel(16);
        let backend = Backend::new(BackendParts {
            authority: "de-bamf".into(),
            store: store.clone(),
            genesis: genesis.clone(),
            verified: ledger.verified().clone(),
            tip,
            state: watch::channel(state).1,
            submit,
            service_keys: BTreeMap::from([("de-bamf".into(), key(12)), ("sn-health".into(), key(22))]),
            now_ms,
        });
        tokio::spawn(decide(ledger, submits, tip_sender));
        let folder = tempfile::tempdir().unwrap();
        let root = tls::make_root("test").unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("ca.pem"), &root.certificate).unwrap();
        let server = tls::issue(&root, &Subject::Server(vec!["localhost".into()])).unwrap();
        server.save(&path("server.pem"), &path("server-key.pem")).unwrap();
        let config = ApiSection {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate: path("server.pem"),
            private_key: path("server-key.pem"),
            client_ca: path("ca.pem"),
            connections_max: 16,
            connections_per_address_max: 16,
            connections_per_authority_max: 16,
            calls_per_connection_max: 16,
            connection_age_s: 0,
            reflection: true,
            source_system: "test".into(),
        };
        let stop = CancellationToken::new();
        let backend = Arc::new(backend);
        let api = Api::start(&config, backend.clone(), Arc::default(), stop.clone()).await.unwrap();
        Self { api, stop, genesis, backend, store, root, folder }
    }

    /// A connection with a certificate of this authority.
    pub(in crate::api) async fn connect(&self, authority: &str) -> Channel {
        let profile = self.folder.path().join(authority);
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::write(profile.join("ca.pem"), &self.root.certificate).unwrap();
        let client = tls::issue(&self.root, &Subject::Client(authority.into())).unwrap();
        let _ = client.save(&profile.join("client.pem"), &profile.join("client-key.pem"));
        let tls = tls::client(&profile, "localhost").unwrap();
        let endpoint = Endpoint::from_shared(format!("https://{}", self.api.address)).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await.unwrap()
    }
}

/// A report that the node signs.
pub(in crate::api) fn report(id: u8, case: u8) -> v1::ReportStatusRequest {
    let today = i32::try_from(now_ms() / 86_400_000).unwrap() - 1;
    v1::ReportStatusRequest {
        transaction_id: vec![id; 16],
        case_id: vec![case; 16],
        open: Some(v1::OpenCase { definition: "asyl-de".into(), definition_version: 1 }),
        status: "application_lodged".into(),
        occurred: Some(v1::When { at: Some(v1::when::At::Day(today)) }),
        wait: v1::WaitPolicy::Final.into(),
        ..v1::ReportStatusRequest::default()
    }
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_becomes_final_and_is_read_back_with_proof() {
    let node = Node::start().await;
    let channel = node.connect("de-bamf").await;
    let mut submission = SubmissionServiceClient::new(channel.clone());
    let first = submission.report_status(report(1, 7)).await.unwrap().into_inner();
    let outcome = first.outcome.unwrap();
    assert_eq!(outcome.state(), v1::TransactionState::Final, "{outcome:?}");
    assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
    let again = submission.report_status(report(1, 7)).await.unwrap().into_inner();
    assert_eq!(again.outcome.unwrap(), outcome, "a repeat gets the first outcome");
    let other = submission.report_status(report(1, 8)).await.unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::AlreadyExists, "ID_TAKEN"));

    let mut cases = CaseServiceClient::new(channel.clone());
    let read_at = Some(v1::ReadAt { height: 0, min_height: outcome.height });
    let request =
        v1::GetCaseRequest { case_id: vec![7; 16], read_at, include_proof: true, ..v1::GetCaseRequest::default() };
    let answer = cases.get_case(request).await.unwrap().into_inner();
    let view = answer.view.unwrap();
    assert_eq!((view.revision, view.tracks.len()), (2, 1));
    assert_eq!(view.tracks[0].status, "application_lodged");
    let proof = convert::proof_from(&answer.proof.unwrap()).unwrap();
    proof.verify(&LightClient::new(&node.genesis)).unwrap();
    assert!(proof.root.is_some());

    let request = v1::GetProofRequest { case_id: vec![9; 16], ..v1::GetProofRequest::default() };
    let absent = cases.get_proof(request).await.unwrap().into_inner().proof.unwrap();
    let absent = convert::proof_from(&absent).unwrap();
    absent.verify(&LightClient::new(&node.genesis)).unwrap();
    assert_eq!(absent.root, None);
    let request = v1::GetCaseRequest { case_id: vec![9; 16], ..v1::GetCaseRequest::default() };
    let missing = cases.get_case(request).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "CASE_NOT_FOUND"));

    let mut ledger = LedgerServiceClient::new(channel);
    let block = ledger.get_block(v1::GetBlockRequest { height: 0 }).await.unwrap().into_inner();
    assert_eq!(block.transactions[0].transaction, first.transaction);
    let health = ledger.get_health(v1::GetHealthRequest {}).await.unwrap().into_inner();
    assert_eq!((health.state(), health.validator), (v1::HealthState::InSync, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_and_counted_at_one_height() {
    let node = Node::start().await;
    let channel = node.connect("de-bamf").await;
    let mut submission = SubmissionServiceClient::new(channel.clone());
    for case in 1..=5 {
        submission.report_status(report(case, case)).await.unwrap();
    }
    let mut cases = CaseServiceClient::new(channel);
    let filter = v1::CaseFilter { status: "application_lodged".into(), ..v1::CaseFilter::default() };
    let first = v1::ListCasesRequest { filter: Some(filter.clone()), page_size: 3, ..v1::ListCasesRequest::default() };
    let page = cases.list_cases(first.clone()).await.unwrap().into_inner();
    assert_eq!(page.cases.len(), 3);
    submission.report_status(report(6, 6)).await.unwrap();
    let next = v1::ListCasesRequest { page_token: page.next_page_token, ..first };
    let rest = cases.list_cases(next.clone()).await.unwrap().into_inner();
    assert_eq!((rest.cases.len(), rest.next_page_token.as_str()), (2, ""), "case 6 came later");
    assert_eq!(rest.position.unwrap().height, page.position.unwrap().height);
    let foreign = v1::ListCasesRequest { filter: None, ..next };
    assert_eq!(reason(&cases.list_cases(foreign).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    let request =
        v1::CountCasesRequest { filter: Some(filter), grouping: v1::CaseGrouping::Authority.into(), read_at: None };
    let counts = cases.count_cases(request).await.unwrap().into_inner().counts;
    assert_eq!(counts, [v1::CaseCount { key: "de-bamf".into(), count: 6 }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_resumes_after_its_cursor_and_ends_when_the_node_stops() {
    use v1::watch_events_request::Start;
    use v1::watch_events_response::Message;
    let node = Node::start().await;
    let channel = node.connect("de-bamf").await;
    let mut submission = SubmissionServiceClient::new(channel.clone());
    submission.report_status(report(1, 1)).await.unwrap();
    let mut cases = CaseServiceClient::new(channel);
    let request =
        v1::WatchEventsRequest { start: Some(Start::FromBeginning(true)), ..v1::WatchEventsRequest::default() };
    let mut feed = cases.watch_events(request).await.unwrap().into_inner();
    let Some(Message::Event(first)) = feed.message().await.unwrap().unwrap().message else { panic!("an event") };
    assert!(matches!(first.action, Some(v1::event::Action::Report(_))));
    assert!(matches!(feed.message().await.unwrap().unwrap().message, Some(Message::CaughtUp(_))));
    submission.report_status(report(2, 2)).await.unwrap();
    let Some(Message::Event(second)) = feed.message().await.unwrap().unwrap().message else { panic!("an event") };
    assert_eq!(second.case_id, vec![2; 16]);
    let request = v1::WatchEventsRequest {
        start: Some(Start::AfterCursor(first.cursor.clone())),
        checkpoint_interval_ms: 100,
        ..v1::WatchEventsRequest::default()
    };
    let mut resumed = cases.watch_events(request).await.unwrap().into_inner();
    let Some(Message::Event(event)) = resumed.message().await.unwrap().unwrap().message else { panic!("an event") };
    assert_eq!(event, second, "exclusive");
    assert!(matches!(resumed.message().await.unwrap().unwrap().message, Some(Message::CaughtUp(_))));
    assert!(matches!(resumed.message().await.unwrap().unwrap().message, Some(Message::Checkpoint(_))));
    let request = v1::ListEventsRequest { after_cursor: first.cursor, ..v1::ListEventsRequest::default() };
    let listed = cases.list_events(request).await.unwrap().into_inner();
    assert_eq!((listed.events, listed.more), (vec![second], false));
    node.stop.cancel();
    stops(&mut feed).await;
    tokio::time::timeout(Duration::from_secs(10), node.api.task).await.expect("stops").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_authority_is_refused_before_any_look_up() {
    let node = Node::start().await;
    for stranger in ["sn-zab", "nobody-at-all"] {
        let mut cases = CaseServiceClient::new(node.connect(stranger).await);
        let request = v1::GetCaseRequest { case_id: vec![7; 16], ..v1::GetCaseRequest::default() };
        let refused = cases.get_case(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "AUTHORITY_NOT_HOSTED"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_signs_for_itself_and_for_nobody_else() {
    let node = Node::start().await;
    let mut submission = SubmissionServiceClient::new(node.connect("de-bamf").await);
    let open = v1::item::Action::OpenCase(v1::OpenCase { definition: "asyl-de".into(), definition_version: 1 });
    let item = v1::Item { blinding: vec![1; 16], case_id: vec![3; 16], action: Some(open) }.encode_to_vec();
    let payload = |authority: &str| Payload {
        network: node.genesis.network,
        incarnation: 0,
        id: TransactionId([4; 16]),
        authority: authority.into(),
        valid_until_ms: now_ms() + 60_000,
        source_system: String::new(),
        item_digests: vec![ItemDigest::of(&item)],
    };
    let request = |authority: &str, seed| v1::SubmitTransactionRequest {
        transaction: Some(payload(authority).sign(vec![item.clone()], &key(seed)).to_proto()),
        wait: v1::WaitPolicy::Final.into(),
    };
    let foreign = submission.submit_transaction(request("sn-zab", 22)).await.unwrap_err();
    assert_eq!(reason(&foreign), "AUTHORITY_MISMATCH");
    let unknown = submission.submit_transaction(request("de-bamf", 99)).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::Unauthenticated, "KEY_UNKNOWN"));
    let simulate = v1::SimulateTransactionRequest { transaction: request("de-bamf", 12).transaction };
    let foretold = submission.simulate_transaction(simulate).await.unwrap().into_inner();
    assert!(foretold.receipts[0].applied);
    let outcome = submission.submit_transaction(request("de-bamf", 12)).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(outcome.state(), v1::TransactionState::Final);
    let get = v1::GetTransactionRequest { authority: String::new(), transaction_id: vec![4; 16] };
    assert_eq!(submission.get_transaction(get).await.unwrap().into_inner().outcome.unwrap(), outcome);
}
