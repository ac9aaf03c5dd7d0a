//! The HTTP API: a router for programs in other languages.
//!
//! It is a thin layer over the operations of the [`Engine`](crate::Engine), below `/api/v1`. [`router`] returns it for a program that serves
//! something else too; [`serve`] serves it on a socket. `GET /api/v1/openapi.json` describes all routes.
//!
//! ```
//! use std::sync::Arc;
//!
//! use decnet_engine::{Engine, EngineOptions, HttpOptions, OpenAccess, http, simulated::Simulated};
//! use decnet_topology::{Catalog, MemoryRepo};
//! use tokio::net::TcpListener;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), EngineOptions::new(Catalog::builtin()));
//! let options = HttpOptions::new(Arc::new(OpenAccess));
//! let stop = options.stop.clone();
//! let server = tokio::spawn(http::serve(engine, options, TcpListener::bind("127.0.0.1:0").await?));
//! stop.cancel();
//! server.await??;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! At `/`, the router has the map: a page that shows mazes, follows their events and edits them. [`page_file`] makes one file of it.
//!
//! # Errors
//!
//! Every error is a problem document (RFC 9457) with the stable `code` of the library, all findings, and a hint.
//!
//! # Versions
//!
//! The answer for a topology has the header `ETag: "v7"`. A change with `If-Match: "v7"` is refused with 412 if the topology has
//! another version. Without it, the last writer wins.
//!
//! # Long operations
//!
//! A deploy and the like answer 202, and `Location` names the operation. With `Prefer: wait=30` the answer is the result, if it is
//! known within 30 seconds. An operation does not end with its request. It is kept for an hour after its end, in memory.
//!
//! # Repeated requests
//!
//! A POST with `Idempotency-Key` is done once: the same request with the same key has the same answer for a day, as long as the
//! server runs. Another request with the key is refused.

mod allocation;
mod answer;
mod api;
pub(crate) mod auth;
mod body;
mod call;
mod catalog;
mod counters;
mod dispatch;
mod etag;
mod events;
mod history;
mod idempotency;
mod jobs;
mod lifecycle;
pub(crate) mod listening;
mod map;
mod metrics;
mod mutations;
mod openapi;
mod operations;
pub(crate) mod options;
mod origin;
mod parts;
mod picture;
mod prefer;
mod printed;
pub(crate) mod problem;
mod request_ids;
mod route;
mod routes;
mod serving;
mod share;
mod status;
mod ticket;
mod topologies;
mod visits;

pub use map::page_file;
pub use serving::{router, serve};

#[cfg(test)]
mod tests;
