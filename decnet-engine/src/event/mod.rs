//! Events: a closed set of things that happen, and the envelope in which they are sent.
//!
//! | topic | [`Event`] |
//! |---|---|
//! | `topology.<id>.status` | [`Status`](Event::Status) |
//! | `topology.<id>.mutation.enqueued`, `.applying`, `.applied`, `.rejected`, `.failed` | [`Mutation`](Event::Mutation) |
//! | `topology.<id>.step.planned` | [`Planned`](Event::Planned) |
//! | `topology.<id>.step.started`, `.done`, `.failed`, `.skipped` | [`Step`](Event::Step) |
//! | `decky.<topology id>.<name>.mutation` | [`Decky`](Event::Decky) |
//! | `system.<worker>.health` | [`Health`](Event::Health) |
//!
//! Each event is delivered at most once, and publishing never waits. The store has the true state: a reader that must miss
//! nothing reads it as well.
//!
//! On the wire an [`Envelope`] is JSON:
//!
//! ```
//! use decnet_engine::{Envelope, Event};
//! use decnet_topology::{Status, rng};
//!
//! let topology = rng::topology_id();
//! let event = Event::Status { topology, from: Some(Status::Deploying), to: Status::Active, reason: None };
//! let envelope = Envelope::new(event, "2030-01-01T00:00:00Z".parse()?);
//! let value = serde_json::to_value(&envelope)?;
//! assert_eq!(value["v"], 1);
//! assert_eq!(value["topic"], format!("topology.{topology}.status"));
//! assert_eq!((&value["type"], &value["payload"]["to"]), (&"status".into(), &"active".into()));
//! assert_eq!(serde_json::from_value::<Envelope>(value)?, envelope);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod describe;
mod envelope;
mod occurrence;
mod progress;
pub(crate) mod sink;
pub(crate) mod syslog;
pub(crate) mod timeline;

pub use describe::deleted_logs_text;
pub use envelope::{Envelope, EnvelopeError};
pub use occurrence::{DeckyEvent, Event, Health, MutationStage, Trigger};
pub use progress::{Progress, StepState};
