//! Clauses on visits.

use std::{net::Ipv4Addr, sync::Arc};

use super::stage::{self, second};
use crate::{
    id::TopologyId,
    name::{Name, ServiceName},
    repo::{Repo, Visit, VisitFilter},
    status::Status,
};

/// Returns a visit of a decky at a second.
fn visit(topology: TopologyId, id: &str, at: i64, decky: &str) -> Visit {
    let decky = decky.parse().expect("a name");
    Visit::new(topology, id, second(at), decky, format!("{{\"id\":\"{id}\"}}"))
}

async fn put(repo: &dyn Repo, visits: &[Visit]) -> usize {
    let put = repo.put_visits(visits.to_vec(), 1000).await;
    put.expect("they are stored")
}

/// Returns the ids of the visits that match.
async fn ids(repo: &dyn Repo, filter: VisitFilter) -> Vec<String> {
    let found = repo.visits(&filter).await.expect("the visits");
    found.into_iter().map(|visit| visit.id).collect()
}

async fn topology(repo: &dyn Repo, name: &str, octet: u8) -> TopologyId {
    stage::create(repo, name, stage::maze(octet)).await.row.id
}

pub(super) async fn a_visit_is_returned_as_stored_and_stored_once(repo: Arc<dyn Repo>) {
    let id = topology(&*repo, "corp", 1).await;
    let other = topology(&*repo, "lab", 2).await;
    let full = visit(id, "a", 1, "web")
        .service(ServiceName::new("http"))
        .source(Ipv4Addr::BROADCAST);
    let bare = visit(id, "b", 2, "Web-2");
    let all = [full, bare, visit(other, "a", 3, "web")];
    assert_eq!(put(&*repo, &all[..1]).await, 1);
    assert_eq!(put(&*repo, &all).await, 2);
    assert_eq!(put(&*repo, &all).await, 0);
    let later = visit(id, "a", 9, "db");
    assert_eq!(put(&*repo, &[later]).await, 0, "the first one stays");
    assert_eq!(put(&*repo, &[]).await, 0);
    assert_eq!(repo.visits(&VisitFilter::default()).await.expect("the visits"), all);
}

pub(super) async fn visits_are_in_order_of_time_and_filtered(repo: Arc<dyn Repo>) {
    let id = topology(&*repo, "corp", 1).await;
    let other = topology(&*repo, "lab", 2).await;
    let [one, two] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
    let ssh = || ServiceName::new("ssh");
    let web: Name = "WEB".parse().expect("a name");
    let visits = [
        visit(id, "e", 5, "db").service(ssh()).source(two),
        visit(id, "c", 3, "web"),
        visit(other, "b", 3, "web").service(ssh()),
        visit(id, "a", 1, "web").service(ServiceName::new("http")).source(one),
        visit(id, "d", 4, "web").service(ssh()).source(one),
    ];
    put(&*repo, &visits).await;
    let all = VisitFilter::default;
    for (filter, expected) in [
        (all(), "abcde"),
        (all().topology(id), "acde"),
        (all().topology(other), "b"),
        (all().decky(web), "abcd"),
        (all().service(ssh()), "bde"),
        (all().source(one), "ad"),
        (all().since(second(3)), "bcde"),
        (all().since(second(3)).topology(id).service(ssh()).source(two), "e"),
        (all().since(second(6)), ""),
        (all().limit(2), "ab"),
        (all().limit(0), ""),
    ] {
        assert_eq!(ids(&*repo, filter.clone()).await.concat(), expected, "{filter:?}");
    }
}

pub(super) async fn visits_are_read_page_by_page(repo: Arc<dyn Repo>) {
    let id = topology(&*repo, "corp", 1).await;
    let visits: Vec<Visit> = (0..25)
        .map(|at| visit(id, &format!("{at:02}"), at / 4, "web"))
        .collect();
    put(&*repo, &visits).await;
    for since in [None, Some(second(0)), Some(second(2))] {
        for topology in [None, Some(id)] {
            let filter = VisitFilter::default().since(since).topology(topology).limit(3);
            let mut read: Vec<Visit> = Vec::new();
            loop {
                let next = filter.clone().after(read.last());
                let page = repo.visits(&next).await.expect("a page");
                if page.is_empty() {
                    break;
                }
                read.extend(page);
            }
            let expected = visits.iter().filter(|visit| Some(visit.at) >= since);
            assert!(read.iter().eq(expected), "{filter:?}: {read:?}");
        }
    }
}

pub(super) async fn the_oldest_visits_of_a_topology_are_removed(repo: Arc<dyn Repo>) {
    let id = topology(&*repo, "corp", 1).await;
    let other = topology(&*repo, "lab", 2).await;
    put(&*repo, &[visit(other, "z", 0, "web")]).await;
    let visits = ["d", "a", "c", "b"].map(|name| visit(id, name, 1, "web"));
    let put = repo.put_visits(visits.to_vec(), 3).await;
    assert_eq!(put.expect("they are stored"), 4);
    let of_topology = || VisitFilter::default().topology(id);
    assert_eq!(ids(&*repo, of_topology()).await.concat(), "bcd");
    let put = repo.put_visits(vec![visit(id, "e", 2, "web")], 2).await;
    put.expect("it is stored");
    assert_eq!(ids(&*repo, of_topology()).await.concat(), "de");
    assert_eq!(ids(&*repo, VisitFilter::default()).await.concat(), "zde");
}

pub(super) async fn visits_of_an_unknown_topology_are_skipped(repo: Arc<dyn Repo>) {
    let id = topology(&*repo, "corp", 1).await;
    let unknown: TopologyId = "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id");
    let visits = [visit(unknown, "a", 1, "web"), visit(id, "b", 2, "web")];
    assert_eq!(put(&*repo, &visits).await, 1);
    assert_eq!(ids(&*repo, VisitFilter::default()).await, ["b"]);
    assert!(ids(&*repo, VisitFilter::default().topology(unknown)).await.is_empty());
}

pub(super) async fn visits_outlive_a_teardown_and_are_deleted_with_their_topology(repo: Arc<dyn Repo>) {
    let id = topology(&*repo, "corp", 1).await;
    let other = topology(&*repo, "lab", 2).await;
    put(&*repo, &[visit(id, "a", 1, "web"), visit(other, "b", 2, "web")]).await;
    stage::bring(&*repo, id, Status::TornDown).await;
    assert_eq!(ids(&*repo, VisitFilter::default()).await.concat(), "ab");
    repo.delete(id, None, second(9)).await.expect("it is deleted");
    assert_eq!(ids(&*repo, VisitFilter::default()).await.concat(), "b");
}
