//! Three networks in one process: exchange, refusal of strangers, reconnect.

use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use libp2p::Multiaddr;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn name(seed: u8) -> AuthorityId {
    format!("node-{seed}").into()
}

fn peer(seed: u8, addresses: Vec<Multiaddr>) -> Peer {
    let addresses = addresses.into_iter().map(Address::from).collect();
    Peer { authority: name(seed), key: key(seed).verifying_key(), addresses }
}

async fn start(seed: u8, listen: &str, peers: Vec<Peer>) -> (NetworkHandle, NetworkEvents) {
    let listen = listen.parse().unwrap();
    let config = NetworkConfig { key: key(seed), listen, peers, limits: LinkLimits::default() };
    Network::start(config).await.unwrap()
}

const ANY: &str = "/ip4/127.0.0.1/tcp/0";

async fn expect(events: &mut NetworkEvents, wanted: &NetworkEvent) {
    let found = async { while events.recv().await.expect("the network stopped") != *wanted {} };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {wanted:?}"));
}

async fn connected(handle: &NetworkHandle, count: usize) {
    let all = async {
        while handle.connected().count() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, all).await.expect("links are missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_exchange_frames_and_come_back_after_a_drop() {
    let (a, mut a_events) = start(1, ANY, vec![peer(2, vec![]), peer(3, vec![])]).await;
    let a_address = a.local_addr().unwrap().clone();
    let (b, mut b_events) = start(2, ANY, vec![peer(1, vec![a_address.clone()]), peer(3, vec![])]).await;
    let b_address = b.local_addr().unwrap().clone();
    let to_both = vec![peer(1, vec![a_address.clone()]), peer(2, vec![b_address.clone()])];
    let (c, mut c_events) = start(3, ANY, to_both.clone()).await;
    for handle in [&a, &b, &c] {
        connected(handle, 2).await;
    }
    assert_eq!(a.broadcast(Bytes::from_static(b"to all")), 2);
    let from_a = NetworkEvent::Frame(name(1), Bytes::from_static(b"to all"));
    expect(&mut b_events, &from_a).await;
    expect(&mut c_events, &from_a).await;
    let large = Bytes::from(vec![42; FRAME_BYTES_MAX]);
    assert!(c.send("node-1", large.clone()));
    expect(&mut a_events, &NetworkEvent::Frame(name(3), large)).await;
    assert!(!c.send("node-9", Bytes::new()), "nobody of this name");

    drop((c, c_events));
    expect(&mut a_events, &NetworkEvent::Disconnected(name(3))).await;
    assert!(!a.send("node-3", Bytes::new()), "the link is down");
    let (c, mut c_events) = start(3, ANY, to_both).await;
    expect(&mut a_events, &NetworkEvent::Connected(name(3))).await;
    connected(&c, 2).await;
    assert!(a.send("node-3", Bytes::from_static(b"again")));
    expect(&mut c_events, &NetworkEvent::Frame(name(1), Bytes::from_static(b"again"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused() {
    let (a, mut a_events) = start(11, ANY, vec![peer(12, vec![])]).await;
    let address = a.local_addr().unwrap().clone();
    let (stranger, mut stranger_events) = start(13, ANY, vec![peer(11, vec![address.clone()])]).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(stranger.connected().count(), 0);
    assert!(stranger_events.try_recv().is_none());
    assert!(a_events.try_recv().is_none());
    // The listed peer gets through meanwhile.
    let (listed, _events) = start(12, ANY, vec![peer(11, vec![address])]).await;
    connected(&listed, 1).await;
    expect(&mut a_events, &NetworkEvent::Connected(name(12))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_frames_keep_their_order() {
    let (a, mut a_events) = start(21, ANY, vec![peer(22, vec![])]).await;
    let (b, _b_events) = start(22, ANY, vec![peer(21, vec![a.local_addr().unwrap().clone()])]).await;
    connected(&b, 1).await;
    expect(&mut a_events, &NetworkEvent::Connected(name(22))).await;
    for number in 0..20_000u32 {
        assert!(b.send("node-21", number.to_be_bytes().to_vec()));
    }
    for number in 0..20_000u32 {
        let event = timeout(PATIENCE, a_events.recv()).await.unwrap().unwrap();
        assert_eq!(event, NetworkEvent::Frame(name(22), number.to_be_bytes().to_vec().into()));
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (a, _events) = start(31, ANY, vec![]).await;
    let listen = a.local_addr().unwrap().clone().into();
    let config = NetworkConfig { key: key(32), listen, peers: vec![], limits: LinkLimits::default() };
    let error = Network::start(config).await.err().unwrap();
    assert!(error.to_string().contains("cannot listen on /ip4/127.0.0.1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_of_a_link_are_found_out_and_why_one_fails() {
    let (a, _a_events) = start(41, ANY, vec![peer(42, vec![]), peer(43, vec![])]).await;
    let a_address = a.local_addr().unwrap().clone();
    let (b, _b_events) = start(42, ANY, vec![peer(41, vec![a_address.clone()])]).await;
    let b_address = b.local_addr().unwrap().clone();
    // The third is listed by the first alone, and its address of the first is wrong.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = Multiaddr::empty().with(free.ip().into()).with(libp2p::multiaddr::Protocol::Tcp(free.port()));
    let (c, _c_events) = start(43, ANY, vec![peer(41, vec![nowhere]), peer(42, vec![b_address])]).await;
    connected(&a, 1).await;
    connected(&b, 1).await;

    let reach = b.reach("node-41").await.unwrap();
    assert_eq!((reach.outbound, reach.inbound), (Reached::Yes, Reached::NoAddress));
    let reach = a.reach("node-42").await.unwrap();
    assert_eq!((reach.outbound, reach.inbound), (Reached::NoAddress, Reached::Yes));
    let Reach { outbound: Reached::No(why), inbound: Reached::Unknown(_) } = c.reach("node-41").await.unwrap() else {
        panic!("nobody listens there")
    };
    assert!(why.contains("refused"), "{why}");
    let Reached::No(why) = c.reach("node-42").await.unwrap().outbound else { panic!("it does not list the third") };
    assert!(why.contains("may not list"), "{why}");
    assert_eq!(a.reach("node-9").await, None);

    // What was made to find out is closed again, and the links stand.
    let one_each = async {
        while [&a, &b]
            .iter()
            .any(|node| node.links().values().map(|link| link.dialled + link.accepted).sum::<u32>() != 1)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, one_each).await.expect("connections are left over");
    assert!(a.is_connected("node-42") && b.is_connected("node-41"));
}
