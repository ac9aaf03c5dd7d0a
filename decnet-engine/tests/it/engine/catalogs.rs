//! The catalogue of a maze: what it uses of a user's catalogue is stored with it.

use std::{sync::Arc, time::Duration};

use decnet_engine::{
    ApplyOptions, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Operation, Outcome, RestartOptions,
    Submitted,
};
use decnet_topology::{
    AddDecky, Catalog, CatalogExcerpt, Code, Draft, Header, MutationState, NewMutation, Status, Topology, TopologyId,
    TopologyStore, UpdateDecky,
};
use tokio_util::sync::CancellationToken;

use super::Lab;

/// Adds `till` with its archetype, and overrides the banner of `ftp`.
fn own(banner: &str) -> Catalog {
    let text = format!(
        "[services.till]\nports = [\"9100/tcp\"]\nimage = \"till:1\"\n[services.ftp]\nbanner = \"220 {banner}\\r\\n\"\n\
         [archetypes.kiosk]\nservices = [\"till\"]\n"
    );
    Catalog::builtin().extend_from_toml(text).expect("a catalogue")
}

/// Has `till` with another port inside, to which bases redirect.
fn mapped(inside: u16) -> Catalog {
    let text = format!("[services.till]\nports = [\"9100:{inside}/tcp\"]\nimage = \"till:1\"\n");
    Catalog::builtin().extend_from_toml(text).expect("a catalogue")
}

/// Cannot run `till` on a decky.
fn gone() -> Catalog {
    let text = "[services.till]\nports = []\nsingleton = true\n";
    Catalog::builtin().extend_from_toml(text).expect("a catalogue")
}

/// A gateway with `till` and `ftp`, and a host behind it.
fn shop() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.94.0.0/24")
        .lan("office", "10.94.1.0/24")
        .decky("gate", |decky| {
            decky
                .on("dmz", "10.94.0.10")
                .on("office", "10.94.1.10")
                .services(["till", "ftp"])
                .forwards()
        })
        .decky("files", |decky| {
            decky.on("office", "10.94.1.11").services(["smb", "till"])
        })
        .build()
        .expect("a topology")
}

/// An engine on the store and the daemon of a lab, with another catalogue.
fn engine(lab: &Lab, catalog: Catalog) -> Engine {
    let options = EngineOptions::new(catalog).image(Arc::new(DecoyImage::pack(b"a program")));
    Engine::new(lab.repo.clone(), Arc::new(lab.docker.clone()), options)
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.docker.add_image("till:1");
    lab
}

async fn stored(lab: &Lab, id: TopologyId) -> Vec<String> {
    let catalog = lab.repo.get(id).await.expect("a row").catalog;
    let services = catalog.services().map(|service| service.name.to_string());
    services
        .chain(catalog.archetypes().map(|one| one.slug.clone()))
        .collect()
}

async fn deploy(engine: &Engine, id: TopologyId) {
    let cancel = CancellationToken::new();
    let deployed = engine.deploy(id, DeployOptions::default(), &cancel);
    assert_eq!(deployed.await.expect("deployed").row.status, Status::Active);
}

fn ids(lab: &Lab, with: &str) -> Vec<String> {
    let world = lab.docker.world();
    let containers = world
        .containers
        .iter()
        .filter(|(name, _)| name.as_str().ends_with(with));
    containers.map(|(_, container)| container.id.clone()).collect()
}

/// Returns the ports to which a base redirects.
fn redirects(lab: &Lab, base: &str) -> Vec<u16> {
    let world = lab.docker.world();
    let mut containers = world.containers.iter();
    let found = containers.find(|(name, _)| name.as_str().ends_with(base));
    let state = found.and_then(|(_, container)| container.state.as_ref());
    let redirects = state.expect("a state").redirects.iter();
    redirects.map(|redirect| redirect.to).collect()
}

async fn restart_gate(engine: &Engine, id: TopologyId) -> Outcome {
    let options = RestartOptions::new("gate".parse().expect("a part")).wait(Duration::from_secs(5));
    let cancel = CancellationToken::new();
    engine.restart(id, options, &cancel).await.expect("restarted")
}

fn kill(lab: &Lab, with: &str) {
    let world = lab.docker.world();
    let name = world.containers.keys().find(|name| name.as_str().ends_with(with));
    assert!(lab.docker.remove(name.expect("a container")), "{with}");
}

