//! Texts that PostgreSQL stores in another form.

use decnet_topology::{ServiceName, TopologyStore, Visit, VisitFilter, VisitStore as _};
use jiff::Timestamp;

use super::{database, open, small, store_corp};

#[tokio::test]
async fn a_null_character_is_kept() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let at = Timestamp::UNIX_EPOCH;
    let id = store_corp(&repo).await;
    let decky = "web".parse().expect("a name");
    let visit = Visit::new(id, "a\0b", at, decky, "line \0 of \u{fdd0}0 log").service(Some(ServiceName::new("\0")));
    repo.put_visits(vec![visit.clone()], 10).await.expect("stored");
    repo.put_visits(vec![visit.clone()], 10).await.expect("stored already");
    let found = repo.visits(&VisitFilter::default()).await.expect("visits");
    assert_eq!(found, [visit]);
}

#[tokio::test]
async fn names_are_compared_without_case_in_a_database_of_another_locale_too() {
    let Some(database) = database() else { return };
    let repo = open(&database).await;
    let at = Timestamp::UNIX_EPOCH;
    repo.create(small("Ärger İ", "10.0.0.0/24"), at).await.expect("stored");
    let refusal = repo
        .create(small("ÄRGER İ", "10.1.0.0/24"), at)
        .await
        .expect_err("it is taken");
    assert_eq!(refusal.code(), "name_taken", "{refusal:?}");
}
