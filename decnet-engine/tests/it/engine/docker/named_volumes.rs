//! Named volumes of services.

use super::{stand_in::StandIn, *};

/// Removes a volume when the test ends, even with a failure.
struct Kept(String);

impl Drop for Kept {
    fn drop(&mut self) {
        let removed = std::process::Command::new("docker")
            .args(["volume", "rm", &self.0])
            .output();
        assert!(
            removed.is_ok_and(|removed| removed.status.success()) || std::thread::panicking(),
            "{}",
            self.0
        );
    }
}

fn maze(net: &str) -> Topology {
    Topology::builder()
        .dmz("dmz", &format!("{net}.0/24"))
        .decky("lab", |decky| decky.on("dmz", &format!("{net}.11")).services(["pot"]))
        .build()
        .expect("a topology")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn data_in_a_volume_survives_its_container_and_only_a_kept_one_survives_its_maze() {
    let stand_in = StandIn::new();
    let volumes = "volumes = [\"data:/data\", { name = \"loot\", path = \"/loot\", keep = true }]";
    // The image has no such folders, so they belong to root.
    let catalog = stand_in.catalog(&format!(
        "{volumes}\nuser = \"0:0\"\ntmpfs = [\"/run:size=1m,uid=7,mode=0700\"]"
    ));
    on_docker_with_catalog(catalog, async |lab| {
        let id = lab.store("volumes", maze("10.203.150")).await;
        lab.deploy(id).await;
        let prefix = format!("decnet_t_{}_lab", decnet_topology::short_id(id));
        let (pot, data, loot) = (
            format!("{prefix}.pot"),
            format!("{prefix}.pot.data"),
            format!("{prefix}.pot.loot"),
        );
        let kept = Kept(loot.clone());
        let act = |what: &str, file: &str| docker(&["exec", &pot, "/intruder", what, file]);
        for folder in ["/data", "/loot"] {
            assert_eq!(act("write", &format!("{folder}/file")), "0", "{folder}");
        }
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &pot]);
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("this machine's daemon");
        let run = mounts
            .lines()
            .find(|line| line.split(' ').nth(4) == Some("/run"))
            .expect("mounted");
        assert!(
            ["size=1024k", "mode=700", "uid=7", "noexec"]
                .iter()
                .all(|option| run.contains(option)),
            "{run}"
        );

        docker(&["rm", "--force", "--volumes", &pot]);
        let reconciled = lab
            .engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("healed");
        assert_eq!((reconciled.row.status, reconciled.reason), (Status::Active, None));
        assert_eq!(act("remove", "/data/file"), "0", "the file survived");
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        assert!(plan.is_empty(), "{plan:#?}");

        let down = lab
            .engine
            .teardown(id, &CancellationToken::new())
            .await
            .expect("torn down");
        assert_eq!(down.row.status, Status::TornDown);
        let names: Vec<_> = down
            .kept_volumes
            .iter()
            .map(decnet_engine::VolumeName::as_str)
            .collect();
        assert_eq!(names, [loot.as_str()]);
        let there = docker(&["volume", "ls", "--quiet"]);
        assert!(
            there.lines().any(|name| name == loot) && !there.lines().any(|name| name == data),
            "{there}"
        );
        drop(kept);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_volume_of_a_deploy_that_was_killed_is_removed_by_the_next_teardown() {
    let stand_in = StandIn::new();
    on_docker_with_catalog(stand_in.catalog("volumes = [\"data:/data\"]"), async |lab| {
        let id = lab.store("killed", maze("10.203.151")).await;
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        let steps = plan.steps().iter().map(|step| &step.action);
        let create = steps
            .filter(|action| matches!(action, Action::CreateVolume { .. }))
            .collect::<Vec<_>>();
        let [create] = &create[..] else { panic!("{plan:#?}") };
        let instance = lab.repo.instance().await.expect("an instance");
        lab.docker.perform(instance, create).await.expect("created");
        assert_eq!(lab.observe(id).await.volumes.len(), 1);
        lab.engine
            .teardown(id, &CancellationToken::new())
            .await
            .expect("torn down");
        assert_eq!(lab.observe(id).await.volumes, []);
    })
    .await;
}
