//! Hints about what to do after an error.

use std::{borrow::Cow, io};

use decnet_engine::{EngineError, Fleet, RuntimeError, TokenError};
use decnet_topology::{AllocError, Code, FindError, Finding, GenerateError, RepoError, ResolveError, Severity, Status};

use super::hosts;
use crate::command_error::{CommandError, Unmoved};

impl CommandError {
    /// Returns a hint about what to do.
    pub(crate) fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Document { findings, .. } if is_about_the_machine(findings) => hint_of_finding(findings.first()).into(),
            Self::Document { origin, .. } if origin != "stdin" => {
                format!("fix the file; `decnet validate {origin}` checks it, `decnet schema` describes it").into()
            }
            Self::IsFile { path, maze } => {
                let name = match maze {
                    Some(maze) => format!("use the name of its maze, `{maze}`"),
                    None => "`decnet list` lists the names".into(),
                };
                format!("{name}; `decnet deploy -f {path}` deploys the file, `decnet apply -f {path}` only stores it")
                    .into()
            }
            Self::Catalog { path, .. } => format!(
                "fix the file; `decnet services --check {}` checks it, `decnet services --json` shows examples of entries",
                path.display()
            )
            .into(),
            Self::NotAConfig { origin } => format!("`decnet apply -f {origin}` stores the maze").into(),
            error => return error.fixed_hint().map(Cow::Borrowed),
        })
    }

    fn fixed_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Engine(error) => return hint_of_engine(error),
            Self::NotImported { findings, .. } => match findings.first().map(|finding| finding.code) {
                Some(Code::DocSyntax) => "fix the file; nothing was written",
                _ => "`decnet import` reads containerlab topologies and Compose files",
            },
            Self::FileExists { .. } => "--force replaces it; -o writes another file",
            Self::Maze { findings, .. } => hint_of_finding(findings.first()),
            Self::Document { .. } => "fix the file; `decnet validate FILE` checks it, `decnet schema` describes it",
            Self::Find(FindError::NotFound { .. }) => {
                "`decnet list --all` lists all mazes; --db selects another database"
            }
            Self::Alloc(AllocError::SubnetsExhausted { .. }) => LARGER_POOL,
            Self::Alloc(AllocError::AddressesExhausted { .. }) => "the LAN is full: add another, or a larger one",
            Self::WouldStop { .. } => {
                "if the database is an older copy, restore the newest; otherwise confirm the maze to remove with `--yes=ID`"
            }
            Self::ReapInterrupted => "`decnet reap` continues where it stopped",
            Self::NoDataFolder => "set HOME, or give a database with --db",
            Self::DataFolder { .. } => "give a database in a writable folder with --db FILE or DECNET_DB",
            Self::IsFolder { .. } => "give one file; only `decnet validate` takes a folder, and checks all files in it",
            Self::TooEarly { .. } => "give a later time; `decnet show MAZE` lists the changes of the maze",
            Self::Token(TokenError::NotFound { .. }) => "`decnet token list` lists the tokens",
            Self::Token(TokenError::Name { .. }) => "give a name of 1 to 64 bytes without control characters",
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                match source.raw_os_error() {
                    Some(_) => "a port below 1024 needs root; give another one with --listen",
                    None => "without tokens (--no-auth), listen on a loopback address",
                }
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "check the permissions of the file and its folders"
            }
            Self::AgentStore { .. } => {
                "check the disk and the permissions; a damaged file can be moved away: the master pushes its maze again"
            }
            Self::Service(_) => "`decnet services` lists the services; --catalog adds others",
            Self::NoFile { .. } => "check the path; a relative path starts in the current folder",
            Self::Unknown { .. } => "`decnet graph MAZE` lists its LANs and deckies",
            Self::Write { .. } => "check that the folder exists and is writable",
            error => return hint_of_code(error.code()),
        })
    }
}

const LARGER_POOL: &str =
    "set a larger pool with --subnet-base-prefix or smaller LANs with --lan-prefix, or tear mazes down";

