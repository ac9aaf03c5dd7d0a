use decnet_topology::{Repo, SubnetClaim, shown::count};

use super::{
    Check, Verdict, kernel, left_behind,
    limits::{self, of_kernel},
};
use crate::{
    engine::EngineError,
    host,
    observe::Scope,
    runtime::{Runtime, RuntimeInfo},
};

/// Checks a runtime, its machine's kernel if it is local, and leftovers. Without a store, all resources on the runtime count as
/// those of others.
pub async fn check_runtime(runtime: &dyn Runtime, repo: Option<&dyn Repo>) -> Vec<Check> {
    let info = match runtime.info().await {
        Ok(info) => info,
        Err(error) => return vec![Check::error(Verdict::Fail, "docker", "", error)],
    };
    let mut checks = about(&info);
    checks.extend(limits::of_daemon(&info));
    if info.local {
        checks.extend(kernel::checks(info.podman));
        match claims(repo).await {
            Ok(claims) => checks.extend(of_kernel(&claims)),
            Err(error) => checks.push(Check::error(Verdict::Fail, "database", "", error)),
        }
    } else {
        checks.push(Check::warn(
            "kernel",
            "the daemon is on another machine, whose kernel is not checked",
            "run `decnet doctor` on that machine",
        ));
    }
    match runtime.inspect(Scope::Everyone).await {
        Ok(observed) => match left_behind::checks(&observed, repo).await {
            Ok(found) => checks.extend(found),
            Err(error) => checks.push(Check::error(Verdict::Fail, "database", "", error)),
        },
        Err(error) => checks.push(Check::error(Verdict::Fail, "docker", "", error)),
    }
    checks
}

/// Lists the subnets of the stored mazes.
async fn claims(repo: Option<&dyn Repo>) -> Result<Vec<SubnetClaim>, EngineError> {
    match repo {
        Some(repo) => Ok(repo.claims(None).await?),
        None => Ok(Vec::new()),
    }
}

fn about(info: &RuntimeInfo) -> Vec<Check> {
    let cpus = count(info.cpus, "processor", "processors");
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
            "`systemctl enable podman-restart.service`; run `decnet watch` as a service (contrib/decnet-watch.service)",
        ));
        return checks;
    }
    checks.push(if info.live_restore {
        Check::ok("live-restore", "on: containers survive a restart of the daemon")
    } else {
        let hint = concat!(
            r#"write "live-restore": true into /etc/docker/daemon.json and reload the daemon; "#,
            "`decnet watch` as a service (contrib/decnet-watch.service) starts services with their own images again"
        );
        Check::warn(
            "live-restore",
            "off: a restart of the daemon restarts every decky, and may leave services with their own images stopped",
            hint,
        )
    });
    checks
}
