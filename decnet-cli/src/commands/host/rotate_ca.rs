use std::fmt::Write as _;

use decnet_engine::AuthorityRotation;
use decnet_topology::Name;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    command_error::CommandError,
    context::{Context, open_fleet},
    exit::Exit,
    text,
};

/// Replace the authority that issues the certificates of masters and hosts, in two steps.
///
/// The first step makes the next authority. Hosts get it with their next heartbeats, within seconds, and trust both. When all have it,
/// --finish lets the next one issue, and hosts renew their certificates. The old one stays trusted for eight more days, until everything
/// that it issued has expired. Hosts stay connected, and no maze is touched. `decnet host serve` must run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host rotate-ca\n  \
                        decnet host rotate-ca --status\n  \
                        decnet host rotate-ca --finish")]
pub(super) struct Arguments {
    /// Let the next authority issue all certificates.
    #[arg(long)]
    finish: bool,
    /// Do not wait for hosts that do not trust the next authority yet. They are lost until they join again.
    #[arg(long, requires = "finish")]
    force: bool,
    /// Only print the authorities, and the hosts that are waited for.
    #[arg(long, conflicts_with = "finish")]
    status: bool,
}

/// Rotates the authority.
pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let fleet = open_fleet(context.repo().await?).await?;
    let now = Timestamp::now();
    let rotation = if arguments.status {
        fleet.rotation(now).await?
    } else if arguments.finish {
        fleet.finish_rotation(arguments.force, now).await?
    } else {
        fleet.begin_rotation(now).await?
    };
    context.output.either(&value(&rotation), || lines(&rotation))?;
    if rotation.next.is_some() {
        context.output.note(if rotation.waits_for.is_empty() {
            "all hosts trust the next authority; `decnet host rotate-ca --finish` lets it issue"
        } else {
            "when no host is waited for, `decnet host rotate-ca --finish` lets the next authority issue"
        });
    }
    Ok(Exit::Done)
}

fn lines(rotation: &AuthorityRotation) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<11}{value}");
    };
    line("authority", rotation.current.to_string());
    if let Some(next) = &rotation.next {
        line("next", next.to_string());
    }
    if !rotation.waits_for.is_empty() {
        let names: Vec<_> = rotation.waits_for.iter().map(Name::as_str).collect();
        line("waits for", names.join(", "));
    }
    for (retired, until) in &rotation.retired {
        line("retired", format!("{retired}, trusted until {}", text::time(*until)));
    }
    text
}

fn value(rotation: &AuthorityRotation) -> Value {
    let retired = rotation.retired.iter();
    let retired: Vec<_> = retired
        .map(|(retired, until)| json!({ "authority": retired.to_string(), "until": until }))
        .collect();
    json!({
        "authority": rotation.current.to_string(),
        "next": rotation.next.map(|next| next.to_string()),
        "waits_for": rotation.waits_for,
        "retired": retired,
    })
}
