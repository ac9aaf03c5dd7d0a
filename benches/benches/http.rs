//! Requests to the HTTP API over sockets: client and server share two threads. The floor is a bare axum route with the same bytes.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, http::header, routing::get};
use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, alternate, drawn, of_kind};
use decnet_engine::{Engine, EngineOptions, HttpOptions, OpenAccess, http, simulated::Simulated};
use decnet_topology::{Catalog, NewTopology, SqliteRepo, Topology, TopologyStore as _};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The number of connections, which send requests at the same time.
const CONNECTIONS: usize = 16;

/// The number of requests of one round on each connection.
const REQUESTS: usize = 16;

/// The approximate numbers of LANs.
const LANS: [u32; 2] = [4, 400];

/// Clients with open connections, which all send the same request.
struct Clients {
    connections: Vec<TcpStream>,
    request: Arc<str>,
    /// The length of an answer, which is always the same.
    length: usize,
}

impl Clients {
    async fn connect(address: SocketAddr, path: &str) -> io::Result<Self> {
        let request: Arc<str> = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into();
        let mut connections = Vec::new();
        let mut length = 0;
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            stream.write_all(request.as_bytes()).await?;
            length = whole_answer(&mut stream).await?;
            connections.push(stream);
        }
        Ok(Self {
            connections,
            request,
            length,
        })
    }

    /// Sends all requests of a round, and reads the answers.
    async fn round(&mut self) -> io::Result<()> {
        let connections = self.connections.drain(..).map(|mut stream| {
            let (request, length) = (Arc::clone(&self.request), self.length);
            tokio::spawn(async move {
                let mut answer = vec![0; length];
                for _ in 0..REQUESTS {
                    stream.write_all(request.as_bytes()).await?;
                    stream.read_exact(&mut answer).await?;
                    if !answer.starts_with(b"HTTP/1.1 200") {
                        return Err(io::Error::other("the request failed"));
                    }
                }
                Ok(stream)
            })
        });
        let running: Vec<_> = connections.collect();
        for task in running {
            self.connections.push(task.await??);
        }
        Ok(())
    }
}

/// Reads one answer, and returns its length.
async fn whole_answer(stream: &mut TcpStream) -> io::Result<usize> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::other("the server closed the connection"));
        }
        let Some(head) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let whole = head + 4 + length.ok_or_else(|| io::Error::other(text.clone()))?;
        if read.len() >= whole {
            return Ok(whole);
        }
    }
}

/// Times rounds.
fn rounds<'c>(runtime: &'c Runtime, clients: &'c mut Clients) -> impl FnMut(u64) -> Duration + 'c {
    move |times| {
        let start = Instant::now();
        for _ in 0..times {
            runtime.block_on(clients.round()).expect("every request is answered");
        }
        start.elapsed()
    }
}

/// Serves bytes on a route of axum, and nothing else.
async fn bare(body: String) -> io::Result<SocketAddr> {
    let body: Arc<str> = body.into();
    let handler = move || {
        let body = body.to_string();
        async { ([(header::CONTENT_TYPE, "application/json")], body) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, Router::new().route("/", get(handler))).await });
    Ok(address)
}

/// Stores a maze in a file of its own, serves it, and returns the address and its path.
async fn serve(maze: &Topology, file: &Path) -> Result<(SocketAddr, String)> {
    let repo = Arc::new(SqliteRepo::open(file)?);
    let new = NewTopology::new("bench".parse()?, maze.clone());
    let id = repo.create(new, Timestamp::now()).await?.row.id;
    let engine = Engine::new(repo, Arc::new(Simulated::new()), EngineOptions::new(Catalog::builtin()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(http::serve(engine, HttpOptions::new(Arc::new(OpenAccess)), listener));
    Ok((address, format!("/api/v1/topologies/{id}")))
}

fn requests() -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let floor = "a route of axum that sends the same bytes";
    let mut table = Table::new("http, GET of a topology", floor).limit(Limit::Ratio(2.0));
    for lans in LANS {
        let maze = drawn(lans).1;
        let (mut subject, mut floor) = runtime.block_on(async {
            let (address, path) = serve(&maze, &folder.path().join(format!("{lans}.db"))).await?;
            let subject = Clients::connect(address, &path).await?;
            let floor = Clients::connect(bare("x".repeat(subject.length)).await?, "/").await?;
            Ok::<_, Box<dyn Error>>((subject, floor))
        })?;
        let (measured, floor) = alternate(rounds(&runtime, &mut subject), rounds(&runtime, &mut floor));
        println!("{:.0} requests per second", 1e9 * requests_of_a_round() / measured);
        table.push(of_kind("", &maze), CONNECTIONS * REQUESTS, measured, Some(floor));
    }
    Ok(table.finish()?)
}

/// The number of requests of a round.
fn requests_of_a_round() -> f64 {
    f64::from(u32::try_from(CONNECTIONS * REQUESTS).unwrap_or_default())
}

fn all(_: &mut Criterion) {
    requests().expect("the benches run");
}

criterion_group!(benches, all);
criterion_main!(benches);
