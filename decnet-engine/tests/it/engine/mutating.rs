//! Previews of mutations.

use std::sync::Arc;

use decnet_engine::{DecoyImage, Engine, EngineError, EngineOptions, NetworkName, Prepared};
use decnet_topology::{Catalog, MemoryRepo, Mutation, TopologyId, TopologyStore, short_id};

use super::{Lab, small};

fn mutation(json: &str) -> Mutation {
    Mutation::from_json(json).expect("a mutation")
}

/// Prints names without the part that all names on Docker share.
fn shorten(id: TopologyId, text: &impl ToString) -> String {
    text.to_string().replace(&format!("decnet_t_{}_", short_id(id)), "")
}

fn steps(id: TopologyId, preview: &Prepared) -> Vec<String> {
    let steps = preview.plan().steps().iter();
    steps.map(|step| shorten(id, step)).collect()
}

fn restarts(id: TopologyId, preview: &Prepared) -> Vec<String> {
    preview.restarts().iter().map(|name| shorten(id, name)).collect()
}

#[tokio::test]
async fn a_preview_shows_the_steps_and_the_restarts_and_changes_nothing() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    lab.docker.clear_log();
    let (world, stored) = (lab.docker.world(), lab.repo.load(id).await.expect("a row"));
    let cases: [(&str, &[&str], &[&str]); 5] = [
        (
            r#"{"op": "add_lan", "payload": {"name": "attic", "subnet": "10.90.9.0/24"}}"#,
            &["create network attic 10.90.9.0/24"],
            &[],
        ),
        (
            r#"{"op": "update_decky", "payload": {"decky": "files", "patch": {"service_config": {"smb": {"banner": "x"}}}}}"#,
            &[
                "remove container files.smb (spec changed: environment)",
                "ensure image",
                "create service files.smb (spec changed: environment)",
            ],
            &["files.smb"],
        ),
        (
            r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http"], "force": true}}"#,
            &[
                "remove container web.http",
                "remove container web.ssh",
                "remove container web (destructive, spec changed: publish)",
                "ensure image",
                "create base web 10.90.0.10 10.90.1.10 publish 80:80",
                "create service web.http",
            ],
            &["web", "web.http"],
        ),
        (
            r#"{"op": "remove_decky", "payload": {"decky": "files"}}"#,
            &[
                "remove container files.smb (not in the maze)",
                "remove container files (not in the maze)",
            ],
            &[],
        ),
        (
            r#"{"op": "update_lan", "payload": {"name": "office", "x": 3, "y": 4}}"#,
            &[],
            &[],
        ),
    ];
    for (json, expected, restarted) in cases {
        let preview = crate::prepared(&lab.engine, id, &mutation(json)).await.expect(json);
        let steps = steps(id, &preview);
        assert_eq!(steps.len(), expected.len(), "{json}: {steps:?}");
        for (step, expected) in steps.iter().zip(expected) {
            assert!(step.starts_with(expected), "{json}: {step}, not {expected}");
        }
        assert_eq!(restarts(id, &preview), *restarted, "{json}");
        assert_eq!(preview.refusal(), None, "{json}");
    }
    assert!(lab.docker.log().is_empty() && lab.docker.world() == world);
    assert_eq!(lab.repo.load(id).await.expect("a row"), stored);
}

#[tokio::test]
async fn a_preview_of_a_pending_maze_has_the_new_maze_and_no_steps() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let json = r#"{"op": "remove_decky", "payload": {"decky": "files"}}"#;
    let preview = crate::prepared(&lab.engine, id, &mutation(json))
        .await
        .expect("previewed");
    assert!(preview.plan().is_empty() && preview.restarts().is_empty());
    assert_eq!(preview.topology().expect("a maze").deckies().len(), 1);
    assert_eq!(lab.repo.load(id).await.expect("a row").topology, small());
}

#[tokio::test]
async fn a_preview_is_refused_for_the_same_reasons_as_its_mutation() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let without_force = r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http"]}}"#;
    let refused = crate::prepared(&lab.engine, id, &mutation(without_force)).await;
    assert!(
        matches!(&refused, Err(EngineError::Mutation(error)) if error.code() == "FORCE_REQUIRED"),
        "{refused:?}"
    );
    lab.teardown(id).await.expect("torn down");
    let add = r#"{"op": "add_lan", "payload": {"name": "attic"}}"#;
    let refused = crate::prepared(&lab.engine, id, &mutation(add)).await;
    assert!(
        matches!(refused, Err(EngineError::WrongStatus { verb: "changed", .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_preview_checks_the_ports_of_the_host() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let name = NetworkName::from_docker("somebody-elses");
    lab.docker.add_network(name, "10.90.9.0/24".parse().expect("a subnet"));
    let add = r#"{"op": "add_lan", "payload": {"name": "attic", "subnet": "10.90.9.0/24"}}"#;
    let refused = crate::prepared(&lab.engine, id, &mutation(add)).await;
    assert!(matches!(refused, Err(EngineError::Invalid(_))), "{refused:?}");
}

#[tokio::test]
async fn a_preview_shows_drift_and_obstacles() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let world = lab.docker.world();
    let smb = world
        .containers
        .keys()
        .find(|name| name.as_str().ends_with("files.smb"));
    assert!(lab.docker.stop(smb.expect("a service")));
    let add = mutation(r#"{"op": "add_lan", "payload": {"name": "attic", "subnet": "10.90.9.0/24"}}"#);
    let preview = crate::prepared(&lab.engine, id, &add).await.expect("previewed");
    let expected = [
        "create network attic 10.90.9.0/24 (missing)",
        "restart files.smb (not running)",
    ];
    assert_eq!(steps(id, &preview), expected);

    // Another decoy program: every base would be recreated, which the mutation does not require.
    let repo: Arc<MemoryRepo> = lab.repo.clone();
    let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"another program")));
    let upgraded = Engine::new(repo, Arc::new(lab.docker.clone()), options);
    let preview = crate::prepared(&upgraded, id, &add).await.expect("previewed");
    assert!(preview.refusal().is_some());
    assert_eq!(restarts(id, &preview).len(), 4, "all running containers");
}
