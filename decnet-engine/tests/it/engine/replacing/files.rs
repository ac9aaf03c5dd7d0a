//! Maze files that are deployed.

use decnet_engine::{ApplyOptions, EngineError, SettingsChange};
use decnet_topology::{Draft, Header, Status, Syntax, TopologyFilter, TopologyStore, document};
use tokio_util::sync::CancellationToken;

use super::{Lab, changed, ops, yard};

/// A maze as the file of `corp`.
fn file(topology: &decnet_topology::Topology) -> Draft {
    Draft {
        header: Header {
            name: "corp".into(),
            ..Header::default()
        },
        ..Draft::from(topology)
    }
}

async fn total(lab: &Lab) -> usize {
    lab.repo.list(&TopologyFilter::default()).await.expect("listed").total
}

#[tokio::test]
async fn a_new_file_is_planned_without_being_stored_and_then_stored_and_deployed() {
    let lab = Lab::new();
    let options = ApplyOptions::default;
    let prepared = lab
        .engine
        .prepare_file(&file(&yard()), options())
        .await
        .expect("planned");
    assert!(prepared.mutations().is_empty() && !prepared.plan().is_empty());
    assert_eq!(total(&lab).await, 0);
    assert!(lab.docker.log().is_empty());
    let never = CancellationToken::new();
    let outcome = prepared.execute(&never).await.expect("deployed");
    assert_eq!((outcome.row.id, outcome.row.status), (prepared.id(), Status::Active));
    lab.assert_matches(outcome.row.id, "deployed").await;

    let again = lab
        .engine
        .prepare_file(&file(&yard()), options())
        .await
        .expect("planned");
    assert!(again.mutations().is_empty() && again.plan().is_empty());
    let prepared = lab
        .engine
        .prepare_file(&file(&changed()), options())
        .await
        .expect("planned");
    assert!(ops(&prepared).contains(&"add_lan"), "{prepared:?}");
    let changed = prepared.execute(&never).await.expect("changed");
    assert_eq!(changed.row.id, outcome.row.id);
    lab.assert_matches(outcome.row.id, "changed").await;
    assert_eq!(total(&lab).await, 1);
}

#[tokio::test]
async fn a_file_that_breaks_rules_or_whose_name_is_taken_meanwhile_is_refused() {
    let lab = Lab::new();
    let text = "{format: decnet.topology/1, name: corp, lans: [{name: dmz, dmz: true}], deckies: [{name: web, services: [shh]}]}";
    let wrong = document::parse(text, Syntax::Yaml).expect("a maze file");
    let refused = lab.engine.prepare_file(&wrong, ApplyOptions::default()).await;
    assert!(matches!(refused, Err(EngineError::Invalid(_))), "{refused:?}");

    let prepared = lab.engine.prepare_file(&file(&yard()), ApplyOptions::default()).await;
    let prepared = prepared.expect("planned");
    lab.store("corp", super::super::small()).await;
    let error = prepared.execute(&CancellationToken::new()).await.expect_err("taken");
    assert_eq!(error.code(), "name_taken");
    assert!(lab.docker.log().is_empty());
}

#[tokio::test]
async fn missing_values_of_a_file_are_those_of_the_running_maze() {
    let text = |services: &str| {
        let text = format!(
            "{{format: decnet.topology/1, name: corp, lans: [{{name: dmz, dmz: true}}],
              deckies: [{{name: web, services: [{services}], attachments: [{{lan: dmz}}]}}]}}"
        );
        document::parse(&text, Syntax::Yaml).expect("a maze file")
    };
    let lab = Lab::new();
    let never = CancellationToken::new();
    let prepared = lab.engine.prepare_file(&text("http"), ApplyOptions::default()).await;
    let id = prepared
        .expect("planned")
        .execute(&never)
        .await
        .expect("deployed")
        .row
        .id;
    // A file without positions says nothing about the canvas.
    lab.enqueue(
        id,
        r#"{"op": "update_decky", "payload": {"decky": "web", "x": 3, "y": 4}}"#,
    )
    .await;
    lab.drain(id).await;
    let same = lab.engine.prepare_file(&text("http"), ApplyOptions::default()).await;
    assert_eq!(ops(&same.expect("planned")), [""; 0]);
    let hidden = SettingsChange::default().hide_passwords(true);
    let options = ApplyOptions::default().settings(hidden).actor("ada".to_owned());
    let prepared = lab
        .engine
        .prepare_file(&text("http, ssh"), options)
        .await
        .expect("planned");
    assert_eq!(ops(&prepared), ["update_decky"]);
    prepared.execute(&never).await.expect("changed");
    let stored = lab.stored(id).await;
    assert!(stored.row.settings.hide_passwords, "{:?}", stored.row.settings);
    assert!(stored.topology.deckies()[0].position().x.is_some());
    assert_eq!(lab.rows(id).await[1].actor.as_deref(), Some("ada"));
}
