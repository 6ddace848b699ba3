//! How fast a node answers where a case stands, with and without a proof.

use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_proto::v1;
use tokio::task::JoinSet;

use super::rates::{Rate, Tally};
use super::work::Work;
use crate::cluster::Fault;

/// Calls under way at any moment.
const AT_ONCE: u64 = 64;

/// Reads cases of the load at every node, each call another case.
pub(crate) async fn cases(
    work: &Arc<Work>,
    nodes: &[u32],
    with_proof: bool,
    times: (Duration, Duration),
) -> Result<Rate, Fault> {
    let (tally, mut tasks) = (Tally::new()?, JoinSet::new());
    for worker in 0..AT_ONCE {
        let (work, tally) = (work.clone(), tally.clone());
        tasks.spawn(async move {
            let mut client = work.station(worker)?.client.clone();
            let mut number = worker;
            while tally.goes_on() {
                number = number.wrapping_add(97);
                let case_id = work.case_bytes(number);
                let request = v1::GetCaseRequest {
                    case_id,
                    read_at: None,
                    include_proof: with_proof,
                    ..v1::GetCaseRequest::default()
                };
                let sent = Instant::now();
                let answer = client.cases.get_case(request).await?.into_inner();
                answer.view.ok_or("an answer without a case")?;
                if with_proof {
                    answer.proof.ok_or("an answer without the proof that was asked for")?;
                }
                tally.count(1, sent)?;
            }
            Ok(())
        });
    }
    tally.measure(tasks, (work, nodes), times).await
}
