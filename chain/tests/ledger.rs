//! The state machine on a small network.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]
#![allow(clippy::too_many_lines, reason = "a table is one test")]
mod fixture;
use fixture::*;

#[test]
fn smoke() {
    let (mut ledger, _) = ledger();
    let open_item = item(1, case(1), &opens("toy"));
    let built = advance(&mut ledger, &[transaction(BAMF, 1, vec![open_item])]);
    assert_eq!(built.executed.outcomes[0].receipts[0].code, laufzettel_chain::receipt::Code::Accepted);
}
