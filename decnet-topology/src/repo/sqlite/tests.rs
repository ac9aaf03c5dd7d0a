use super::*;
use crate::{Mode, repo::ListFilter};

fn new(name: &str, topology: Topology) -> NewTopology {
    NewTopology {
        name: name.parse().expect("name"),
        mode: Mode::Unihost,
        host: None,
        config: None,
        topology,
    }
}

#[tokio::test]
async fn an_id_that_shares_its_first_eight_hex_digits_with_another_is_drawn_again() {
    let repo = SqliteRepo::open_in_memory().expect("a store");
    let ids = [
        "01234567-0000-4000-8000-000000000001",
        "01234567-0000-4000-8000-000000000002",
        "89abcdef-0000-4000-8000-000000000003",
    ];
    let stored = repo.write(move |tx| {
        let mut draws = ids.iter().map(|text| text.parse().expect("id"));
        let mut draw = || draws.next().expect("three draws");
        let mut create =
            |name| topologies::create(tx, &mut draw, new(name, Topology::default()), Timestamp::UNIX_EPOCH);
        Ok([create("one")?.row.id, create("two")?.row.id])
    });
    let stored = stored.await.expect("both are stored");
    assert_eq!(stored.map(|id| id.to_string()), [ids[0], ids[2]]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let repo = SqliteRepo::open(folder.path().join("decnet.db")).expect("a store");
    let at = Timestamp::UNIX_EPOCH;
    let small = repo
        .create(new("small", Topology::default()), at)
        .await
        .expect("stored");
    let limit = |pages: i64| {
        let connection = repo.connection.lock().expect("the connection");
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .expect("the limit");
    };
    limit(1);
    let mut big = Topology::builder();
    for at in 0..1000 {
        big = big.lan(&format!("lan-{at}"), &format!("10.{}.{}.0/24", at / 250, at % 250));
    }
    let big = new("big", big.build().expect("a maze"));
    let refusal = repo.create(big.clone(), at).await.expect_err("the disk is full");
    assert!(matches!(refusal, RepoError::Full), "{refusal:?}");
    let page = repo.list(&ListFilter::default()).await.expect("the list");
    assert_eq!(page.rows, [small.row]);
    assert_eq!(repo.check().await.expect("checked"), Vec::<String>::new());
    limit(i64::from(i32::MAX));
    repo.create(big, at).await.expect("there is room again");
}
