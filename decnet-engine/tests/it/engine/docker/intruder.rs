//! An intruder who is root in a base, without capabilities or with the engine's default ones.

use std::{fs, os::fd::OwnedFd, process::Command, thread, time::Duration};

use decnet_decoy::protocol::{KEEPER, PORTS_FOLDER, PORTS_SOCKET, STATE_PATH};
use decnet_engine::DecoyImage;
use decnet_topology::{Status, TopologyId};
use rustix::{
    fs::{AtFlags, Mode, OFlags, chmodat, chownat, linkat, open, openat, renameat, unlinkat},
    io::Errno,
    thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_uid},
};
use tokio_util::sync::CancellationToken;

use super::{
    Lab, docker, on_docker,
    verifying::{base_of, deploy, three, verify},
};

/// The default capabilities of engines.
const BY_DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW);

/// An intruder in the namespaces of a base.
struct Intruder {
    /// The base's root with its mounts.
    root: OwnedFd,
    /// `/proc/1` in the base.
    init: OwnedFd,
}

/// Acts with some capabilities on a separate thread, because a thread cannot regain capabilities.
fn as_intruder<T: Send>(base: &str, capabilities: CapabilitySet, act: impl FnOnce(&Intruder) -> T + Send) -> T {
    let process = format!("/proc/{}", pid_of(base));
    let folder = |path: String| open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("a folder");
    let intruder = Intruder {
        root: folder(format!("{process}/root")),
        init: folder(process),
    };
    let acting = || {
        let sets = CapabilitySets {
            effective: capabilities,
            permitted: capabilities,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets).expect("fewer capabilities");
        act(&intruder)
    };
    thread::scope(|scope| scope.spawn(acting).join().expect("it acted"))
}

fn pid_of(base: &str) -> u32 {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", base]);
    pid.trim().parse().expect("a process")
}

/// Ends PID 1, like a signal or a crash, and waits until the base has restarted.
fn end(base: &str) {
    let pid = pid_of(base);
    let ended = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
    assert!(ended.expect("kill runs").success());
    for _ in 0..200 {
        thread::sleep(Duration::from_millis(50));
        if ![0, pid].contains(&pid_of(base)) {
            return;
        }
    }
    panic!("{base} did not come back");
}