fn hint_of_engine(error: &EngineError) -> Option<&'static str> {
    Some(match error {
        EngineError::Repo(error) => return hint_of_repo(error),
        EngineError::Runtime(error) => return hint_of_runtime(error),
        EngineError::Part(_) => "`decnet show MAZE` lists its deckies and their services",
        EngineError::Mutation(error) if error.is_bad_input() => {
            "`decnet mutate --help` lists the keys; `decnet schema --mutation` describes them all"
        }
        EngineError::RefusedAfterQueue { source, .. } => {
            return Some(hint_of_code(source.code()).unwrap_or("`decnet mutations MAZE` lists the queued mutations"));
        }
        EngineError::WrongStatus { status, .. } => match status {
            Status::TearingDown | Status::Degraded => {
                "`decnet deploy MAZE` finishes the teardown and deploys a fresh copy"
            }
            Status::Pending => "`decnet deploy MAZE` deploys it",
            Status::Deploying => "wait until its deploy is done; `decnet deploy MAZE` finishes an interrupted one",
            Status::TornDown | Status::Failed => "`decnet deploy MAZE` deploys it again",
            _ => "`decnet show MAZE` shows its status",
        },
        EngineError::DeployFailed { leftovers, .. } | EngineError::Interrupted { leftovers, .. }
            if !leftovers.is_empty() =>
        {
            "`decnet teardown MAZE` removes what is left"
        }
        EngineError::DeployFailed { failures, .. } => match failures.first() {
            Some(failure) => hint_of_runtime(&failure.source).unwrap_or("fix the cause and deploy again"),
            None => "another process took over; `decnet show MAZE` shows its status",
        },
        EngineError::Interrupted { .. } => "nothing of this run is left; run the command again",
        EngineError::MutationQueued { .. } => {
            "it stays queued; `decnet watch` applies it, `decnet mutations MAZE` shows its state"
        }
        EngineError::TeardownIncomplete { unseen: true, .. } => {
            "start the host or its agent, and run `decnet teardown MAZE` again; if the host never comes back, `decnet host revoke HOST` first"
        }
        EngineError::HostUnreachable { host, .. } if host == Fleet::THIS_MACHINE => {
            "start Docker on this machine (`systemctl start docker`); or deploy on the hosts that have joined, with --spread or --hosts"
        }
        EngineError::NotPlaced(refused) => hosts::hint_of_place(refused.faults.first()),
        EngineError::Generate(GenerateError::Subnets { .. }) => LARGER_POOL,
        EngineError::Generate(GenerateError::Addresses { .. }) => {
            "give larger LANs with --lan-prefix, or fewer deckies"
        }
        EngineError::Resolve(ResolveError::Subnets { .. }) => "write subnets into the file, or tear mazes down",
        EngineError::Resolve(ResolveError::Addresses { .. }) => {
            "give the LAN a larger subnet, or remove deckies from it"
        }
        error => return hint_of_code(error.code()),
    })
}

impl Unmoved {
    /// Returns a hint about what to do with the maze.
    pub(crate) fn hint(&self) -> Option<String> {
        self.error.hint().map(|hint| hint.replace("MAZE", &self.maze))
    }
}

fn hint_of_repo(error: &RepoError) -> Option<&'static str> {
    Some(match error {
        RepoError::NotEditable { .. } => {
            "a maze can be changed while it is pending, active or degraded, and not being torn down"
        }
        RepoError::NotDeletable { .. } => "`decnet teardown MAZE` tears it down, then `decnet delete MAZE` deletes it",
        RepoError::FolderMissing { .. } => "create the folder, or give another database with --db",
        RepoError::NotAStore { path, .. } if path.to_string_lossy().starts_with("postgres://") => {
            "the database was not changed; give another one, or an empty one, with --db or DECNET_DB"
        }
        RepoError::IsFolder { .. } | RepoError::NotAStore { .. } => {
            "the file was not changed; give another database with --db or DECNET_DB"
        }
        RepoError::Open { .. } => "check the path and its permissions; --db selects another database",
        error => return hint_of_code(error.code()),
    })
}

fn hint_of_runtime(error: &RuntimeError) -> Option<&'static str> {
    match error {
        RuntimeError::TimedOut { answers: false, .. } => Some(
            "the daemon does not answer a ping: check it with `docker version`, and restart it; --timeout waits longer, up to 10 s",
        ),
        error if error.is_denied() => Some(
            "run the command as root (`sudo`), or join the group (`sudo usermod -aG docker $USER`) and log in again",
        ),
        error => hint_of_code(error.code()),
    }
}

