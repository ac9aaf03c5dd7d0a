//! Operations on stored topologies that do not change the runtime: create, generate, apply, delete, submit and wait.

mod apply;
mod create;
mod delete;
mod difference;
mod generate;
mod outcome;
mod own_images;
mod settings;
mod store;
mod taken;
mod wait;

pub use apply::ApplyOptions;
pub use create::CreateOptions;
pub use difference::describe_difference;
pub use outcome::{StoreOutcome, StoreResult};
pub use own_images::own_images;
pub use settings::SettingsChange;

pub(super) use settings::refuse_unused_rules;