async fn assert_whole(lab: &Lab, id: TopologyId) {
    // A service that restarted with its base must run for a while before it counts as healthy.
    let mut deviations = Vec::new();
    for _ in 0..20 {
        deviations = verify(lab, id).await.deviations;
        if deviations.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(deviations, []);
    let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
    assert!(plan.is_empty(), "{plan:#?}");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Active);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn root_in_a_base_cannot_change_its_containment() {
    on_docker(async |lab| {
        let topology = three("10.203.7");
        let id = deploy(lab, &topology, "ssh=127.0.0.1:20327").await;
        let gate = base_of(id, &topology, "gate");
        // A state that was set while the base ran, so that it has a file.
        let shown = docker(&["exec", &gate, DecoyImage::PROGRAM_PATH, "state", "show"]);
        let keeper = KEEPER.to_string();
        docker(&[
            "exec",
            "--user",
            &keeper,
            &gate,
            DecoyImage::PROGRAM_PATH,
            "state",
            "keep",
            &shown,
        ]);

        let (state, program) = (
            STATE_PATH.trim_start_matches('/'),
            DecoyImage::PROGRAM_PATH.trim_start_matches('/'),
        );
        let refused: Vec<(&str, Result<(), Errno>)> = as_intruder(&gate, CapabilitySet::empty(), |intruder| {
            let root = &intruder.root;
            let mode = Mode::from_raw_mode(0o777);
            let create = OFlags::WRONLY | OFlags::CREATE;
            let new = state.replace(".json", ".new");
            let lock = state.replace(".json", ".lock");
            let keeper = rustix::fs::Uid::from_raw(KEEPER);
            vec![
                ("write the state", openat(root, state, OFlags::WRONLY, mode).map(drop)),
                ("write another state", openat(root, &*new, create, mode).map(drop)),
                ("put a state in its place", renameat(root, "etc/hosts", root, state)),
                ("remove the state", unlinkat(root, state, AtFlags::empty())),
                ("hold its lock", openat(root, &*lock, OFlags::RDONLY, mode).map(drop)),
                (
                    "own its folder",
                    chownat(root, "var/lib", Some(rustix::fs::Uid::ROOT), None, AtFlags::empty()),
                ),
                ("open its folder", chmodat(root, "var/lib", mode, AtFlags::empty())),
                (
                    "write the program",
                    openat(root, program, OFlags::WRONLY, mode).map(drop),
                ),
                (
                    "read the program",
                    openat(root, program, OFlags::RDONLY, mode).map(drop),
                ),
                ("remove the program", unlinkat(root, program, AtFlags::empty())),
                ("replace the program", renameat(root, program, root, "other")),
                ("make a file", openat(root, "file", create, mode).map(drop)),
                (
                    "trace the program",
                    openat(&intruder.init, "mem", OFlags::RDWR, mode).map(drop),
                ),
                (
                    "enter its root",
                    openat(&intruder.init, "root/var", OFlags::PATH, mode).map(drop),
                ),
                ("become the keeper", set_thread_uid(keeper)),
                (
                    "put its own socket in place of the state",
                    renameat(root, PORTS_SOCKET.trim_start_matches('/'), root, state),
                ),
                (
                    "move the folder of its socket",
                    renameat(root, PORTS_FOLDER.trim_start_matches('/'), root, "var/lib/other"),
                ),
                (
                    "link the state into that folder",
                    linkat(root, state, root, "var/lib/ports/state", AtFlags::empty())
                        .and_then(|()| openat(root, "var/lib/ports/state", OFlags::WRONLY, mode).map(drop)),
                ),
            ]
        });
        for (what, outcome) in refused {
            let errno = outcome.expect_err(what);
            assert!(
                [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::XDEV].contains(&errno),
                "{what}: {errno}"
            );
        }
        end(&gate);
        assert_whole(lab, id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_container_with_the_processes_of_a_base_cannot_enter_it() {
    on_docker(async |lab| {
        let topology = three("10.203.8");
        let id = deploy(lab, &topology, "ssh=127.0.0.1:20328").await;
        let gate = base_of(id, &topology, "gate");
        let refused = as_intruder(&gate, BY_DEFAULT, |intruder| {
            ["mem", "root/var/lib", "cwd/var/lib", "ns/net", "exe", "environ"].map(|path| {
                let opened = openat(&intruder.init, path, OFlags::RDONLY, Mode::empty());
                (path, opened.map(drop))
            })
        });
        for (path, outcome) in refused {
            assert!(
                matches!(outcome, Err(Errno::ACCESS | Errno::PERM)),
                "{path}: {outcome:?}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_leftover_volume_of_a_base_is_drift_and_removed_with_the_maze() {
    on_docker(async |lab| {
        let topology = three("10.203.9");
        let id = deploy(lab, &topology, "ssh=127.0.0.1:20329").await;
        let desk = base_of(id, &topology, "desk");
        let folder = |base: &str| docker(&["inspect", "--format", "{{(index .Mounts 0).Source}}", base]);
        let left = folder(&desk);
        docker(&["rm", "--force", &desk]);
        let names = || docker(&["volume", "ls", "--quiet"]);
        let name = left
            .trim()
            .trim_end_matches("/_data")
            .rsplit('/')
            .next()
            .expect("a name");
        assert!(names().contains(name));
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        let steps: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
        assert!(steps.contains(&format!("remove volume {name} (unused)")), "{steps:?}");
        lab.engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("reconciled");
        assert!(!names().contains(name));
        assert_whole(lab, id).await;

        // A teardown finds the leftover of another base.
        docker(&["rm", "--force", &desk]);
        lab.engine
            .teardown(id, &CancellationToken::new())
            .await
            .expect("torn down");
        assert!(lab.observe(id).await.is_empty());
        assert!(fs::metadata(left.trim()).is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_replaced_program_is_not_trusted_and_the_base_is_recreated_with_force() {
    on_docker(async |lab| {
        let topology = three("10.203.10");
        let id = deploy(lab, &topology, "ssh=127.0.0.1:20330").await;
        assert_eq!(verify(lab, id).await.inside_only, []);
        let desk = base_of(id, &topology, "desk");
        let layers = docker(&["inspect", "--format", "{{.GraphDriver.Data.LowerDir}}", &desk]);
        let programs = layers
            .split(':')
            .map(|layer| format!("{layer}{}", DecoyImage::PROGRAM_PATH));
        let program = programs
            .into_iter()
            .find(|path| fs::metadata(path).is_ok())
            .expect("a layer");
        let (original, other) = (format!("{program}.original"), format!("{program}.other"));
        // It behaves like the real one, so it could give any answer.
        let mut content = fs::read(&program).expect("read");
        content.push(0);
        fs::write(&other, content).expect("written");
        fs::set_permissions(&other, fs::metadata(&program).expect("read").permissions()).expect("set");
        fs::hard_link(&program, &original).expect("linked");
        fs::rename(&other, &program).expect("replaced");
        // Not a restart: that keeps the layers mounted, so the old file stays.
        docker(&["stop", "--time", "0", &desk]);
        docker(&["start", &desk]);

        let why = "its program is not the deployed one";
        let step = format!("remove container {desk} (destructive, tampered with: {why})");
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        assert!(plan.steps().iter().any(|found| found.to_string() == step), "{plan:#?}");
        let report = verify(lab, id).await;
        assert!(
            report.deviations.iter().any(|deviation| deviation.how == why),
            "{report:?}"
        );
        let gentle = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
        assert!(gentle.expect_err("it runs").to_string().contains(why));

        fs::rename(&original, &program).expect("restored");
        lab.engine
            .reconcile(id, true, &CancellationToken::new())
            .await
            .expect("recreated");
        assert_whole(lab, id).await;
    })
    .await;
}
