//! Clauses on the entries of a user's catalogue that are stored with a topology.

use std::sync::Arc;

use super::stage;
use crate::{
    catalog::{Catalog, CatalogExcerpt},
    name::ServiceName,
    repo::{Edit, Repo, RepoError, TopologyFilter},
    status::Status,
};

/// Returns an excerpt with a service of a banner, and an archetype that runs it.
fn entry(service: &str, banner: &str) -> CatalogExcerpt {
    let text = format!(
        "[services.{service}]\nports = [\"9000/tcp\", \"53/udp\"]\nimage = {{ build = \"/srv/{service}\" }}\nbanner = {banner:?}\n\
         fields = [{{ key = \"level\", type = \"int\", minimum = -3, default = 5 }}, {{ key = \"mode\", type = \"enum\", options = [\"a\"] }}]\n\
         limits = {{ cpus = 0.1, memory_mib = 64 }}\nuser = \"7:8\"\nseccomp = \"engine\"\ntmpfs = [\"/run\"]\ncommand = [\"a\", \"b\"]\n\
         environment = {{ KEY = \"häh? \\\"'\" }}\n[archetypes.{service}-host]\nservices = [\"{service}\"]\nos = \"windows-10\"\n"
    );
    let catalog = Catalog::builtin().extend_from_toml(&text).expect("a catalogue");
    let excerpt = catalog.excerpt(&[ServiceName::new(service)], [format!("{service}-host").as_str()]);
    assert_eq!((excerpt.services().count(), excerpt.archetypes().count()), (1, 1));
    excerpt
}

pub(super) async fn the_catalogue_of_a_topology_is_loaded_as_stored(repo: Arc<dyn Repo>) {
    let plain = stage::create(&*repo, "plain", stage::maze(2)).await;
    assert!(plain.row.catalog.is_empty());
    let new = stage::new("corp", stage::maze(1)).catalog(entry("till", "hello"));
    let stored = repo.create(new, stage::second(0)).await.expect("it is stored");
    assert_eq!(stored.row.catalog, entry("till", "hello"));
    let id = stored.row.id;
    assert_eq!(repo.load(id).await.expect("it is there"), stored);
    assert_eq!(repo.get(id).await.expect("it is there"), stored.row);
    let rows = repo.list(&TopologyFilter::default()).await.expect("the list").rows;
    assert!(rows.contains(&stored.row) && rows.contains(&plain.row));
}

pub(super) async fn an_edit_and_a_mutation_add_to_the_catalogue_or_nothing(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let edit = || Edit::new(stage::maze(1));
    let edited = repo
        .edit(id, edit().catalog(entry("till", "one")), stage::second(1))
        .await;
    assert_eq!(edited.expect("it is edited").row.catalog, entry("till", "one"));
    let stale = edit().catalog(entry("till", "two")).expected(crate::Version::FIRST);
    let refused = repo.edit(id, stale, stage::second(2)).await;
    assert!(matches!(refused, Err(RepoError::VersionConflict { .. })), "{refused:?}");
    let kept = repo.edit(id, edit(), stage::second(3)).await.expect("it is edited");
    assert_eq!(
        kept.row.catalog,
        entry("till", "one"),
        "an edit without entries keeps the stored ones"
    );

    let id = stage::run(&*repo, "live", stage::maze(3)).await.row.id;
    let adding = |lan: &str, catalog| stage::adding(lan).catalog(catalog);
    let queued = repo.enqueue(id, adding("a", entry("till", "one")), None, stage::second(2));
    queued.await.expect("it is queued");
    let both = repo.enqueue(id, adding("b", entry("gate", "two")), None, stage::second(3));
    both.await.expect("it is queued");
    let stale = repo.enqueue(
        id,
        adding("c", entry("till", "three")),
        Some(crate::Version::FIRST),
        stage::second(4),
    );
    stale.await.expect_err("another version");
    let row = repo.get(id).await.expect("it is there");
    let mut expected = entry("till", "one");
    expected.extend(entry("gate", "two"));
    assert_eq!(row.catalog, expected);
    assert!(row.needs_resync, "containers may have been created with other entries");
}

pub(super) async fn entries_are_added_under_the_lease_and_replace_those_of_their_names(repo: Arc<dyn Repo>) {
    let id = stage::run(&*repo, "corp", stage::maze(1)).await.row.id;
    let take = async |pid| {
        let holder = stage::holder(pid);
        let lease = repo.acquire_lease(id, &holder, stage::LEASE, None, stage::second(1));
        lease.await.expect("it is free").token
    };
    let lost = take(1).await;
    repo.release_lease(id, lost).await.expect("the lease is released");
    let held = take(2).await;
    let add = async |catalog, token| repo.extend_catalog(id, catalog, Some(token), stage::second(2)).await;
    let refused = add(entry("till", "one"), lost).await;
    assert!(matches!(refused, Err(RepoError::LeaseLost { .. })), "{refused:?}");
    assert!(repo.get(id).await.expect("it is there").catalog.is_empty());
    let none = add(CatalogExcerpt::default(), held).await.expect("nothing is added");
    assert!(!none.needs_resync, "nothing changed");
    add(entry("till", "one"), held).await.expect("it is added");
    let row = add(entry("till", "two"), held).await.expect("it is replaced");
    assert_eq!(
        (&row.catalog, row.needs_resync, row.status),
        (&entry("till", "two"), true, Status::Active)
    );
    assert_eq!(repo.get(id).await.expect("it is there"), row);
}
