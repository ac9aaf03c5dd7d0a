use std::{fmt::Write as _, sync::Arc, time::Duration};

use decnet_engine::{HostMazes, HostState, HostSummary, Runtime as _, RuntimeError, find_host};
use decnet_topology::{HostRow, Name, Repo};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    command_error::CommandError,
    context::{Context, open_fleet},
    exit::Exit,
    table, text,
};

/// How long the agent of a host may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Show a host: its state, what its agent reported last, why it does not answer now, and its mazes.
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
    let host = find_host(repo.as_ref(), &arguments.name).await?;
    let mazes = HostMazes::read(repo.as_ref()).await?;
    let names: Vec<_> = mazes.on_host(&host).map(|row| row.name.as_str()).collect();
    let count = mazes.deckies(&host);
    let now = repo.now(Timestamp::now()).await?;
    let summary = HostSummary::new(&host, count, now);
    let mut shown = serde_json::to_value(&summary)?;
    shown["mazes"] = names.clone().into();
    // What is stored is shown in any case.
    let refusal = ask(repo, &host).await.err();
    shown["error"] = match &refusal {
        Some(error) => json!({ "code": error.code(), "message": error.with_causes() }),
        None => Value::Null,
    };
    context.output.either(&shown, || {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // An agent wrote some of the values.
            let _ = writeln!(text, "{name:<11}{}", text::one_line(&value));
        };
        line("host", host.name.to_string());
        line("id", host.id.to_string());
        line("state", state(&host, now));
        if let Some(at) = host.drained_at {
            line("drained", format!("since {}", text::time(at)));
        }
        line("agent", host.address.clone());
        if let Some(error) = &refusal {
            line("answer", format!("none: {} ({})", error.with_causes(), error.code()));
        }
        line("labels", labels(&host));
        line("deckies", format!("{count} of {}", host.profile.capacity));
        if let Some(member) = host.member() {
            line("underlay", format!("{}, MTU {}", member.underlay, member.mtu));
        }
        line("joined", text::time(host.enrolled_at));
        line(
            "last heard",
            host.last_heartbeat().map_or_else(|| "never".into(), text::time),
        );
        if let Some(report) = &summary.report {
            let runtime = if report.health.answers { "" } else { "does not answer: " };
            line("runtime", format!("{runtime}{}", report.health.detail));
        }
        line("mazes", table::or_dash(names.join(", ")));
        text
    })?;
    Ok(Exit::Done)
}

/// Asks the agent of a host. The error says why it does not answer this master.
async fn ask(repo: Arc<dyn Repo>, host: &HostRow) -> Result<(), CommandError> {
    let runtime = open_fleet(repo).await?.runtime(host)?;
    match timeout(TIMEOUT, runtime.info()).await {
        Ok(answer) => answer?,
        Err(_) => {
            return Err(RuntimeError::AgentUnreachable {
                host: host.name.to_string(),
                address: host.address.clone(),
                reason: format!("no answer within {} s", TIMEOUT.as_secs()),
            }
            .into());
        }
    };
    Ok(())
}

/// Returns the state of a host in one cell. A mark says that it is drained, whatever else its state is.
pub(super) fn state(host: &HostRow, now: Timestamp) -> String {
    match HostState::of(host, now) {
        state @ (HostState::Drained | HostState::Revoked) => state.to_string(),
        state if host.drained_at.is_some() => format!("{state}, drained"),
        state => state.to_string(),
    }
}

/// Returns the labels of a host in one cell.
pub(super) fn labels(host: &HostRow) -> String {
    let labels: Vec<_> = host.profile.labels.iter().map(Name::as_str).collect();
    table::or_dash(labels.join(", "))
}
