//! The HTTP API, on a store in memory and a simulated daemon.

mod admitting;
mod describing;
mod editing;
mod following;
mod hosts;
mod operating;
mod picturing;
mod reading;
mod repeating;
mod serving;
mod storing;
mod streaming;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use decnet_engine::{DecoyImage, Engine, EngineOptions, HttpOptions, OpenAccess, http, simulated::Simulated};
use decnet_topology::{Catalog, MemoryRepo, Repo};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// A maze with two LANs.
fn maze(name: &str) -> Value {
    json!({
        "format": "decnet.topology/1",
        "name": name,
        "lans": [
            { "name": "dmz", "subnet": "10.90.0.0/24", "dmz": true },
            { "name": "office", "subnet": "10.90.1.0/24" },
        ],
        "deckies": [
            {
                "name": "web",
                "services": ["http", "ssh"],
                "forwards_l3": true,
                "attachments": [{ "lan": "dmz", "ip": "10.90.0.10" }, { "lan": "office", "ip": "10.90.1.10" }],
            },
            { "name": "pc", "services": ["smb"], "attachments": [{ "lan": "office", "ip": "10.90.1.20" }] },
        ],
    })
}

fn engine(docker: &Simulated) -> Engine {
    engine_on(docker, Arc::new(MemoryRepo::new()))
}

fn engine_on(docker: &Simulated, repo: Arc<dyn Repo>) -> Engine {
    let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"a program")));
    Engine::new(repo, Arc::new(docker.clone()), options)
}

/// A client of an API of its own.
struct Client {
    engine: Engine,
    docker: Simulated,
    router: Router,
}

/// An answer.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    fn new() -> Self {
        Self::with(HttpOptions::new(Arc::new(OpenAccess)))
    }

    fn with(options: HttpOptions) -> Self {
        let docker = Simulated::new();
        Self::of(engine(&docker), docker, options)
    }

    /// A client of an API on a store.
    fn on(repo: Arc<dyn Repo>) -> Self {
        let docker = Simulated::new();
        Self::of(engine_on(&docker, repo), docker, HttpOptions::new(Arc::new(OpenAccess)))
    }

    fn of(engine: Engine, docker: Simulated, options: HttpOptions) -> Self {
        Self {
            router: http::router(engine.clone(), options),
            engine,
            docker,
        }
    }

    /// Sends a request to a path below `/api/v1`.
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, "localhost:8080");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("a router never fails");
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.expect("a body"),
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], Body::empty()).await
    }

    /// Sends JSON.
    async fn json(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(method, path, &all, body.to_string()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.json("POST", path, &[], body).await
    }

    /// Does an operation, and returns it after its end.
    async fn operate(&self, path: &str, body: &Value) -> Reply {
        self.json("POST", path, &[("prefer", "wait=60")], body).await
    }

    /// Stores the maze, and returns its id.
    async fn store(&self, name: &str) -> String {
        let stored = self.post("/topologies", &maze(name)).await.is(201);
        stored["id"].as_str().expect("an id").to_owned()
    }

    /// Stores the maze and deploys it.
    async fn deploy(&self, name: &str) -> String {
        let id = self.store(name).await;
        let done = self
            .operate(&format!("/topologies/{id}/deploy"), &json!({}))
            .await
            .is(200);
        assert_eq!(done["result"]["status"], "active", "{done}");
        id
    }
}

impl Reply {
    /// Checks the status, and returns the body as JSON; null if it is empty.
    #[track_caller]
    fn is(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        if text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Checks that it is a problem with a status and a code, and returns it.
    #[track_caller]
    fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.is(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{problem}");
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&json!(code), &json!(status)),
            "{problem}"
        );
        for member in ["type", "title", "detail"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {problem}"
            );
        }
        problem
    }

    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().expect("a text")
    }
}
