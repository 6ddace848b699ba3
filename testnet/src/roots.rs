//! Whether all nodes hold the same chain: every header of every node, up to
//! the least of their heights, compared.

use laufzettel_chain::codec::decode;
use laufzettel_chain::header::Header;
use laufzettel_chain::light::LightClient;
use laufzettel_node::client::Client;
use laufzettel_proto::v1;

use crate::cluster::{Cluster, Fault};

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Height of each node, in the order of the nodes.
    pub(crate) heights: Vec<u64>,
    /// Whether all headers up to the least height are equal and certified.
    pub(crate) equal: bool,
    /// Nodes with the state root of the first at the least height.
    pub(crate) same_root: usize,
}

/// The header of a height at one node, certified.
pub(crate) async fn header(client: &mut Client, light: &LightClient, height: u64) -> Result<Header, Fault> {
    let answer = client.ledger.get_header(v1::GetHeaderRequest { height }).await?.into_inner();
    let head = answer.head.ok_or("an answer without a header")?;
    let header: Header = decode(&head.header)?;
    light.verify(&header, &decode(&head.certificate)?)?;
    Ok(header)
}

/// A node's height.
pub(crate) async fn height(client: &mut Client) -> Result<u64, Fault> {
    let health = client.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
    Ok(health.position.unwrap_or_default().height)
}

/// Compares the nodes of a network.
pub(crate) async fn compare(cluster: &Cluster) -> Result<Agreement, Fault> {
    let light = LightClient::new(&cluster.genesis);
    let (mut clients, mut heights) = (Vec::new(), Vec::new());
    for node in cluster.nodes() {
        let mut client = cluster.connect(node, node).await?;
        heights.push(height(&mut client).await?);
        clients.push(client);
    }
    let least = heights.iter().copied().min().unwrap_or_default();
    let (mut equal, mut same_root) = (true, clients.len());
    for at in 1..=least {
        let mut first: Option<Header> = None;
        let mut agreeing = 0;
        for client in &mut clients {
            let found = header(client, &light, at).await?;
            agreeing += usize::from(first.get_or_insert_with(|| found.clone()) == &found);
        }
        equal &= agreeing == clients.len();
        same_root = agreeing;
    }
    Ok(Agreement { heights, equal, same_root })
}
