use std::future::ready;

use super::*;
use crate::{
    observe::{Activity, ObservedContainer},
    runtime::docker::observe::{from_summary, observed},
};

/// The answer of Podman 4.3.1 while a killed service waits for its restart.
const INSPECTED: &str = include_str!("../recorded/podman-4.3.1-inspect.json");
/// The same with a second, running container.
const LISTED: &str = include_str!("../recorded/podman-4.3.1-list.json");

/// Decodes an answer like bollard: returns the value, or an error with the text.
fn answer<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::JsonDataError {
        message: error.to_string(),
        contents: text.into(),
        column: error.column(),
    })
}

async fn inspected(text: &str) -> ObservedContainer {
    let strict = answer::<ContainerInspectResponse>(text);
    observed(tolerant(ready(strict)).await.expect("a decodable answer"))
}

async fn listed(text: &str) -> Vec<ObservedContainer> {
    let strict = answer::<Vec<ContainerSummary>>(text);
    let containers = tolerant(ready(strict)).await.expect("a decodable answer");
    containers.into_iter().map(from_summary).collect()
}

#[tokio::test]
async fn a_container_that_podman_calls_stopped_has_exited() {
    assert!(
        answer::<ContainerInspectResponse>(INSPECTED).is_err(),
        "bollard knows the state now"
    );
    let container = inspected(INSPECTED).await;
    assert_eq!(container.activity, Activity::Exited);
    assert_eq!(container.name.as_str(), "decnet_t_f72601dd_web-01.http");
    assert_eq!(container.exit_code, Some(137));
    assert_eq!(container.labels.len(), 8);
    assert_eq!(container.image.as_deref(), Some("decnet-decoy:c06956b7c28e"));
    let base = "31649e7e7179c0cdd0c059f049212b84122695a79b634c95ef75ecde5443e462";
    assert_eq!(container.shares.as_deref(), Some(base));
}

#[tokio::test]
async fn one_unknown_state_does_not_affect_the_rest_of_a_list() {
    assert!(answer::<Vec<ContainerSummary>>(LISTED).is_err());
    let [stopped, running] = &listed(LISTED).await[..] else {
        panic!("two containers were listed")
    };
    assert_eq!(
        (stopped.activity, running.activity),
        (Activity::Exited, Activity::Running)
    );
    assert_eq!(stopped.name.as_str(), "decnet_t_f72601dd_web-01.http");
    assert_eq!(stopped.image.as_deref(), Some("decnet-decoy:c06956b7c28e"));
    let addresses: Vec<_> = stopped.networks.values().flatten().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.222.0.10", "10.222.1.2"]);
}

#[tokio::test]
async fn unknown_states_become_exited_and_known_ones_stay() {
    for (state, expected) in [
        ("hibernating", Activity::Exited),
        ("configured", Activity::Exited),
        ("restarting", Activity::Restarting),
        ("paused", Activity::Paused),
    ] {
        let text = INSPECTED.replace(r#""Status": "stopped""#, &format!(r#""Status": "{state}""#));
        assert_eq!(inspected(&text).await.activity, expected, "{state}");
        let text = LISTED.replace(r#""State": "stopped""#, &format!(r#""State": "{state}""#));
        assert_eq!(listed(&text).await[0].activity, expected, "{state}");
    }
}

#[tokio::test]
async fn unknown_values_in_unused_fields_do_no_harm() {
    let text = INSPECTED.replace(r#""Name": "always""#, r#""Name": "when-it-rains""#);
    assert!(text.contains("when-it-rains"));
    assert_eq!(inspected(&text).await.activity, Activity::Exited);
    let volumes = r#"{"Volumes": [{"Name": "a", "Driver": "local", "Mountpoint": "/v", "Labels": {"b": "c"},
        "Scope": "galactic", "Options": {}}], "Warnings": []}"#;
    let volumes = tolerant(ready(answer::<VolumeListResponse>(volumes))).await;
    assert_eq!(volumes.expect("volumes").volumes.expect("some")[0].labels["b"], "c");
    let info = r#"{"ServerVersion": "9", "CgroupVersion": "3", "NCPU": 2}"#;
    let info = tolerant(ready(answer::<SystemInfo>(info)))
        .await
        .expect("a description");
    assert_eq!(info.ncpu, Some(2));
}

#[tokio::test]
async fn an_invalid_answer_stays_an_error() {
    for text in [
        "",
        "<html>",
        r#"{"Id": 7}"#,
        r#"{"State": {"Status": "stopped", "Pid": "x"}}"#,
    ] {
        let strict = answer::<ContainerInspectResponse>(text);
        let read = tolerant(ready(strict)).await;
        assert!(matches!(read, Err(Error::JsonDataError { .. })), "{text}: {read:?}");
    }
}
