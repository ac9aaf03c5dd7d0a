//! A store file written by a release is read unchanged.
//!
//! `tests/stores/0.1.0.db` was written by `write_a_store` below, run on the code of commit 2aef3bb (version 0.1.0), and
//! `tests/stores/0.1.0.json` has the contents that this code read from it. For a later release, run it on the code of that
//! release: `DECNET_WRITE_STORE=0.2.0 cargo nextest run --workspace --all-features a_store_written_by_a_release`.

use std::{fs, path::PathBuf};

use decnet_topology::{
    Catalog, Edit, Holder, Intent, Mode, Mutation, MutationContext, MutationFilter, MutationOutcome, MutationRow,
    NewMutation, NewTopology, Repo, SqliteRepo, Stage, Status, StatusChange, Syntax, Topology, TopologyConfig,
    TopologyFilter, TopologyId, apply, canonical_hash, document::print_topology, generate,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::wait;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn stores() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a moment")
}

fn holder(pid: u32) -> Holder {
    Holder {
        boot_id: "0c5ef8c2-5a1d-4a1e-9a34-8a3f3d2c1b0a pid:[4026531836]".into(),
        pid,
        started: u64::MAX - u64::from(pid),
        label: format!("decnet watch ({pid})"),
    }
}

fn mutation(json: &str) -> NewMutation {
    NewMutation::new(Mutation::from_json(json).expect("a mutation")).actor("ada <ada@example.org>".to_owned())
}

fn maze(octet: u8) -> Topology {
    Topology::builder()
        .dmz("DMZ", &format!("10.{octet}.0.0/24"))
        .lan("office", &format!("10.{octet}.1.0/25"))
        .decky("Web", |decky| {
            let decky = decky.on("dmz", &format!("10.{octet}.0.10")).services(["http", "ssh"]);
            decky
                .config("ssh", "banner", "grüße \"0\"\n")
                .on("office", &format!("10.{octet}.1.10"))
                .forwards()
        })
        .decky("db", |decky| {
            decky.on("office", &format!("10.{octet}.1.20")).services(["mysql"])
        })
        .build()
        .expect("a maze")
}

async fn change(repo: &dyn Repo, id: TopologyId, from: Status, to: Status, intent: Intent) {
    let change = StatusChange::new(from, to)
        .intent(intent)
        .reason(format!("{from} to {to}"));
    repo.set_status(id, change, at(20))
        .await
        .expect("a step of the status machine");
}

/// Writes mazes of several statuses, with history, settings, a lease and a queue with mutations of each state.
async fn write_a_store(repo: &dyn Repo) {
    let catalog = Catalog::builtin();
    let new = |name: &str, topology| NewTopology::new(name.parse().expect("a name"), topology);

    // Generated, edited by mutations, pending.
    let config = TopologyConfig::builder("corp", 2, 2)
        .subnet_base_prefix("10.64.0.0/16")
        .seed(7)
        .build()
        .expect("a config");
    let drawn = generate(&config, &catalog, &[]).expect("a maze");
    let corp = new("corp", drawn).config(config);
    let mut corp = repo.create(corp, at(0)).await.expect("stored");
    for (second, written) in (1..).zip([
        r#"{"op": "add_lan", "payload": {"name": "lab", "x": 1.5, "y": -0.25}}"#,
        r#"{"op": "add_decky", "payload": {"name": "probe", "services": ["ssh"], "lan": "lab"}}"#,
        r#"{"op": "remove_decky", "payload": {"decky": "probe"}}"#,
    ]) {
        let new = mutation(written);
        let topology = apply(
            &corp.topology,
            &new.mutation,
            &MutationContext::new(&catalog, Stage::Pending),
        )
        .expect("applied");
        let edit = Edit::new(topology.into_topology())
            .expected(corp.row.version)
            .mutation(new);
        corp = repo.edit(corp.row.id, edit, at(second)).await.expect("edited");
    }
    repo.set_needs_resync(corp.row.id, true, None, at(9))
        .await
        .expect("written");

    // Active, with settings, a lease and a queue.
    let lab = repo.create(new("Lab", maze(1)), at(10)).await.expect("stored").row.id;
    let settings = serde_json::from_value(json!({
        "publish": ["ssh=127.0.0.1:2222"],
        "dmz_egress": "dns-only",
    }));
    let settings = settings.expect("settings");
    repo.set_settings(lab, settings, None, at(11)).await.expect("written");
    change(repo, lab, Status::Pending, Status::Deploying, Intent::Up).await;
    change(repo, lab, Status::Deploying, Status::Active, Intent::Up).await;
    for (second, octet) in (30..).zip(30..36) {
        let new = mutation(&format!(
            r#"{{"op": "add_lan", "payload": {{"name": "lan-{octet}", "subnet": "10.1.{octet}.0/24"}}}}"#
        ));
        repo.enqueue(lab, new, None, at(second)).await.expect("enqueued");
    }
    for step in 0..4 {
        let claimed = repo
            .claim_mutation(Some(lab), &holder(7), MINUTE, None, at(40 + step))
            .await;
        let MutationRow {
            id, mutation, claim, ..
        } = claimed.expect("answered").expect("one is left");
        let token = claim.expect("claimed").token;
        if step == 0 {
            let reason = "the LAN is refused".into();
            repo.finish_mutation(id, token, MutationOutcome::Rejected { reason }, at(50))
                .await
                .expect("finished");
            continue;
        }
        let before = repo.load(lab).await.expect("stored").topology;
        let mut after = apply(&before, &mutation, &MutationContext::new(&catalog, Stage::Pending)).expect("applied");
        if step == 1 {
            let decky = mutation_of(
                r#"{"op": "update_decky", "payload": {"decky": "db", "services": ["mysql", "ftp"], "force": true}}"#,
            );
            after = apply(&after, &decky, &MutationContext::new(&catalog, Stage::Pending)).expect("applied");
        }
        repo.store_mutation(id, token, after.into_topology(), at(51 + step))
            .await
            .expect("stored");
        let outcome = match step {
            1 => MutationOutcome::Applied,
            2 => MutationOutcome::Failed {
                reason: "the daemon refused".into(),
            },
            _ => break,
        };
        repo.finish_mutation(id, token, outcome, at(60))
            .await
            .expect("finished");
    }
    repo.acquire_lease(lab, &holder(7), MINUTE, None, at(70))
        .await
        .expect("taken");

    write_old_and_new_branch(repo).await;
    repo.create(new("empty", Topology::default()), at(82))
        .await
        .expect("stored");
}

