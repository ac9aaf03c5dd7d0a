//! Clauses on the list.

use std::sync::Arc;

use super::stage;
use crate::{
    model::TopologyRow,
    repo::{Repo, TopologyFilter},
    status::Status,
};

pub(super) async fn the_list_is_in_order_of_creation_and_id(repo: Arc<dyn Repo>) {
    let mut rows = Vec::new();
    for (octet, second) in (0..).zip([3, 1, 2, 1, 1, 2, 1]) {
        let new = stage::new(&format!("corp {octet}"), stage::maze(octet));
        let stored = repo.create(new, stage::second(second)).await;
        rows.push(stored.expect("it is stored").row);
    }
    rows.sort_by_key(|row| (row.created_at, row.id));
    let page = repo.list(&TopologyFilter::default()).await.expect("the list");
    assert_eq!(page.rows, rows);
    assert_eq!(page.total, rows.len());
}

async fn rows_of_three_statuses(repo: &dyn Repo) -> Vec<TopologyRow> {
    let mut rows = Vec::new();
    for (octet, status) in (0..9).zip([Status::Pending, Status::Active, Status::TornDown].iter().cycle()) {
        let new = stage::new(&format!("corp {octet}"), stage::maze(octet));
        let stored = repo.create(new, stage::second(octet.into())).await;
        let id = stored.expect("it is stored").row.id;
        stage::bring(repo, id, *status).await;
        rows.push(repo.get(id).await.expect("its row"));
    }
    rows
}

pub(super) async fn the_list_contains_only_the_requested_statuses(repo: Arc<dyn Repo>) {
    let rows = rows_of_three_statuses(&*repo).await;
    for statuses in [
        vec![],
        vec![Status::Active],
        vec![Status::TornDown, Status::Pending],
        vec![Status::Failed],
        Status::ALL.to_vec(),
    ] {
        let matching: Vec<_> = rows
            .iter()
            .filter(|row| statuses.is_empty() || statuses.contains(&row.status))
            .cloned()
            .collect();
        let filter = TopologyFilter::default().statuses(statuses);
        let page = repo.list(&filter).await.expect("the list");
        assert_eq!(page.total, matching.len(), "{filter:?}");
        assert_eq!(page.rows, matching, "{filter:?}");
    }
}

pub(super) async fn limit_and_offset_apply_to_the_list_but_not_to_the_total(repo: Arc<dyn Repo>) {
    let mut rows = rows_of_three_statuses(&*repo).await;
    rows.retain(|row| row.status != Status::Active);
    for limit in [None, Some(0), Some(1), Some(4), Some(6), Some(usize::MAX)] {
        for offset in [0, 1, 5, 6, 100, usize::MAX] {
            let filter = TopologyFilter::default()
                .statuses([Status::Pending, Status::TornDown])
                .limit(limit)
                .offset(offset);
            let page = repo.list(&filter).await.expect("the list");
            let expected: Vec<_> = rows
                .iter()
                .skip(offset)
                .take(limit.unwrap_or(usize::MAX))
                .cloned()
                .collect();
            assert_eq!(page.rows, expected, "{filter:?}");
            assert_eq!(page.total, rows.len(), "{filter:?}");
        }
    }
}
