use std::fmt::Write as _;

use decnet_engine::{HostReport, HostState};
use decnet_topology::{HostRow, Name};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::lookup;
use crate::{command_error::CommandError, context::Context, exit::Exit, table, text};

/// Show a host: its state, what its agent reported last, and its mazes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host show east")]
pub(super) struct Arguments {
    /// The name of the host, or its id.
    #[arg(value_name = "HOST")]
    name: String,
}

/// Shows a host.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
    let host = lookup::find(repo.as_ref(), &arguments.name).await?;
    let mazes = lookup::Mazes::read(repo.as_ref()).await?;
    let names: Vec<_> = mazes.on_host(&host).map(|row| row.name.as_str()).collect();
    let count = mazes.deckies(&host);
    let now = repo.now(Timestamp::now()).await?;
    let mut shown = value(&host, count, now);
    shown["mazes"] = names.clone().into();
    context.output.either(&shown, || {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<11}{value}");
        };
        line("host", host.name.to_string());
        line("id", host.id.to_string());
        line("state", HostState::of(&host, now).to_string());
        line("agent", host.address.clone());
        line("labels", labels(&host));
        line("deckies", format!("{count} of {}", host.profile.capacity));
        if let Some(member) = host.member() {
            line("underlay", format!("{}, MTU {}", member.underlay, member.mtu));
        }
        line("joined", text::time(host.enrolled_at));
        line("last heard", host.heard_at.map_or_else(|| "never".into(), text::time));
        if let Some(report) = HostReport::of(&host) {
            let runtime = if report.health.answers { "" } else { "does not answer: " };
            line("runtime", format!("{runtime}{}", report.health.detail));
        }
        line("mazes", table::or_dash(names.join(", ")));
        text
    })?;
    Ok(Exit::Done)
}

/// Returns the labels of a host in one cell.
pub(super) fn labels(host: &HostRow) -> String {
    let labels: Vec<_> = host.profile.labels.iter().map(Name::as_str).collect();
    table::or_dash(labels.join(", "))
}

/// Returns a host as JSON.
pub(super) fn value(host: &HostRow, deckies: usize, now: Timestamp) -> Value {
    json!({
        "id": host.id,
        "name": host.name,
        "state": HostState::of(host, now),
        "address": host.address,
        "labels": host.profile.labels,
        "deckies": deckies,
        "capacity": host.profile.capacity,
        "underlay": host.member().map(|member| member.underlay),
        "mtu": host.profile.mtu,
        "enrolled_at": host.enrolled_at,
        "drained_at": host.drained_at,
        "revoked_at": host.revoked_at,
        "heard_at": host.heard_at,
        "report": HostReport::of(host),
    })
}
