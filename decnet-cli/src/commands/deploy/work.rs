use crate::globals::EngineFlags;

/// Options for work on Docker.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Work {
    /// Only print the plan.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Allow running containers to be recreated, and move deckies that cannot stay on their hosts. Gives up hosts that left the fleet.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
}
