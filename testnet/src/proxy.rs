//! One loopback proxy for every directed link between two nodes. A node is told the proxies' addresses instead of its
//! peers', so that tests can cut, delay and heal what passes without any switch in the product. A cut counts for both
//! connections of a pair: what A sends to B passes the same way whoever of them dialled.
//!
//! It never looks into what it carries.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Bytes read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks on their way in one direction of one connection.
const CHUNKS_MAX: usize = 128;

/// What becomes of the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// They pass.
    Open,
    /// They wait at the sender, as when a network loses everything: TCP tries again, and late bytes still come.
    Held,
    /// They are gone. The connection is of no use afterwards and ends with the first bytes after the healing.
    Lost,
}

/// One direction between two nodes.
struct Way {
    passage: watch::Sender<Passage>,
    resets: watch::Sender<u64>,
    delay_ms: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
}

/// From which node to which.
type Direction = (String, String);

/// The proxies of a whole network. Dropped, it cuts everything.
pub(crate) struct Links {
    ways: BTreeMap<Direction, Arc<Way>>,
    addresses: BTreeMap<Direction, SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Links {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Links {
    /// Listens for every ordered pair of nodes; `find` says where a node listens now.
    ///
    /// # Errors
    /// The system gives no port.
    pub(crate) async fn start<F>(nodes: &[String], find: F) -> io::Result<Self>
    where
        F: Fn(&str) -> Option<SocketAddr> + Clone + Send + Sync + 'static,
    {
        let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (from.clone(), to.clone())));
        let pairs: Vec<Direction> = pairs.filter(|(from, to)| from != to).collect();
        let way = || Way {
            passage: watch::Sender::new(Passage::Open),
            resets: watch::Sender::new(0),
            delay_ms: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        };
        let ways: BTreeMap<Direction, Arc<Way>> = pairs.iter().map(|pair| (pair.clone(), Arc::new(way()))).collect();
        let (mut addresses, mut tasks) = (BTreeMap::new(), Vec::new());
        for (from, to) in pairs {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.insert((from.clone(), to.clone()), listener.local_addr()?);
            let (there, back) = (ways.get(&(from.clone(), to.clone())), ways.get(&(to.clone(), from)));
            let (Some(there), Some(back)) = (there.cloned(), back.cloned()) else { continue };
            let find = find.clone();
            tasks.push(tokio::spawn(async move {
                while let Ok((dialler, _)) = listener.accept().await {
                    let Some(address) = find(&to) else { continue };
                    tokio::spawn(carry(dialler, address, there.clone(), back.clone()));
                }
            }));
        }
        Ok(Self { ways, addresses, tasks })
    }
    /// Where `from` finds `to`.
    pub(crate) fn address(&self, from: &str, to: &str) -> Option<SocketAddr> {
        self.addresses.get(&(from.to_owned(), to.to_owned())).copied()
    }
    fn chosen(&self, choose: impl Fn(&str, &str) -> bool) -> impl Iterator<Item = &Arc<Way>> {
        self.ways.iter().filter(move |((from, to), _)| choose(from, to)).map(|(_, way)| way)
    }
    /// Sets what becomes of the bytes of all directions chosen, as (from, to).
    pub(crate) fn set(&self, passage: Passage, choose: impl Fn(&str, &str) -> bool) {
        self.chosen(choose).for_each(|way| {
            way.passage.send_replace(passage);
        });
    }
    /// Delays what passes from now on in the directions chosen.
    pub(crate) fn delay(&self, delay: Duration, choose: impl Fn(&str, &str) -> bool) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.chosen(choose).for_each(|way| way.delay_ms.store(delay_ms, Ordering::Relaxed));
    }
    /// Ends the connections of the directions chosen; new ones may be made at once.
    pub(crate) fn reset(&self, choose: impl Fn(&str, &str) -> bool) {
        self.chosen(choose).for_each(|way| way.resets.send_modify(|count| *count += 1));
    }
    /// Opens every direction, without delay.
    pub(crate) fn heal(&self) {
        self.set(Passage::Open, |_, _| true);
        self.delay(Duration::ZERO, |_, _| true);
    }
    /// Bytes that arrived in any direction so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.ways.values().map(|way| way.bytes.load(Ordering::Relaxed)).sum()
    }
    /// Bytes that were lost in any direction so far.
    pub(crate) fn bytes_lost(&self) -> u64 {
        self.ways.values().map(|way| way.lost.load(Ordering::Relaxed)).sum()
    }
}

