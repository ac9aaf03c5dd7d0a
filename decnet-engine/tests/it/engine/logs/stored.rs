//! Visits that are kept in the store.

use decnet_engine::{LogWriter, LogWriterOptions, StoredLogs};
use decnet_topology::{RepoError, Visit};

use super::*;

impl Lab {
    /// Writes items to the store.
    async fn keep(&self, items: &[LogItem], keep: usize) {
        let options = LogWriterOptions::default().batch(2, std::time::Duration::from_hours(1));
        let mut writer = LogWriter::store(Arc::clone(self.engine.repo()), keep, &options);
        for item in items {
            writer.put(item).await.expect("it is stored");
        }
        assert_eq!(writer.is_flushed(), items.len().is_multiple_of(2));
        writer.close().await.expect("they are stored");
    }

    async fn stored_visits(&self, options: LogOptions) -> Vec<LogItem> {
        all(self.engine.stored_logs(options).await.expect("the topology exists")).await
    }
}

async fn all(mut logs: StoredLogs) -> Vec<LogItem> {
    let mut items = Vec::new();
    while let Some(item) = logs.next().await {
        items.push(item.expect("an item"));
    }
    items
}

#[tokio::test]
async fn stored_visits_outlive_their_containers_and_are_deleted_with_their_topology() {
    let (lab, id) = Lab::with_maze().await;
    lab.print("web.http", &line("request", 1, "192.0.2.7", 80));
    lab.print("files.smb", "a line of another program");
    lab.print("web.http", &line("request", 2, "10.90.1.11", 80));
    let (items, _) = lab.read(LogOptions::default()).await;
    assert_eq!(items.len(), 3);
    for _ in 0..2 {
        lab.keep(&items, 1000).await;
    }
    lab.teardown(id).await.expect("torn down");
    assert_eq!(lab.read(LogOptions::default()).await.0, [], "the containers are gone");
    let none = LogOptions::default;
    assert_eq!(lab.stored_visits(none()).await, items, "each line is stored once");
    for (options, expected) in [
        (none().topology(id), &items[..]),
        (none().decky("files".parse().ok()), &items[1..2]),
        (none().service(ServiceName::new("smb")), &items[1..2]),
        (none().since(entry(&items[1]).at), &items[1..]),
        (none().mute("192.0.2.0/24:80".parse()), &items[1..]),
    ] {
        assert_eq!(lab.stored_visits(options.clone()).await, expected, "{options:?}");
    }
    lab.keep(&items, 2).await;
    assert_eq!(lab.stored_visits(none()).await, &items[1..], "the oldest is removed");

    lab.engine.delete(id, None).await.expect("deleted");
    assert_eq!(lab.stored_visits(none()).await, []);
    lab.keep(&items, 1000).await;
    assert_eq!(lab.stored_visits(none()).await, [], "its topology is not in the store");
    let refused = lab.engine.stored_logs(none().topology(id)).await;
    assert_eq!(refused.expect_err("no such topology").code(), "not_found");
}

#[tokio::test]
async fn many_visits_are_read_in_pages() {
    let (lab, _) = Lab::with_maze().await;
    for number in 1..=1100 {
        lab.print("web.http", &line("request", number, "192.0.2.7", 80));
    }
    let (items, _) = lab.read(LogOptions::default()).await;
    lab.keep(&items, 10_000).await;
    assert_eq!(
        sequences(&lab.stored_visits(LogOptions::default()).await),
        sequences(&items)
    );
}

#[tokio::test]
async fn a_visit_that_is_not_an_entry_is_an_error_and_does_not_hide_others() {
    let (lab, id) = Lab::with_maze().await;
    let damaged = Visit::new(
        id,
        "x",
        jiff::Timestamp::UNIX_EPOCH,
        "web".parse().expect("a name"),
        "{}",
    );
    let stored = lab.engine.repo().put_visits(vec![damaged], 10).await;
    assert_eq!(stored.expect("stored"), 1);
    let mut logs = lab.engine.stored_logs(LogOptions::default()).await.expect("opened");
    let error = logs.next().await.expect("an item").expect_err("not an entry");
    assert!(
        matches!(&error, EngineError::Repo(RepoError::Corrupt { what }) if what.contains("`x`")),
        "{error:?}"
    );
    lab.print("web.http", &line("session.open", 1, "192.0.2.7", 80));
    lab.keep(&lab.read(LogOptions::default()).await.0, 10).await;
    let mut logs = lab.engine.stored_logs(LogOptions::default()).await.expect("opened");
    logs.next().await.expect("an item").expect_err("not an entry");
    let next = logs.next().await.expect("an item").expect("an entry");
    assert_eq!(record(&next).event.sequence, 1);
    assert!(logs.next().await.is_none());
    let found = lab.engine.stored_paths(LogOptions::default()).await.expect("paths");
    assert_eq!(found.paths.len(), 1);
}

#[tokio::test]
async fn an_object_that_is_nested_deeply_can_be_read_back() {
    let (lab, _) = Lab::with_maze().await;
    let depths = 100..140;
    for depth in depths.clone() {
        lab.print(
            "files.smb",
            &format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)),
        );
    }
    let (items, _) = lab.read(LogOptions::default()).await;
    assert!(
        matches!(entry(&items[0]).content, LogContent::Json { .. }),
        "{:?}",
        items[0]
    );
    lab.keep(&items, 1000).await;
    let stored = lab.stored_visits(LogOptions::default()).await;
    assert_eq!((stored.len(), &stored[0]), (depths.len(), &items[0]));
    assert!(
        stored
            .iter()
            .zip(&items)
            .all(|(stored, item)| entry(stored).id == entry(item).id)
    );
}
