use std::{borrow::Cow, time::Duration};

use decnet_engine::{
    Check, Runtime, RuntimeError, Scope, Verdict,
    doctor::{check_hosts, check_links, check_runtime, check_statuses},
};
use decnet_topology::{Repo, Status, TopologyFilter};
use serde_json::json;

use crate::{
    command_error::CommandError,
    context::Context,
    descriptors,
    exit::Exit,
    lookup,
    output::{Output, Style},
    store, text,
};

/// How long the daemon may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Check the prerequisites of mazes.
///
/// It checks Docker, the kernel, the database, leftovers on Docker, the limit of file descriptors, whether the host forwards the
/// packets of running mazes, whether visitors of their published ports are visible, and whether LANs that are stretched over several
/// hosts are encrypted between them.
///
/// Exits with status 1 if something fails; a warning is not a failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet doctor\n  \
                        decnet doctor --json")]
pub(crate) struct Arguments {}

/// Checks the prerequisites.
pub(crate) async fn run(_: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let (check, has_database) = database(context).await?;
    let mut checks = vec![check];
    let mut engine = None;
    if has_database {
        match context.engine_on_demand().await {
            Ok(opened) => engine = Some(opened),
            Err(error) => {
                let message = format!("not checked: {}", error.with_causes());
                checks.push(Check::warn("host", message, &*error.hint().unwrap_or_default()));
            }
        }
    }
    let repo = engine.as_ref().map(|engine| engine.repo().as_ref());
    let (mut has_hosts, mut needs_docker) = (false, true);
    if let Some(repo) = repo {
        checks.extend(check_statuses(repo).await);
        has_hosts = lookup::has_hosts(repo).await.unwrap_or(false);
        needs_docker = !has_hosts || runs_here(repo).await;
    }
    checks.extend(check_links(engine.as_ref()).await);
    let docker = context.probe_docker(TIMEOUT).await;
    let has_runtime = docker.is_ok() || has_hosts;
    match docker {
        Err(error) if !needs_docker => {
            let message = format!("{}; mazes on hosts need none on this machine", error.with_causes());
            checks.push(Check::warn("docker", message, &*error.hint().unwrap_or_default()));
        }
        Err(error) => checks.push(failed("docker", "", &error)),
        Ok(docker) => {
            checks.extend(check_runtime(&docker, repo).await);
            checks.extend(limit(&docker, repo).await);
        }
    }
    if let Some(engine) = engine.as_ref().filter(|_| has_runtime) {
        checks.extend(check_hosts(engine).await);
    }
    for check in &mut checks {
        if let Some(error) = check.error.take() {
            check.hint = CommandError::from(error).hint().map(Cow::into_owned);
        }
    }
    let has_failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    if context.output.json {
        context
            .output
            .json(&json!({"healthy": !has_failed, "checks": checks}))?;
    } else {
        for check in &checks {
            print(context.output, check)?;
        }
    }
    Ok(if has_failed { Exit::Failed } else { Exit::Done })
}

/// Returns whether a maze runs on the Docker of this machine. A store that does not answer is reported by other checks.
async fn runs_here(repo: &dyn Repo) -> bool {
    let live = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
    let page = repo.list(&live).await;
    page.is_ok_and(|page| page.rows.iter().any(|row| !row.is_on_hosts()))
}

fn print(output: Output, check: &Check) -> Result<(), CommandError> {
    // The verdict is on stdout: it is coloured only if stdout is also a terminal.
    let colored = Output {
        color: output.color && std::io::IsTerminal::is_terminal(&std::io::stdout()),
        ..output
    };
    let verdict = match check.verdict {
        Verdict::Ok => colored.paint(Style::Good, "ok  "),
        Verdict::Warn => colored.paint(Style::Warning, "warn"),
        _ => colored.paint(Style::Error, "fail"),
    };
    output.data(&format!(
        "{verdict}  {}: {}\n",
        check.what,
        text::one_line(&check.message)
    ))?;
    match &check.hint {
        Some(hint) => output.data(&format!("      {}\n", text::one_line(hint))),
        None => Ok(()),
    }
}

/// Checks the limit of file descriptors. A daemon or a store that does not answer is reported by other checks.
async fn limit(docker: &dyn Runtime, repo: Option<&dyn Repo>) -> Option<Check> {
    let instance = repo?.instance().await.ok()?;
    let observed: Result<_, RuntimeError> = docker.list(Scope::Instance(instance)).await;
    Some(descriptors::check(observed.ok()?.containers.len()))
}

fn failed(what: &'static str, subject: &str, error: &CommandError) -> Check {
    let message = format!("{subject}{}", error.with_causes());
    Check::fail(what, message, error.hint().map(Cow::into_owned))
}

/// Checks the database file; also returns whether it is usable.
async fn database(context: &Context) -> Result<(Check, bool), CommandError> {
    const WHAT: &str = "database";
    let place = store::place(&context.globals)?;
    let shown = match place.shown() {
        Ok(shown) => shown,
        Err(error) => return Ok((failed(WHAT, "", &error.into()), false)),
    };
    let subject = format!("{shown}: ");
    if !place.may_exist() {
        let message = format!("{subject}does not exist yet; the first command that stores something creates it");
        return Ok((Check::ok(WHAT, message), false));
    }
    let repo = match place.open_existing().await {
        Ok(repo) => repo,
        Err(error) => return Ok((failed(WHAT, &subject, &error), false)),
    };
    let check = match repo.check().await {
        Ok(damage) if damage.is_empty() => Check::ok(WHAT, format!("{shown} is sound")),
        Ok(damage) => {
            let hint = "restore it from a backup, or `decnet db reset --force --yes`";
            Check::fail(WHAT, format!("{subject}{}", damage.join("; ")), Some(hint.into()))
        }
        Err(error) => failed(WHAT, "", &error.into()),
    };
    Ok((check, true))
}