/// Writes a topology that is torn down, and a newer one with its name and subnets.
async fn write_old_and_new_branch(repo: &dyn Repo) {
    let new = |name: &str| NewTopology::new(name.parse().expect("a name"), maze(2));
    let old = repo.create(new("Branch"), at(80)).await.expect("stored").row.id;
    change(repo, old, Status::Pending, Status::TornDown, Intent::Down).await;
    let branch = new("branch").mode(Mode::Agent).host("agent-1".to_owned());
    let branch = repo.create(branch, at(81)).await.expect("stored").row.id;
    change(repo, branch, Status::Pending, Status::Deploying, Intent::Up).await;
    change(repo, branch, Status::Deploying, Status::Failed, Intent::Up).await;
}

fn mutation_of(json: &str) -> Mutation {
    mutation(json).mutation
}

/// Reads all of a store.
async fn read(repo: &dyn Repo) -> Value {
    let mut topologies = Vec::new();
    for row in repo.list(&TopologyFilter::default()).await.expect("the list").rows {
        let stored = repo.load(row.id).await.expect("a topology");
        assert_eq!(stored.row, row);
        let print = print_topology(&row, &stored.topology, Syntax::Json);
        topologies.push(json!({
            "id": row.id,
            "name": row.name,
            "mode": row.mode,
            "host": row.host,
            "status": row.status,
            "intent": row.intent,
            "version": row.version,
            "created_at": row.created_at,
            "changed_at": row.changed_at,
            "needs_resync": row.needs_resync,
            "config": row.config,
            "settings": row.settings,
            "document": serde_json::from_str::<Value>(&print).expect("a document"),
            "hash": canonical_hash(&stored.topology).to_string(),
            "events": repo.status_events(row.id).await.expect("the events"),
            "changes": repo.decky_changes(row.id, None).await.expect("the changes"),
            "lease": repo.lease(row.id, at(75)).await.expect("the lease"),
            "unfinished": repo.has_unfinished(row.id).await.expect("answered"),
        }));
    }
    json!({
        "instance": repo.instance().await.expect("the instance"),
        "claims": repo.claims(None).await.expect("the claims"),
        "mutations": repo.mutations(&MutationFilter::default()).await.expect("the mutations").rows,
        "topologies": topologies,
    })
}

/// Writes the store of this release, and what is read from it.
fn write_the_store_of(release: &str) {
    let path = stores().join(format!("{release}.db"));
    let repo = SqliteRepo::open(&path).expect("a new store");
    let content = wait(async {
        write_a_store(&repo).await;
        read(&repo).await
    });
    let content = serde_json::to_string_pretty(&content).expect("JSON") + "\n";
    fs::write(path.with_extension("json"), content).expect("written");
}

#[test]
fn a_store_written_by_a_release_is_read_unchanged() {
    if let Ok(release) = std::env::var("DECNET_WRITE_STORE") {
        write_the_store_of(&release);
    }
    let mut count = 0;
    for file in fs::read_dir(stores()).expect("the folder") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        count += 1;
        let expected = fs::read_to_string(path.with_extension("json")).expect("what the release read");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("decnet.db");
        fs::copy(&path, &copy).expect("copied");
        let repo = SqliteRepo::open(&copy).expect("a store");
        let (found, damage) = wait(async { (read(&repo).await, repo.check().await) });
        assert_eq!(found, expected, "{}", path.display());
        assert_eq!(damage.expect("checked"), Vec::<String>::new(), "{}", path.display());
    }
    assert!(count > 0, "there is a store to read");
}
