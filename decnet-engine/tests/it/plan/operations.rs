//! Each op of a mutation: its steps, and that it touches nothing else.

use decnet_engine::{Action, ContainerName, OnFailure, RuntimeError, simulated::Moment};

use super::{Ground, Sketch, lives};

/// An op: its change of the maze, and the steps of the plan.
pub(super) struct Operation {
    pub(super) what: &'static str,
    pub(super) change: fn(&mut Sketch),
    steps: &'static [&'static str],
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        what: "a LAN is added",
        change: |maze| {
            maze.lans.insert("attic", "10.95.3.0/24");
        },
        steps: &["create network attic 10.95.3.0/24 (missing)"],
    },
    Operation {
        what: "a decky is added",
        change: |maze| {
            maze.put("new", &[("lab", "10.95.2.9")], &["http", "smb"], false);
        },
        steps: &[
            "ensure image decoy:test (needed by a new container)",
            "create base new 10.95.2.9 (missing)",
            "create service new.http (missing)",
            "create service new.smb (missing)",
        ],
    },
    Operation {
        what: "a LAN is added with a router to it",
        change: |maze| {
            maze.lans.insert("attic", "10.95.3.0/24");
            maze.put("stairs", &[("attic", "10.95.3.2"), ("lab", "10.95.2.9")], &[], true);
        },
        steps: &[
            "ensure image decoy:test (needed by a new container)",
            "create network attic 10.95.3.0/24 (missing)",
            "create base stairs 10.95.3.2 10.95.2.9 (missing)",
            "set routes of gate: 1 route, forwarding on (the state differs)",
            "set routes of hop: 2 routes, forwarding on (the state differs)",
            "set routes of files: 2 routes, forwarding off (the state differs)",
            "set routes of lone: 2 routes, forwarding off (the state differs)",
            "set routes of mute: 2 routes, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a router gains a LAN",
        change: |maze| {
            maze.lans.insert("attic", "10.95.3.0/24");
            maze.figure("hop").on.push(("attic", "10.95.3.2"));
        },
        steps: &[
            "create network attic 10.95.3.0/24 (missing)",
            "connect hop to attic 10.95.3.2 (missing)",
            "set routes of gate: 1 route, forwarding on (the state differs)",
            "set routes of hop: 1 route, forwarding on (the state differs)",
            "set routes of files: 2 routes, forwarding off (the state differs)",
            "set routes of lone: 2 routes, forwarding off (the state differs)",
            "set routes of mute: 2 routes, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a decky that does not forward is attached",
        change: |maze| {
            maze.figure("lone").on.push(("office", "10.95.1.9"));
        },
        steps: &[
            "set routes of lone: 0 routes, forwarding off (interfaces changed)",
            "connect lone to office 10.95.1.9 (missing)",
            "set routes of lone: 1 route, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a decky that does not forward is detached",
        change: |maze| {
            maze.figure("mute").on.pop();
        },
        steps: &[
            "disconnect mute from office (not in the maze)",
            "set routes of mute: 1 route, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a router is detached",
        change: |maze| {
            maze.figure("hop").on.pop();
        },
        steps: &[
            "disconnect hop from lab (not in the maze)",
            "set routes of gate: 0 routes, forwarding on (the state differs)",
            "set routes of files: 1 route, forwarding off (the state differs)",
            "set routes of hop: 1 route, forwarding off (the state differs)",
            "set routes of lone: 0 routes, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a LAN is removed with the memberships of deckies that stay",
        change: |maze| {
            maze.lans.remove("lab");
            maze.deckies.remove("lone");
            maze.deckies.remove("mute");
            maze.figure("hop").on.pop();
        },
        steps: &[
            "remove container lone.http (not in the maze)",
            "remove container mute.smb (not in the maze)",
            "remove container lone (not in the maze)",
            "remove container mute (not in the maze)",
            "disconnect hop from lab (not in the maze)",
            "remove network lab (not in the maze)",
            "set routes of gate: 0 routes, forwarding on (the state differs)",
            "set routes of files: 1 route, forwarding off (the state differs)",
            "set routes of hop: 1 route, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a decky is removed",
        change: |maze| {
            maze.deckies.remove("files");
        },
        steps: &[
            "remove container files.smb (not in the maze)",
            "remove container files.ssh (not in the maze)",
            "remove container files (not in the maze)",
        ],
    },
    Operation {
        what: "a router is removed",
        change: |maze| {
            maze.deckies.remove("hop");
        },
        steps: &[
            "remove container hop.ssh (not in the maze)",
            "remove container hop (not in the maze)",
            "set routes of gate: 0 routes, forwarding on (the state differs)",
            "set routes of files: 1 route, forwarding off (the state differs)",
            "set routes of lone: 0 routes, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a service is added",
        change: |maze| maze.figure("files").runs.push("http"),
        steps: &[
            "ensure image decoy:test (needed by a new container)",
            "create service files.http (missing)",
        ],
    },
    Operation {
        what: "a service is dropped",
        change: |maze| maze.figure("files").runs = vec!["smb"],
        steps: &["remove container files.ssh (not in the maze)"],
    },
    Operation {
        what: "a service is configured",
        change: |maze| maze.figure("files").banner = Some(("ssh", "SSH-2.0-other")),
        steps: &[
            "remove container files.ssh (created with another version of the maze, decnet or Docker)",
            "ensure image decoy:test (needed by a new container)",
            "create service files.ssh (created with another version of the maze, decnet or Docker)",
        ],
    },
    Operation {
        what: "a router stops forwarding",
        change: |maze| maze.figure("hop").forwards = false,
        steps: &[
            "set routes of gate: 0 routes, forwarding on (the state differs)",
            "set routes of files: 1 route, forwarding off (the state differs)",
            "set routes of hop: 1 route, forwarding off (the state differs)",
            "set routes of lone: 0 routes, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a bridge decky becomes a router",
        change: |maze| {
            maze.figure("hop").forwards = false;
            maze.figure("mute").forwards = true;
        },
        steps: &[
            "set routes of gate: 1 route, forwarding on (the state differs)",
            "set routes of mute: 1 route, forwarding on (the state differs)",
            "set routes of files: 2 routes, forwarding off (the state differs)",
            "set routes of hop: 1 route, forwarding off (the state differs)",
            "set routes of lone: 1 route, forwarding off (the state differs)",
        ],
    },
    Operation {
        what: "a gateway runs another service",
        change: |maze| maze.figure("gate").runs.push("ssh"),
        steps: &[
            "remove container gate.http (base recreated)",
            "remove container gate (destructive, created with another version of the maze, decnet or Docker)",
            "ensure image decoy:test (needed by a new container)",
            "create base gate 10.95.0.2 10.95.1.2 publish 22:22 publish 80:80 (created with another version of the maze, decnet or Docker)",
            "create service gate.http (base recreated)",
            "create service gate.ssh (missing)",
        ],
    },
    Operation {
        what: "a gateway's service is configured",
        change: |maze| maze.figure("gate").banner = Some(("http", "HTTP/1.0 200 OK")),
        steps: &[
            "remove container gate.http (created with another version of the maze, decnet or Docker)",
            "ensure image decoy:test (needed by a new container)",
            "create service gate.http (created with another version of the maze, decnet or Docker)",
        ],
    },
    Operation {
        what: "a change without an effect on Docker",
        change: |_| {},
        steps: &[],
    },
];

fn refused() -> RuntimeError {
    RuntimeError::Refused {
        reason: "ordered".into(),
    }
}

/// Returns the container that an action creates, starts or removes.
fn affected(action: &Action) -> Option<&ContainerName> {
    match action {
        Action::CreateBase { base } => Some(&base.name),
        Action::CreateService { service } => Some(&service.name),
        Action::RemoveContainer { container, .. } | Action::Restart { container, .. } => Some(container),
        _ => None,
    }
}

#[tokio::test]
async fn each_op_takes_these_steps_and_touches_nothing_else() {
    for Operation { what, change, steps } in OPERATIONS {
        let mut maze = Sketch::new();
        let ground = Ground::with(maze.build()).await;
        change(&mut maze);
        let plan = ground.plan(maze.build()).await;
        assert_eq!(ground.short_steps(&plan), *steps, "{what}");
        let forced = steps.iter().any(|step| step.contains("(destructive, "));
        assert_eq!(
            plan.require_no_destruction(&|_| false).is_err(),
            forced,
            "{what}: force"
        );

        let before = lives(&ground.docker.world());
        let execution = ground.run(&plan, OnFailure::SkipDependents).await;
        assert!(execution.is_complete(), "{what}: {:?}", execution.failures);
        assert_eq!(
            ground.short_steps(&ground.plan(maze.build()).await),
            [""; 0],
            "{what}: no drift"
        );
        let mut after = lives(&ground.docker.world());
        for (name, life) in before {
            let touched = plan.steps().iter().any(|step| affected(&step.action) == Some(&name));
            if !touched {
                assert_eq!(after.remove(&name), Some(life), "{what}: {name} lives on");
            }
        }
    }
}

#[tokio::test]
async fn the_routes_of_the_two_mazes_match_a_check_inside() {
    for Operation { what, change, .. } in OPERATIONS {
        let mut maze = Sketch::new();
        let ground = Ground::with(maze.build()).await;
        let before = ground.desired(maze.build());
        change(&mut maze);
        let after = ground.desired(maze.build());
        let found = ground.observe_and_check(&after).await;
        let found: Vec<_> = found
            .containers
            .iter()
            .filter(|container| container.deviates.is_some())
            .collect();
        let known: Vec<_> = after.states_changed_since(&before).collect();
        assert_eq!(
            found.iter().map(|container| &container.name).collect::<Vec<_>>(),
            known,
            "{what}"
        );
    }
}

#[tokio::test]
async fn the_next_plan_finishes_an_op_that_failed_or_was_interrupted_at_any_step() {
    for Operation { what, change, steps } in OPERATIONS {
        for step in 1..=steps.len() {
            let moments = [Moment::Before, Moment::Half, Moment::After];
            let cut = (moments[step % 3], true);
            for (moment, cut_off) in moments.map(|moment| (moment, false)).into_iter().chain([cut]) {
                let context = format!("{what}: step {step}, {moment:?}, cut off: {cut_off}");
                let mut maze = Sketch::new();
                let ground = Ground::with(maze.build()).await;
                let before = lives(&ground.docker.world());
                change(&mut maze);
                let plan = ground.plan(maze.build()).await;
                if cut_off {
                    ground.docker.cut_off(step, moment);
                } else {
                    ground.docker.fail(step, moment, refused());
                }
                let execution = ground.run(&plan, OnFailure::SkipDependents).await;
                assert!(!execution.is_complete(), "{context}");
                ground.docker.reconnect();
                let repair = ground.plan(maze.build()).await;
                let execution = ground.run(&repair, OnFailure::SkipDependents).await;
                assert!(execution.is_complete(), "{context}: {:?}", execution.failures);
                assert_eq!(
                    ground.short_steps(&ground.plan(maze.build()).await),
                    [""; 0],
                    "{context}"
                );
                let mut after = lives(&ground.docker.world());
                for (name, life) in before {
                    if !plan.steps().iter().any(|step| affected(&step.action) == Some(&name)) {
                        assert_eq!(after.remove(&name), Some(life), "{context}: {name} lives on");
                    }
                }
            }
        }
    }
}