/// Returns whether a file itself is right, and only this machine is in the way of its maze.
fn is_about_the_machine(findings: &[Finding]) -> bool {
    let mut errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let first = errors.next().map(|finding| finding.code);
    let is_ours = |code| {
        matches!(
            code,
            Code::HostPortTaken | Code::SubnetHostOverlap | Code::ImageUnavailable
        )
    };
    first.is_some_and(is_ours) && errors.all(|finding| is_ours(finding.code))
}

fn hint_of_finding(finding: Option<&Finding>) -> &'static str {
    match finding.map(|finding| finding.code) {
        Some(Code::SubnetSpecial) => "move the LANs to private subnets (`decnet next-subnet` prints one)",
        Some(Code::ImageUnavailable) => {
            "check the name or the folder in the catalogue, and that the daemon of each host can reach the registry"
        }
        Some(Code::HostPortTaken) => "stop the process that listens there, or publish another port: --publish ssh=2222",
        Some(Code::SubnetHostOverlap | Code::SubnetOverlap) => {
            "move the LANs to other subnets (`decnet next-subnet` prints one), or remove the conflicting network or route"
        }
        _ => "fix the maze and apply it again",
    }
}

/// Returns the hint for the stable code of an error.
fn hint_of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "ADDRESS_POOL_EXHAUSTED" => "the LAN is full: add another, or remove deckies from it",
        "FORCE_REQUIRED" => "--force allows the running container to be recreated, and --plan shows the steps first",
        "UNKNOWN_DECKY" | "UNKNOWN_LAN" => "`decnet graph MAZE` lists its LANs and deckies",
        "SUBNET_POOL_EXHAUSTED" => "choose one in another range with --subnet; `decnet next-subnet` prints a free one",
        "SUBNET_SPECIAL" => "use a private range: 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        "address_in_use" => "another program listens there; give another address with --listen",
        "agent_mode" => {
            "`decnet host list` shows the hosts; `decnet host enroll HOST` lets a machine join under the name of one that was lost"
        }
        "ambiguous" => "give more characters of the id",
        "built_in" | "no_own_image" => {
            "`decnet exec MAZE DECKY` lists what can be run; `decnet logs MAZE` prints what visitors sent"
        }
        "degraded" => "start the host, or revoke it; then run `decnet reconcile MAZE`",
        "bus" => "give another socket with --bus, in a writable folder",
        "bus_in_use" => "one bus is enough; `decnet events` follows it",
        "busy" => "wait until it is done; the lease of a dead process expires, and `decnet db unlock MAZE` breaks it",
        "destination_exists" => "--force replaces files that exist; or give another destination",
        "destructive" => "`decnet plan MAZE` shows the steps; --force allows them",
        "differs" => {
            "`decnet deploy -f FILE` changes the running maze to match the file; or give the file another name with --name"
        }
        "disk_full" => {
            "free some space and try again; nothing was lost, and `list`, `show`, `plan`, `teardown` and `reap` still work"
        }
        "docker_timeout" => "the daemon is overloaded or stuck; --timeout waits longer",
        "docker_too_old" => "update Docker to 20.10 or newer",
        "docker_unreachable" => {
            "start Docker (`systemctl start docker`), check that you may use its socket, or name it with --host or DOCKER_HOST"
        }
        "foreign" => "rename the maze, or remove the other resource by hand; decnet never touches resources of others",
        "image_unavailable" => "check the name in the catalogue, and that the registry can be reached",
        "in_memory" => "a program of the image can print it: `decnet exec MAZE DECKY.SERVICE -- cat FILE > COPY`",
        "in_use" => {
            "tear them down first; --force removes the database and leaves running mazes to `decnet reap --instance`"
        }
        "invalid_catalog" => "fix the file given by --catalog; `decnet services --json` shows examples of entries",
        "invalid_ca" => "give a PEM file with the certificate of the authority: --ca FILE",
        "invalid_nats_url" => "give nats://host:4222 or tls://host:4222 with --bus, or with credentials in DECNET_BUS",
        "invalid_config" => "fix the config or the flags; `decnet generate --help` lists the allowed values",
        "left_on_docker" => "`decnet teardown MAZE` removes it",
        "name_taken" => {
            "choose another name, or remove the other maze first: `decnet teardown` if it runs, `decnet delete` if it does not"
        }
        "bus_on_server" => "it needs no `decnet bus`; `decnet events` follows it",
        "not_capturable" => "run decnet as root on the machine of the daemon, or run that command there",
        "not_running" => "`decnet restart MAZE DECKY` starts it; `decnet show MAZE` shows the state of all deckies",
        "several_own_images" => "name one of them",
        "tokens_damaged" => {
            "restore the file from a backup, or remove it and make new tokens with `decnet token create`"
        }
        "tokens_foreign" => "run it as that user, or make the file your own with `chown`",
        "tokens_exposed" => "remove the permission with `chmod 600`, and check the tokens with `decnet token list`",
        "too_large" => "--max-size and --max-files allow more",
        "not_well" => {
            "`decnet logs MAZE` prints what its services say; `decnet reconcile MAZE` repairs what drifted, and --wait waits longer"
        }
        "no_decoy" => "give a decoy program with --decoy FILE",
        "port_taken" => "stop the process that listens there, or publish another port: --publish ssh=2222",
        "publish_maps_nothing" => "`decnet graph`, with the maze or its file, shows the gateways and their services",
        "queue_not_empty" => {
            "`decnet watch` applies them, and `decnet mutations MAZE` lists them; try again when they are finished"
        }
        "reap_incomplete" => "run it again; `decnet doctor` shows the state of Docker",
        "status_conflict" | "version_conflict" => "another process changed it first; check it and try again",
        "subnet_claimed" => "choose another subnet (`decnet next-subnet` prints one), or tear the other maze down",
        "subnet_taken" => "`decnet doctor` lists networks; choose another subnet (`decnet next-subnet`)",
        "teardown_incomplete" => "run `decnet teardown MAZE` again to continue",
        "teardown_unrecorded" => {
            "free some space or make the database writable, then run `decnet teardown MAZE` again to record it; until then `decnet watch` would deploy the maze again"
        }
        "target_rejected" => {
            "check the address and the --header; the lines stay in the logs, and with --cursor-file the next start sends them again"
        }
        "target_unavailable" => {
            "check the address and the server; with --follow or a longer --retry-for the command waits for it"
        }
        "uncontained" => {
            "load nf_tables on the machine with the daemon (`modprobe nf_tables`); without it a gateway would let packets out"
        }
        "unconfirmed" => "--yes confirms it",
        "untrusted_certificate" => {
            "give the authority of its certificate with --ca FILE, and the host as the certificate names it"
        }
        code => return hosts::hint(code).or_else(|| hint_of_database(code)),
    })
}

