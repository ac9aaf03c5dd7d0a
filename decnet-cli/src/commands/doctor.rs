mod check;
mod left_behind;
mod limits;
mod mazes;
mod sysctl;

use std::{fs, path::Path, sync::Arc, time::Duration};

use decnet_engine::{
    host,
    observe::Scope,
    runtime::{Runtime, RuntimeInfo, docker::Docker},
};
use decnet_topology::{
    Repo, Status, TopologyStore,
    repo::{Claim, ListFilter},
};
use serde_json::json;

use self::check::{Check, Verdict};
use super::db;
use crate::{
    command_error::CommandError,
    context::Context,
    exit::Exit,
    output::{Output, Style},
    store, text,
};

/// How long the daemon may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Look whether everything that mazes need is there.
///
/// Looked at are Docker, the kernel, the database, what was left behind on Docker, and whether the host lets the packets of mazes
/// that are up pass and shows who comes to their published ports.
///
/// Leaves with 1 if something fails; a warning is not a failure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Looks at everything.
pub(crate) async fn run(_: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let (mut checks, repo) = database(context).await?;
    let repo: Option<Arc<dyn Repo>> = repo.map(Arc::from);
    match context.look_at_docker(PATIENCE).await {
        Err(error) => checks.push(Check::fail("docker", error.to_string(), error.advice())),
        Ok(docker) => {
            checks.extend(daemon(&docker, repo.as_deref()).await);
            if let Some(repo) = repo {
                checks.extend(mazes::checks(context, repo).await);
            }
        }
    }
    let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    if context.output.json {
        context.output.json(&json!({"healthy": !failed, "checks": checks}))?;
    } else {
        for check in &checks {
            print(context.output, check)?;
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

fn print(output: Output, check: &Check) -> Result<(), CommandError> {
    // The verdict is data on stdout, which is coloured only where stderr's terminal is its own too.
    let colored = Output {
        color: output.color && std::io::IsTerminal::is_terminal(&std::io::stdout()),
        ..output
    };
    let verdict = match check.verdict {
        Verdict::Ok => colored.paint(Style::Good, "ok  "),
        Verdict::Warn => colored.paint(Style::Warning, "warn"),
        Verdict::Fail => colored.paint(Style::Error, "fail"),
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

async fn database(context: &Context) -> Result<(Vec<Check>, Option<Box<dyn Repo>>), CommandError> {
    const WHAT: &str = "database";
    let path = store::path(&context.globals)?;
    if !path.exists() {
        let message = format!(
            "{} is not there yet; the first command that stores something makes it",
            path.display()
        );
        return Ok((vec![Check::ok(WHAT, message)], None));
    }
    let repo = match db::existing(&path) {
        Ok(repo) => repo,
        Err(error) => {
            let message = format!("{}: {}", path.display(), error.in_full());
            return Ok((vec![Check::fail(WHAT, message, error.advice())], None));
        }
    };
    let mut checks = Vec::new();
    match repo.check().await {
        Ok(damage) if damage.is_empty() => checks.push(Check::ok(WHAT, format!("{} is sound", path.display()))),
        Ok(damage) => checks.push(Check::fail(
            WHAT,
            format!("{}: {}", path.display(), damage.join("; ")),
            "restore it from a backup, or `decnet db reset --force --yes`",
        )),
        Err(error) => {
            let error = CommandError::from(error);
            checks.push(Check::fail(WHAT, error.in_full(), error.advice()));
        }
    }
    let page = repo.list(&ListFilter::default().statuses([Status::Degraded])).await;
    for row in page.map(|page| page.rows).unwrap_or_default() {
        let name = &row.name;
        let hint = format!("`decnet reconcile {name}` mends it, `decnet show {name}` says why");
        checks.push(Check::warn("mazes", format!("{name} is degraded"), hint));
    }
    Ok((checks, Some(Box::new(repo))))
}

async fn daemon(docker: &Docker, repo: Option<&dyn Repo>) -> Vec<Check> {
    let info = match docker.info().await {
        Ok(info) => info,
        Err(error) => {
            let error = CommandError::from(error);
            return vec![Check::fail("docker", error.to_string(), error.advice())];
        }
    };
    let mut checks = about(&info);
    checks.extend(limits::of_daemon(&info));
    if info.local {
        checks.extend(kernel(info.podman));
        match claims(repo).await {
            Ok(claims) => checks.extend(limits::of_kernel(&claims)),
            Err(error) => checks.push(Check::fail("database", error.to_string(), error.advice())),
        }
    } else {
        checks.push(Check::warn(
            "kernel",
            "the daemon is on another machine, whose kernel is not looked at",
            "run this there",
        ));
    }
    match docker.inspect(Scope::Everyone).await {
        Ok(observed) => match left_behind::checks(&observed, repo).await {
            Ok(found) => checks.extend(found),
            Err(error) => checks.push(Check::fail("database", error.to_string(), error.advice())),
        },
        Err(error) => {
            let error = CommandError::from(error);
            checks.push(Check::fail("docker", error.to_string(), error.advice()));
        }
    }
    checks
}

/// Lists the subnets of the stored mazes.
async fn claims(repo: Option<&dyn Repo>) -> Result<Vec<Claim>, CommandError> {
    match repo {
        Some(repo) => Ok(repo.claims(None).await?),
        None => Ok(Vec::new()),
    }
}

fn about(info: &RuntimeInfo) -> Vec<Check> {
    let cpus = text::count(info.cpus, "processor", "processors");
    let message = format!(
        "{} (API {}.{}) at {}, {cpus}",
        info.version, info.api.major, info.api.minor, info.endpoint
    );
    let mut checks = vec![Check::ok("docker", message)];
    if info.podman {
        let lacks = host::podman_lacks(info.local);
        checks.extend(
            lacks
                .into_iter()
                .map(|lack| Check::warn("podman", lack.message, lack.fix)),
        );
        checks.push(Check::warn(
            "reboot",
            "Podman has no daemon that starts deckies after a reboot",
            "`systemctl enable podman-restart.service`, and `decnet watch` as a service (contrib/decnet-watch.service)",
        ));
        return checks;
    }
    checks.push(if info.live_restore {
        Check::ok("live-restore", "on: containers survive a restart of the daemon")
    } else {
        let hint = concat!(
            r#"write "live-restore": true into /etc/docker/daemon.json and reload the daemon; "#,
            "`decnet watch` as a service (contrib/decnet-watch.service) starts services with images of their own again"
        );
        Check::warn(
            "live-restore",
            "off: a restart of the daemon restarts every decky, and may leave services with images of their own exited",
            hint,
        )
    });
    checks
}

/// Looks at what the kernel of this machine does with packets.
fn kernel(podman: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.push(match sysctl::read("/proc/sys/net/ipv4/ip_forward").as_deref() {
        Some("1") => Check::ok("ip_forward", "1"),
        Some(other) if podman => Check::ok(
            "ip_forward",
            format!("{other}: Podman sets it to 1 with its first container"),
        ),
        Some(other) => {
            let hint = "Docker sets it to 1 when it starts; `sysctl net.ipv4.ip_forward=1`";
            Check::fail("ip_forward", format!("{other}: published ports do not answer"), hint)
        }
        None => Check::warn("ip_forward", "not known", "is /proc mounted?"),
    });
    let filtered = sysctl::read("/proc/sys/net/bridge/bridge-nf-call-iptables");
    checks.push(match filtered.as_deref() {
        // What Podman does then is said above.
        Some("1") if podman => Check::ok("bridge-nf-call-iptables", "1"),
        Some("1") => Check::ok(
            "bridge-nf-call-iptables",
            "1: Docker's rules see bridged packets; mazes allow for it",
        ),
        Some(other) => Check::ok("bridge-nf-call-iptables", other),
        None => Check::ok("bridge-nf-call-iptables", "not loaded"),
    });
    checks.push(nf_tables());
    checks
}

/// Whether the kernel has `nf_tables`: the kernel says so, or it is loaded, built in, or there to be loaded.
fn nf_tables() -> Check {
    const WHAT: &str = "nf_tables";
    let asked = host::has_nf_tables();
    if matches!(asked, Ok(true)) {
        return Check::ok(WHAT, "answers");
    }
    if Path::new("/sys/module/nf_tables").exists() {
        return Check::ok(WHAT, "loaded");
    }
    let release = sysctl::read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = Path::new("/lib/modules").join(release);
    let listed = |file: &str| fs::read_to_string(folder.join(file)).is_ok_and(|list| list.contains("nf_tables.ko"));
    if listed("modules.builtin") {
        Check::ok(WHAT, "built in")
    } else if listed("modules.dep") {
        Check::ok(WHAT, "a module, loaded when it is needed")
    } else {
        let message = match asked {
            Err(error) => format!("not found, and the kernel does not say: {error}"),
            Ok(_) => "the kernel has none".into(),
        };
        Check::warn(
            WHAT,
            message,
            "gateways are contained by it: load it with `modprobe nf_tables`, or take a kernel that has it",
        )
    }
}
