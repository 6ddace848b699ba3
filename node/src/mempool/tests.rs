//! Order, fairness, bounds and bookkeeping of the pool.

use laufzettel_chain::ids::{PayloadDigest, TransactionId};
use proptest::prelude::*;

use super::*;

fn make(authority: &str, number: u8, urgent: bool, size: usize) -> (Arc<SignedTransaction>, AdmittedInfo) {
    let mut payload = vec![0; size];
    payload[0] = number;
    payload.extend(authority.as_bytes());
    let transaction = SignedTransaction { payload, signatures: Vec::new(), items: Vec::new() };
    let info = AdmittedInfo {
        authority: authority.to_owned(),
        id: TransactionId([number; 16]),
        payload_digest: PayloadDigest::of(&transaction.payload),
        valid_until_ms: 1_000 + u64::from(number),
        urgent,
        lock_capable: urgent,
        evidence: false,
    };
    (Arc::new(transaction), info)
}

fn add(pool: &mut Mempool, authority: &str, number: u8, urgent: bool) -> Result<Inserted, Refusal> {
    let (transaction, info) = make(authority, number, urgent, 100);
    pool.insert(transaction, info, None, u64::from(number))
}

fn order(pool: &Mempool, bytes: usize, turn: u64) -> Vec<String> {
    let name = |transaction: &Arc<SignedTransaction>| {
        format!("{}{}", String::from_utf8_lossy(&transaction.payload[100..]), transaction.payload[0])
    };
    pool.candidates(bytes, 100, turn).iter().map(name).collect()
}

#[test]
fn authorities_take_turns_and_keep_their_order() {
    let mut pool = Mempool::default();
    for number in 1..=3 {
        add(&mut pool, "a", number, false).unwrap();
    }
    add(&mut pool, "b", 1, false).unwrap();
    assert_eq!(order(&pool, 10_000, 0), ["a1", "b1", "a2", "a3"]);
    assert_eq!(order(&pool, 10_000, 1), ["b1", "a1", "a2", "a3"]);
    assert_eq!(order(&pool, 250, 0), ["a1", "b1"]);
}

#[test]
fn urgent_ones_go_first_within_their_quota() {
    let mut pool = Mempool::default();
    add(&mut pool, "a", 1, false).unwrap();
    for number in 2..=4 {
        add(&mut pool, "a", number, true).unwrap();
    }
    // A quarter of 480 bytes holds one of 113.
    assert_eq!(order(&pool, 480, 0), ["a2", "a1", "a3", "a4"]);
}

#[test]
fn an_id_is_used_for_one_payload() {
    let mut pool = Mempool::default();
    assert_eq!(add(&mut pool, "a", 1, false), Ok(Inserted::New));
    assert_eq!(add(&mut pool, "a", 1, false), Ok(Inserted::Known));
    let (transaction, info) = make("a", 1, false, 101);
    let refusal = pool.insert(transaction, info, None, 0).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::AlreadyExists);
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_full_pool_asks_to_come_back() {
    let mut pool = Mempool::new(PoolLimits { count_max: 2, bytes_max: 1_000 });
    add(&mut pool, "a", 1, false).unwrap();
    add(&mut pool, "a", 2, false).unwrap();
    let refusal = add(&mut pool, "a", 3, false).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::ResourceExhausted);
    assert!(refusal.retry_after_ms.is_some());
}

#[test]
fn no_authority_crowds_out_the_others() {
    let mut pool = Mempool::new(PoolLimits { count_max: 1_000, bytes_max: 4_000 });
    add(&mut pool, "b", 1, false).unwrap();
    let taken = (0..100).filter(|number| add(&mut pool, "a", *number, false).is_ok()).count();
    assert!(taken * 113 <= 2_300, "{taken}");
    assert!(add(&mut pool, "b", 2, false).is_ok());
}

#[test]
fn own_ones_are_offered_again_until_they_go() {
    let mut pool = Mempool::default();
    add(&mut pool, "a", 1, false).unwrap();
    let (transaction, info) = make("a", 2, false, 100);
    pool.insert(transaction, info, Some(Peer("other".to_owned())), 0).unwrap();
    assert_eq!(pool.take_offers(10, 10_000, 10).len(), 1);
    assert!(pool.take_offers(11, 10_000, 10).is_empty());
    assert!(pool.renew_offers(10 + REOFFER_MS));
    assert_eq!(pool.take_offers(10 + REOFFER_MS, 10_000, 10).len(), 1);
    pool.expire(1_002);
    assert!(!pool.renew_offers(99_999) && !pool.has_offers());
}

proptest! {
    /// The oldest that may lock, and those of own clients, are what a list of all says.
    #[test]
    fn what_may_lock_is_known_by_age(steps in prop::collection::vec((0u8..3, 0u8..6, any::<bool>(), any::<bool>()), 0..60)) {
        let mut pool = Mempool::default();
        let mut all: Vec<(u64, u8, bool, bool)> = Vec::new();
        for (now_ms, (what, number, locks, own)) in (1u64..).zip(steps) {
            let (transaction, info) = make("a", number, locks, 100);
            if what == 0 {
                pool.remove_id("a", info.id);
                all.retain(|(_, of, _, _)| *of != number);
            } else {
                let origin = (!own).then(|| Peer("other".to_owned()));
                match pool.insert(transaction, info, origin, now_ms) {
                    Ok(Inserted::New) => all.push((now_ms, number, locks, own)),
                    // The same by an own client makes it an own one.
                    Ok(Inserted::Known) => {
                        all.iter_mut().filter(|(_, of, _, _)| *of == number).for_each(|one| one.3 |= own);
                    }
                    Err(_) => {}
                }
            }
            let oldest = all.iter().filter(|one| one.2).map(|one| one.0).min();
            prop_assert_eq!(pool.oldest_lock_ms(), oldest.unwrap_or(0));
            let mut expected: Vec<u64> = all.iter().filter(|one| one.2 && one.3).map(|one| one.0).collect();
            expected.sort_unstable();
            prop_assert_eq!(pool.own_locks().map(|(added_ms, _)| added_ms).collect::<Vec<_>>(), expected);
        }
    }

    /// Whatever comes and goes, the counts agree with the contents and nothing is offered twice in a block.
    #[test]
    fn books_balance(steps in prop::collection::vec((0u8..4, 0u8..3, 0u8..20, any::<bool>()), 0..80)) {
        let mut pool = Mempool::new(PoolLimits { count_max: 25, bytes_max: 3_000 });
        for (what, authority, number, urgent) in steps {
            let authority = ["a", "b", "c"][usize::from(authority)];
            let (transaction, info) = make(authority, number, urgent, 100);
            match what {
                0 | 1 => { let _ = pool.insert(transaction, info, None, 0); }
                2 => { pool.remove(&info.payload_digest); }
                _ => { pool.remove_id(authority, info.id); }
            }
            let all = pool.candidates(usize::MAX, usize::MAX, u64::from(number));
            prop_assert_eq!(all.len(), pool.len());
            prop_assert_eq!(all.iter().map(|transaction| transaction.size()).sum::<usize>(), pool.bytes());
            let digests: BTreeSet<_> = all.iter().map(|transaction| transaction.payload_digest()).collect();
            prop_assert_eq!(digests.len(), pool.len());
            prop_assert!(pool.len() <= 25 && pool.bytes() <= 3_000);
        }
        for pending in pool.expire(u64::MAX) {
            prop_assert!(pending.info.valid_until_ms < u64::MAX);
        }
        prop_assert!(pool.is_empty() && pool.bytes() == 0);
    }
}