#[tokio::test]
async fn a_deploy_stores_what_it_uses_and_later_operations_need_no_catalogue() {
    let lab = lab();
    let id = lab.store("shop", shop()).await;
    let refused = lab.deploy(id).await.expect_err("the catalogue is missing");
    assert_eq!(refused.code(), "invalid", "{refused}");
    deploy(&engine(&lab, own("one")), id).await;
    assert_eq!(stored(&lab, id).await, ["ftp", "till"]);

    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
    kill(&lab, "gate.till");
    let healed = lab.reconcile(id).await.expect("healed");
    assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
    assert_eq!(ids(&lab, "gate.till").len(), 1);
    let report = lab
        .engine
        .verify(id, &CancellationToken::new())
        .await
        .expect("verified");
    assert_eq!(report.drift, [""; 0]);
    assert_eq!(lab.teardown(id).await.expect("torn down").row.status, Status::TornDown);
    // A copy keeps the entries.
    let copy = lab.deploy(id).await.expect("deployed").row.id;
    assert_eq!(stored(&lab, copy).await, ["ftp", "till"]);
}

#[tokio::test]
async fn the_callers_entry_wins_and_is_stored_by_the_reconcile_that_uses_it() {
    let lab = lab();
    let id = lab.store("shop", shop()).await;
    deploy(&engine(&lab, own("one")), id).await;
    let (till, ftp) = (ids(&lab, "gate.till"), ids(&lab, "gate.ftp"));
    let other = engine(&lab, own("two"));
    assert!(!crate::planned(&other, id, None).await.expect("planned").is_empty());
    assert!(
        crate::planned(&lab.engine, id, None).await.expect("planned").is_empty(),
        "a plan stores nothing"
    );
    let changed = other
        .reconcile(id, false, &CancellationToken::new())
        .await
        .expect("reconciled");
    assert_eq!((changed.row.status, changed.row.needs_resync), (Status::Active, false));
    assert_eq!(ids(&lab, "gate.till"), till);
    assert_ne!(ids(&lab, "gate.ftp"), ftp, "its banner changed");
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
}

#[tokio::test]
async fn an_applied_maze_and_its_edits_store_their_entries() {
    let lab = lab();
    let with = engine(&lab, own("one"));
    let header = Header {
        name: "shop".into(),
        ..Header::default()
    };
    let draft = Draft {
        header,
        ..Draft::from(&shop())
    };
    lab.engine
        .apply(&draft, ApplyOptions::default())
        .await
        .expect_err("the catalogue is missing");
    let id = with
        .apply(&draft, ApplyOptions::default())
        .await
        .expect("applied")
        .stored
        .row
        .id;
    assert_eq!(stored(&lab, id).await, ["ftp", "till"]);
    // The file needs no catalogue any more, and the same file with another entry stores that.
    lab.engine
        .apply(&draft, ApplyOptions::default())
        .await
        .expect("applied");
    let other = engine(&lab, own("two"));
    let again = other.apply(&draft, ApplyOptions::default()).await.expect("applied");
    let banner = |catalog: &CatalogExcerpt| {
        let ftp = catalog.services().find(|service| service.name.as_str() == "ftp");
        ftp.and_then(|ftp| ftp.banner.clone())
    };
    assert_eq!(banner(&again.stored.row.catalog).as_deref(), Some("220 two\r\n"));

    let add = AddDecky::new("kiosk".parse().expect("a name"), "office".parse().expect("a name")).archetype("kiosk");
    let submitted = with
        .submit(id, NewMutation::new(add.into()), None)
        .await
        .expect("edited");
    let Submitted::Edited(edited) = submitted else {
        panic!("the maze is pending")
    };
    assert_eq!(stored(&lab, id).await, ["ftp", "till", "kiosk"]);
    let kiosk = edited
        .topology
        .decky_named(&"kiosk".parse().expect("a name"))
        .expect("a decky");
    assert_eq!(
        kiosk.services().iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["till"]
    );
}

#[tokio::test]
async fn a_queued_mutation_brings_its_entries_for_a_worker_without_a_catalogue() {
    let lab = lab();
    let id = lab.store("plain", super::small()).await;
    lab.deploy(id).await.expect("deployed");
    let add = AddDecky::new("kiosk".parse().expect("a name"), "office".parse().expect("a name")).archetype("kiosk");
    let queued = engine(&lab, own("one"))
        .submit(id, NewMutation::new(add.into()), None)
        .await;
    assert!(matches!(queued.expect("queued"), Submitted::Enqueued(_)));
    assert_eq!(stored(&lab, id).await, ["till", "kiosk"]);
    let drained = lab.engine.drain(id, &CancellationToken::new()).await.expect("drained");
    assert_eq!(drained[0].state, MutationState::Applied, "{drained:?}");
    assert_eq!(ids(&lab, "kiosk.till").len(), 1);
}