/// Returns the hint for the stable code of an error of the database.
fn hint_of_database(code: &str) -> Option<&'static str> {
    Some(match code {
        "database_address" => {
            "write it as postgres://user:password@host:port/database?sslmode=verify-full; DECNET_DB keeps the password out of the list of processes"
        }
        "database_damaged" => {
            "restore the newest backup, then check `decnet reap --dry-run` before you reap: the backup does not know later deploys. Without a backup, `decnet db reset --force --yes`; `decnet doctor` lists the resources that it leaves on Docker"
        }
        "database_empty" => {
            "if it held mazes, restore the newest backup, then check `decnet reap --dry-run` before you reap; if not, `decnet db reset --force --yes` removes it"
        }
        "database_locked" => {
            "wait for the other process: it may migrate the database. `fuser` lists the processes that have a file open, and `pg_stat_activity` the sessions on a server"
        }
        "database_on_server" => {
            "tear its mazes down, then remove the database with PostgreSQL's own tools: `dropdb`, or DROP SCHEMA in psql"
        }
        "database_outcome_unknown" => {
            "check that the server runs, and the maze with `decnet show`, before you repeat the command"
        }
        "database_read_only" => "make the file and its folder writable, or give another database with --db",
        "database_refused" => {
            "check the user, the password, the database and the sslmode in --db; the server's log says more"
        }
        "database_too_new" => "update decnet, or give another database with --db",
        "database_unreachable" => {
            "check that the server runs, and that host and port in --db are right; mazes that run are not affected"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::hint_of_code;

    #[test]
    fn every_code_about_hosts_has_a_hint() {
        let page = include_str!("../../../docs/hosts.md");
        let (_, table) = page
            .split_once("| code | meaning | what to do |")
            .expect("a table of codes");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let codes: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert!(codes.len() > 30, "{codes:?}");
        for code in codes {
            assert!(hint_of_code(code).is_some(), "{code} has no hint");
        }
    }
}
