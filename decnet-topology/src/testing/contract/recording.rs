//! Clauses on the records of edits.

use std::sync::Arc;

use super::stage::{self, adding, second};
use crate::{
    history,
    model::Topology,
    repo::{Edit, MutationFilter, MutationRow, RecordedChange, Repo},
    status::{Intent, MutationState, MutationTrigger, Status},
    version::Version,
};

pub(super) async fn an_edit_stores_the_mutation_that_made_it(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let new = adding("lab").actor("ada".to_owned());
    let edit = Edit::new(stage::lan("10.1.0.0/24"))
        .expected(Version::FIRST)
        .mutation(new.clone());
    let edited = repo.edit(id, edit.clone(), second(5)).await.expect("it is edited");
    assert_eq!(edited.topology, edit.topology);
    let page = repo.mutations(&MutationFilter::default()).await.expect("the mutations");
    let [kept] = &page.rows[..] else { panic!("{page:?}") };
    let expected = MutationRow {
        id: kept.id,
        topology: id,
        mutation: new.mutation,
        actor: new.actor,
        trigger: MutationTrigger::Operator,
        state: MutationState::Applied,
        version: Version::new(2),
        attempts: 0,
        enqueued_at: second(5),
        begun_at: Some(second(5)),
        stored_at: Some(second(5)),
        finished_at: Some(second(5)),
        reason: None,
        claim: None,
    };
    assert_eq!(*kept, expected);
    assert!(!repo.has_unfinished(id).await.expect("it is there"));
    stage::refused(&*repo, repo.edit(id, edit, second(6))).await;
    let whole = Edit::new(stage::maze(1));
    repo.edit(id, whole, second(7)).await.expect("it is edited");
    let page = repo.mutations(&MutationFilter::default()).await.expect("the mutations");
    assert_eq!(page.total, 1, "no mutation made the last one");
}

pub(super) async fn edits_and_mutations_record_the_changes_of_deckies(repo: Arc<dyn Repo>) {
    let maze = |names: &[&str], service: &str| {
        let mut maze = Topology::builder().dmz("dmz", "10.1.0.0/24");
        for (host, name) in (10..).zip(names) {
            maze = maze.decky(name, |decky| {
                decky.on("dmz", &format!("10.1.0.{host}")).services([service])
            });
        }
        maze.build().expect("a maze")
    };
    let mazes = [
        maze(&["web"], "http"),
        maze(&["web", "mail"], "http"),
        maze(&["web", "mail"], "ssh"),
        maze(&["WEB"], "ssh"),
    ];
    let id = stage::create(&*repo, "corp", mazes[0].clone()).await.row.id;
    assert_eq!(repo.decky_changes(id, None).await.expect("none"), []);
    let by = Edit::new(mazes[1].clone()).mutation(adding("lab"));
    repo.edit(id, by, second(10)).await.expect("it is edited");
    let whole = Edit::new(mazes[2].clone());
    repo.edit(id, whole, second(11)).await.expect("it is edited");
    stage::bring_with_intent(&*repo, id, Status::Active, Some(Intent::Up)).await;
    stage::enqueue(&*repo, id, "lab").await;
    let (second_mutation, token) = stage::claim(&*repo, id, 1, 12).await;
    let kept = repo
        .store_mutation(second_mutation, token, mazes[3].clone(), second(13))
        .await;
    kept.expect("it is stored");

    let page = repo.mutations(&MutationFilter::default()).await.expect("the mutations");
    let first_mutation = page.rows[0].id;
    let mut expected = Vec::new();
    for (at, mutation, step) in [
        (10, Some(first_mutation), 0),
        (11, None, 1),
        (13, Some(second_mutation), 2),
    ] {
        let changes = history::changes(&mazes[step], &mazes[step + 1]).into_iter();
        expected.extend(changes.map(|change| RecordedChange {
            at: second(at),
            mutation,
            change,
        }));
    }
    assert_eq!(repo.decky_changes(id, None).await.expect("the changes"), expected);
    for at in 9..15 {
        let later = repo.decky_changes(id, Some(second(at))).await.expect("the changes");
        let expected: Vec<_> = expected
            .iter()
            .filter(|change| change.at > second(at))
            .cloned()
            .collect();
        assert_eq!(later, expected);
        let then = match at {
            9 => 0,
            10 => 1,
            11 | 12 => 2,
            _ => 3,
        };
        let undone = history::at(&mazes[3], later.iter().map(|recorded| &recorded.change));
        assert_eq!(undone, history::at(&mazes[then], []), "the deckies at {at}");
    }
}
