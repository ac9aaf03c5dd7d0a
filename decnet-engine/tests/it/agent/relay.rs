//! A relay between a master and an agent, which can fail.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time,
};

/// A relay between a master and an agent, which can be cut or stalled.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
    stalled: Arc<AtomicBool>,
}

impl Relay {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stalled = Arc::new(AtomicBool::new(false));
        let is_stalled = Arc::clone(&stalled);
        let task = tokio::spawn(async move {
            let mut pairs = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let is_stalled = Arc::clone(&is_stalled);
                pairs.spawn(async move {
                    let mut far = TcpStream::connect(target).await.expect("the agent");
                    let copy = tokio::io::copy_bidirectional(&mut near, &mut far);
                    let stall = async {
                        while !is_stalled.load(Ordering::SeqCst) {
                            time::sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! {
                        _ = copy => return,
                        () = stall => {}
                    }
                    // Both connections stay open, and nothing passes.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self {
            address,
            tasks: vec![task],
            stalled,
        }
    }

    pub(super) fn cut(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }
}
