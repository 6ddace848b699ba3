//! The feed of blocks: from a height on, none left out, and why it ends.

use super::*;

async fn next(feed: &mut tonic::Streaming<v1::WatchBlocksResponse>) -> v1::WatchBlocksResponse {
    let message = tokio::time::timeout(Duration::from_secs(10), feed.message()).await.expect("a block");
    message.unwrap().expect("the feed goes on")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_follow_one_another_from_a_height_on_until_the_node_stops() {
    let node = Node::start().await;
    let channel = node.connect("de-bamf").await;
    let (mut ledger, mut submission) =
        (LedgerServiceClient::new(channel.clone()), SubmissionServiceClient::new(channel));
    for case in 1..=3 {
        submission.report_status(report(case, case)).await.unwrap();
    }
    // What was there is caught up on, then each as it comes.
    let mut feed = ledger.watch_blocks(v1::WatchBlocksRequest { after_height: 1 }).await.unwrap().into_inner();
    let mut live = ledger.watch_blocks(v1::WatchBlocksRequest { after_height: 0 }).await.unwrap().into_inner();
    let mut all = vec![next(&mut feed).await, next(&mut feed).await];
    submission.report_status(report(4, 4)).await.unwrap();
    all.push(next(&mut feed).await);
    assert_eq!(all.iter().map(|block| block.height).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(next(&mut live).await, all[2], "0 is from the next one on");
    for block in &all {
        // Opens a case and reports in it.
        assert_eq!((block.transactions, block.items, block.proposer.as_str()), (1, 2, "de-bamf"));
        let request = v1::GetHeaderRequest { height: block.height };
        let header = ledger.get_header(request).await.unwrap().into_inner();
        assert_eq!((&header.head.unwrap().header, &header.block_id), (&block.header, &block.block_id));
        assert!(block.block_time_ms > 0);
    }
    // Who comes back with the height it had last gets what is after it, and only that.
    let mut again = ledger.watch_blocks(v1::WatchBlocksRequest { after_height: 3 }).await.unwrap().into_inner();
    assert_eq!(next(&mut again).await, all[2]);
    // Ahead of the node: nothing before the height is passed.
    let mut ahead = ledger.watch_blocks(v1::WatchBlocksRequest { after_height: 5 }).await.unwrap().into_inner();
    for case in 5..=6 {
        submission.report_status(report(case, case)).await.unwrap();
    }
    assert_eq!(next(&mut ahead).await.height, 6);
    node.stop.cancel();
    for feed in [&mut feed, &mut live, &mut again, &mut ahead] {
        stops(feed).await;
    }
}