#[tokio::test]
async fn an_unknown_service_is_left_alone_and_the_rest_is_healed() {
    let lab = lab();
    let id = lab.store("shop", shop()).await;
    let with = engine(&lab, own("one"));
    deploy(&with, id).await;
    let till = [ids(&lab, "gate.till"), ids(&lab, "files.till"), ids(&lab, "_gate")];
    let without = engine(&lab, gone());
    let cancel = CancellationToken::new();

    kill(&lab, "files.smb");
    let healed = without.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!(healed.row.status, Status::Degraded);
    let reason = healed.reason.expect("a reason");
    assert_eq!(
        reason,
        "service `till` of decky `files` is not in the catalogue, so its container is not checked or changed; reconcile the maze once \
         with the catalogue that has it (--catalog) (and 1 more)"
    );
    let unknown = healed
        .warnings
        .iter()
        .filter(|finding| finding.code == Code::UnknownService);
    assert_eq!(unknown.count(), 2);
    assert_eq!(ids(&lab, "files.smb").len(), 1, "the rest is healed");
    assert_eq!(
        [ids(&lab, "gate.till"), ids(&lab, "files.till"), ids(&lab, "_gate")],
        till
    );

    // Nothing more is done until the catalogue is back, not even if the container is gone.
    kill(&lab, "gate.till");
    let again = without.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!((again.row.status, again.changed), (Status::Degraded, 0));
    let report = without.verify(id, &cancel).await.expect("verified");
    assert_eq!(report.drift, [reason]);
    // A change of the maze would have to be checked against all rules.
    let update = UpdateDecky::new("files".parse().expect("a name")).services(["smb", "http", "till"]);
    let rejected = without
        .prepare(id, Operation::Mutate(NewMutation::new(update.into())))
        .await;
    let rejected = rejected.expect_err("unknown");
    assert!(matches!(rejected, EngineError::Mutation(_)), "{rejected}");

    let healed = with.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
    assert_eq!(ids(&lab, "gate.till").len(), 1);
    assert_eq!(lab.reconcile(id).await.expect("reconciled").row.status, Status::Active);
}

#[tokio::test]
async fn a_drain_with_another_entry_also_sets_bases_that_the_mutation_does_not_name() {
    let lab = lab();
    let id = lab.store("shop", shop()).await;
    deploy(&engine(&lab, mapped(9200)), id).await;
    let bases = ["_gate", "_files"];
    assert_eq!(bases.map(|base| redirects(&lab, base)), [[9200], [9200]]);
    let add = AddDecky::new("printer".parse().expect("a name"), "office".parse().expect("a name"));
    let queued = lab
        .engine
        .submit(id, NewMutation::new(add.services(["http"]).into()), None);
    assert!(matches!(queued.await.expect("queued"), Submitted::Enqueued(_)));
    let other = engine(&lab, mapped(9300));
    let drained = other.drain(id, &CancellationToken::new()).await.expect("drained");
    assert_eq!(drained[0].state, MutationState::Applied, "{drained:?}");
    assert_eq!(bases.map(|base| redirects(&lab, base)), [[9300], [9300]]);
    let row = lab.repo.get(id).await.expect("a row");
    assert_eq!((row.status, row.needs_resync), (Status::Active, false));
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restart_stores_the_entries_that_it_uses() {
    let lab = lab();
    let id = lab.store("shop", shop()).await;
    deploy(&engine(&lab, own("one")), id).await;
    let ftp = ids(&lab, "gate.ftp");
    let restarted = restart_gate(&engine(&lab, own("two")), id).await;
    let row = &restarted.row;
    assert_eq!((row.status, row.needs_resync), (Status::Active, false), "{restarted:?}");
    assert_ne!(ids(&lab, "gate.ftp"), ftp, "its banner changed");
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restarted_base_keeps_the_state_of_a_service_that_is_unknown() {
    let lab = lab();
    let id = lab.store("shop", shop()).await;
    let with = engine(&lab, mapped(9200));
    deploy(&with, id).await;
    let restarted = restart_gate(&engine(&lab, gone()), id).await;
    let reason = restarted.reason.expect("a reason");
    assert!(reason.contains("service `till` of decky `files`"), "{reason}");
    assert_eq!(redirects(&lab, "_gate"), [9200]);
    let healed = with
        .reconcile(id, false, &CancellationToken::new())
        .await
        .expect("reconciled");
    assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
}
