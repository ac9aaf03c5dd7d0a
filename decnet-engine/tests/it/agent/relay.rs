//! A relay between a master and an agent, which can fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

/// A relay of TCP connections. The network that it stands for can be cut, stall, lose answers, or be slow.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    network: Arc<Network>,
    tasks: Vec<JoinHandle<()>>,
}

/// What passes. What does not pass is kept, except connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    connections: bool,
    requests: Pieces,
    answers: Pieces,
}

/// How much of what one side of a connection sends passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pieces {
    All,
    /// Only the first message of a TLS handshake.
    Hello,
    None,
}

const EVERYTHING: Open = Open {
    connections: true,
    requests: Pieces::All,
    answers: Pieces::All,
};

/// How much later the end of a connection arrives.
const END: Duration = Duration::from_millis(200);

struct Network {
    open: watch::Sender<Open>,
    /// Ends the connections of now.
    current: Mutex<CancellationToken>,
    /// How long something takes, if the network is slow.
    delays: Option<Mutex<Delays>>,
    /// How many connections there are.
    connections: AtomicUsize,
    /// How many pieces of data are held. Those behind them are not counted.
    held: AtomicUsize,
}

/// Delays between two limits that are the same at each run: Steele and Vigna's `SplitMix64`.
struct Delays {
    state: u64,
    shortest: Duration,
    longest: Duration,
}

impl Delays {
    fn draw(&mut self) -> Duration {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let range = self.longest.saturating_sub(self.shortest).as_millis().max(1);
        let above = u128::from(mixed ^ (mixed >> 31)) % range;
        self.shortest + Duration::from_millis(u64::try_from(above).expect("below the longest"))
    }
}

impl Relay {
    pub(super) async fn to(target: SocketAddr) -> Self {
        Self::with(target, None).await
    }

    /// Starts a relay that delays each new connection and each piece of data by a random time. So connections arrive in another
    /// order than they began.
    pub(super) async fn slow(target: SocketAddr, seed: u64, shortest: Duration, longest: Duration) -> Self {
        let delays = Delays {
            state: seed,
            shortest,
            longest,
        };
        Self::with(target, Some(Mutex::new(delays))).await
    }

    async fn with(target: SocketAddr, delays: Option<Mutex<Delays>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let network = Arc::new(Network {
            open: watch::Sender::new(EVERYTHING),
            current: Mutex::default(),
            delays,
            connections: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        });
        let theirs = Arc::clone(&network);
        let task = tokio::spawn(async move {
            let mut pairs = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                if theirs.open.borrow().connections {
                    let (network, current) = (Arc::clone(&theirs), theirs.current());
                    pairs.spawn(async move { current.run_until_cancelled(network.connect(near, target)).await });
                }
            }
        });
        Self {
            address,
            network,
            tasks: vec![task],
        }
    }

    /// Ends the relay and all its connections.
    pub(super) fn cut(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    /// Nothing passes any more, and all connections stay open.
    pub(super) fn stall(&self) {
        self.set(Open {
            requests: Pieces::None,
            answers: Pieces::None,
            ..EVERYTHING
        });
    }

    /// Requests pass, and their answers do not.
    pub(super) fn hold_answers(&self) {
        self.set(Open {
            answers: Pieces::None,
            ..EVERYTHING
        });
    }

    /// Connections begin, and requests do not pass.
    pub(super) fn hold_requests(&self) {
        self.set(Open {
            requests: Pieces::Hello,
            ..EVERYTHING
        });
    }

    /// Waits until it holds something.
    pub(super) async fn held(&self) {
        while self.network.held.load(Ordering::SeqCst) == 0 {
            time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until all connections have ended.
    pub(super) async fn idle(&self) {
        while self.network.connections.load(Ordering::SeqCst) > 0 {
            time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends all connections, and each new one at once.
    pub(super) fn refuse(&self) {
        self.set(Open {
            connections: false,
            ..EVERYTHING
        });
        self.reset();
    }

    /// Ends all connections. What they held is lost.
    pub(super) fn reset(&self) {
        std::mem::take(&mut *self.network.lock()).cancel();
    }

    /// Everything passes again, also what was held.
    pub(super) fn heal(&self) {
        self.set(EVERYTHING);
    }

    fn set(&self, open: Open) {
        self.network.open.send_replace(open);
    }
}

impl Network {
    fn lock(&self) -> MutexGuard<'_, CancellationToken> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> CancellationToken {
        self.lock().clone()
    }

    fn delay(&self) -> Duration {
        let delays = self.delays.as_ref();
        delays.map_or(Duration::ZERO, |delays| {
            delays.lock().unwrap_or_else(PoisonError::into_inner).draw()
        })
    }

    async fn connect(&self, near: TcpStream, target: SocketAddr) {
        let _counted = Counted::one(&self.connections);
        time::sleep(self.delay()).await;
        let Ok(far) = TcpStream::connect(target).await else {
            return;
        };
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        tokio::join!(
            self.pass(from_near, to_far, |open| open.requests),
            self.pass(from_far, to_near, |open| open.answers),
        );
    }

    /// Passes data in one direction, in its order. It is read at once, also if it cannot be delivered yet.
    async fn pass(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        passing: impl Fn(&Open) -> Pieces,
    ) {
        let (kept, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        let read = async move {
            loop {
                let mut piece = vec![0; 16 << 10];
                let length = from.read(&mut piece).await.unwrap_or_default();
                piece.truncate(length);
                let is_kept = kept.send((Instant::now() + self.delay(), piece)).is_ok();
                if length == 0 || !is_kept {
                    return;
                }
            }
        };
        let deliver = async move {
            let (mut open, mut is_first) = (self.open.subscribe(), true);
            while let Some((at, piece)) = due.recv().await {
                time::sleep_until(at).await;
                let may_pass = |open: &Open| match passing(open) {
                    Pieces::All => true,
                    Pieces::Hello => is_first,
                    Pieces::None => false,
                };
                let is_held = !piece.is_empty() && !may_pass(&open.borrow());
                let held = is_held.then(|| Counted::one(&self.held));
                open.wait_for(may_pass).await.expect("the relay has the sender");
                drop(held);
                is_first = false;
                let delivered = match &piece[..] {
                    [] => {
                        // What was sent before is used, although nobody waits for an answer.
                        time::sleep(END).await;
                        to.shutdown().await
                    }
                    piece => to.write_all(piece).await,
                };
                if delivered.is_err() {
                    return;
                }
            }
        };
        tokio::join!(read, deliver);
    }
}

/// Counts until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn one(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
