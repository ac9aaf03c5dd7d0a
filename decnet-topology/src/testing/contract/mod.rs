//! The contract of [`Repo`], as tests for any implementation.
//!
//! Each clause is a test whose name states the requirement. [`repo_contract!`](crate::repo_contract) creates one test for each:
//!
//! ```
//! use decnet_topology::MemoryRepo;
//! use decnet_topology::testing::contract::Subject;
//!
//! mod memory {
//! #   use super::*;
//!     decnet_topology::repo_contract!(async || Subject::new(MemoryRepo::new()));
//! }
//! # decnet_topology::testing::contract::hold("a_free_lease_is_acquired", async || Subject::new(MemoryRepo::new()));
//! ```
//!
//! The factory is called once for each clause and must return an empty store each time, or none if there is no server for it. Then
//! the clause is skipped. The clauses run on their own tokio
//! runtime; some call the store from several threads at the same time.

mod any;
mod batching;
mod catalog;
mod changes;
mod claiming;
mod clauses;
mod editing;
mod enqueueing;
mod hosting;
mod leases;
mod listing;
mod placing;
mod recording;
mod stage;
mod status;
mod storing;
mod visiting;
mod working;

use std::{any::Any, fmt, pin::Pin, sync::Arc};

pub use self::clauses::CLAUSES;
use crate::repo::Repo;

/// An empty store for the contract.
#[derive(Debug)]
pub struct Subject {
    repo: Arc<dyn Repo>,
    keep: Box<dyn Kept>,
}

trait Kept: Any + Send + fmt::Debug {}

impl<T: Any + Send + fmt::Debug> Kept for T {}

impl Subject {
    /// Wraps a store for the contract.
    pub fn new(repo: impl Repo + 'static) -> Self {
        Self {
            repo: Arc::new(repo),
            keep: Box::new(()),
        }
    }

    /// Keeps a value, for instance a temporary folder, until the clause ends.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + fmt::Debug) -> Self {
        self.keep = Box::new(guard);
        self
    }
}

type Held = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One requirement for every repo.
#[derive(Debug, Clone, Copy)]
pub struct RepoClause {
    /// The requirement, in snake case.
    pub name: &'static str,
    hold: fn(Arc<dyn Repo>) -> Held,
}

/// Runs one clause against an empty store.
///
/// # Panics
///
/// If the store breaks the clause, or the clause does not exist.
pub fn hold<S: Into<Option<Subject>>>(clause: &str, factory: impl AsyncFnOnce() -> S) {
    let found = CLAUSES.iter().find(|known| known.name == clause);
    let clause = found.expect("the clause is one of CLAUSES");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    runtime.expect("a runtime can be started").block_on(async {
        let Some(Subject { repo, keep }) = factory().await.into() else {
            return;
        };
        (clause.hold)(repo).await;
        drop(keep);
    });
}

/// Runs every clause, each time against an empty store, as a single test.
///
/// # Panics
///
/// At the first broken clause.
pub fn run<S: Into<Option<Subject>>>(factory: impl AsyncFn() -> S) {
    for clause in CLAUSES {
        hold(clause.name, &factory);
    }
}