/// One connection, until either end or a reset closes it.
async fn carry(dialler: TcpStream, address: SocketAddr, there: Arc<Way>, back: Arc<Way>) {
    let (mut reset_there, mut reset_back) = (there.resets.subscribe(), back.resets.subscribe());
    let Ok(target) = TcpStream::connect(address).await else { return };
    // Without it small frames would wait for one another, which is not the delay that was asked for.
    let _ = (dialler.set_nodelay(true), target.set_nodelay(true));
    let ((from_dialler, to_dialler), (from_target, to_target)) = (dialler.into_split(), target.into_split());
    tokio::select! {
        () = pump(from_dialler, to_target, &there) => {}
        () = pump(from_target, to_dialler, &back) => {}
        _ = reset_there.changed() => {}
        _ = reset_back.changed() => {}
    }
}

/// Carries one direction of a connection until its end; what was read before is delivered.
async fn pump(from: OwnedReadHalf, mut to: OwnedWriteHalf, way: &Way) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let write = async {
        while let Some((at, chunk)) = chunks.recv().await {
            sleep_until(at).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
            way.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
    };
    tokio::pin!(write);
    tokio::select! {
        () = &mut write => return,
        () = read(from, sender, way) => {}
    }
    write.await;
}

async fn read(mut from: OwnedReadHalf, sender: mpsc::Sender<(Instant, Vec<u8>)>, way: &Way) {
    let (mut passage, mut holed) = (way.passage.subscribe(), false);
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        if passage.wait_for(|passage| *passage != Passage::Held).await.is_err() {
            return;
        }
        let Ok(count @ 1..) = from.read(&mut chunk).await else { return };
        chunk.truncate(count);
        // A cut may have begun while nothing came.
        let Ok(now) = passage.wait_for(|passage| *passage != Passage::Held).await.map(|passage| *passage) else {
            return;
        };
        if now == Passage::Lost {
            holed = true;
            way.lost.fetch_add(count as u64, Ordering::Relaxed);
        } else if holed {
            return;
        } else {
            let delay = Duration::from_millis(way.delay_ms.load(Ordering::Relaxed));
            if sender.send((Instant::now() + delay, chunk)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Two nodes that echo, and a connection from the first to the second.
    async fn pair() -> (Links, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let links = Links::start(&["a".to_owned(), "b".to_owned()], move |_| Some(address)).await.unwrap();
        let stream = TcpStream::connect(links.address("a", "b").unwrap()).await.unwrap();
        (links, stream)
    }

    async fn echo(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(bytes).await?;
        let mut back = vec![0; bytes.len()];
        stream.read_exact(&mut back).await?;
        Ok(back)
    }

    #[tokio::test]
    async fn what_is_held_comes_late_and_what_is_lost_ends_the_connection() {
        let (links, mut stream) = pair().await;
        assert_eq!(echo(&mut stream, b"one").await.unwrap(), b"one");
        assert_eq!(links.bytes(), 6);
        links.set(Passage::Held, |from, _| from == "b");
        stream.write_all(b"two").await.unwrap();
        let mut back = [0; 3];
        let early = tokio::time::timeout(Duration::from_millis(100), stream.read_exact(&mut back)).await;
        assert!(early.is_err(), "bytes pass a cut");
        links.heal();
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"two");
        links.set(Passage::Lost, |from, _| from == "a");
        stream.write_all(b"three").await.unwrap();
        while links.bytes_lost() < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        links.heal();
        assert!(echo(&mut stream, b"four").await.is_err(), "a stream with a hole goes on");
    }

    #[tokio::test]
    async fn delays_add_up_and_resets_end_connections() {
        let (links, mut stream) = pair().await;
        links.delay(Duration::from_millis(60), |_, _| true);
        let sent = Instant::now();
        echo(&mut stream, b"slow").await.unwrap();
        assert!(sent.elapsed() >= Duration::from_millis(120), "{:?}", sent.elapsed());
        links.reset(|from, to| (from, to) == ("b", "a"));
        assert!(echo(&mut stream, b"gone").await.is_err());
        let mut stream = TcpStream::connect(links.address("a", "b").unwrap()).await.unwrap();
        assert_eq!(echo(&mut stream, b"anew").await.unwrap(), b"anew");
    }
}
