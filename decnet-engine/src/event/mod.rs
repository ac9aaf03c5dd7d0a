//! Events: a closed set of things that happen, and the envelope in which they are sent.

mod attacker;
mod describe;
mod envelope;
mod occurrence;
mod progress;
pub(crate) mod sink;
pub(crate) mod syslog;
pub(crate) mod timeline;
mod trail;
mod when;

pub use attacker::{AttackerAction, AttackerEvent, Place};
pub use describe::deleted_logs_text;
pub use envelope::{Envelope, EnvelopeError};
pub use occurrence::{DeckyEvent, Event, Health, MutationStage, Trigger};
pub use progress::{Progress, StepState};
pub use trail::HistoryEntry;
pub use when::{PastTimeError, read_past_time};
