//! Plans: their content, their settings, and reasons for a refusal.

use std::{net::Ipv4Addr, sync::Arc};

use decnet_engine::{Action, DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, SettingsChange};
use decnet_topology::{Catalog, DeploySettings, DmzEgress, LogSettings, Status, Topology, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{CATALOG, Lab, small};

#[tokio::test]
async fn a_second_deploy_of_a_running_maze_does_nothing() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let before = lab.docker.world();
    let again = lab.deploy(id).await.expect("deployed again");
    assert_eq!(again.changed, 0);
    assert_eq!(lab.docker.world(), before);
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
}

#[tokio::test]
async fn a_plan_changes_nothing_and_prints_the_steps_of_the_deploy() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
    assert_eq!(lab.docker.log().len(), 0);
    assert_eq!(lab.status(id).await, Status::Pending);
    lab.deploy(id).await.expect("deployed");
    let mut done: Vec<_> = lab
        .docker
        .log()
        .iter()
        .map(|performed| performed.action.to_string())
        .collect();
    let mut planned: Vec<_> = plan.steps().iter().map(|step| step.action.to_string()).collect();
    done.sort();
    planned.sort();
    assert_eq!(done, planned);
}

#[tokio::test]
async fn a_publish_rule_that_matches_nothing_is_refused_without_changes() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let settings =
        |rule: &str| DeploySettings::default().publish([rule.parse().expect("a rule")].into_iter().collect());
    for rule in ["shh=127.0.0.1:2222", "host-01.ssh=2222", "ssh:23=2222"] {
        let options = DeployOptions::default().settings(settings(rule));
        let refused = lab.engine.deploy(id, options, &CancellationToken::new()).await;
        assert!(
            matches!(refused, Err(EngineError::PublishMapsNothing { .. })),
            "{rule}: {refused:?}"
        );
        let refused = crate::planned(&lab.engine, id, Some(settings(rule))).await;
        assert!(
            matches!(refused, Err(EngineError::PublishMapsNothing { .. })),
            "{rule}: {refused:?}"
        );
    }
    assert_eq!(lab.docker.log().len(), 0);
    let row = lab.repo.get(id).await.expect("a row");
    assert_eq!((row.status, row.settings), (Status::Pending, DeploySettings::default()));
}

#[tokio::test]
async fn a_new_host_address_is_blocked_for_limited_egress_without_a_restart() {
    for (egress, closes) in [
        (DmzEgress::None, false),
        (DmzEgress::DnsOnly, true),
        (DmzEgress::RateLimited, true),
        (DmzEgress::Open, false),
    ] {
        let lab = Lab::new();
        let id = lab.store("maze", small()).await;
        let options = DeployOptions::default().settings(DeploySettings::default().dmz_egress(egress));
        let cancel = CancellationToken::new();
        lab.engine.deploy(id, options, &cancel).await.expect("deployed");
        let bases: Vec<_> = lab.docker.world().containers.into_keys().collect();
        let address = Ipv4Addr::new(192, 0, 2, 7);
        lab.docker.add_address(address);
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        let sets =
            |action: &Action| matches!(action, Action::SetState { state, .. } if state.closed.contains(&address));
        assert!(plan.steps().iter().all(|step| sets(&step.action)), "{plan:?}");
        assert_eq!(!plan.is_empty(), closes, "{egress:?}");
        lab.engine.reconcile(id, false, &cancel).await.expect("reconciled");
        assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
        assert!(lab.docker.world().containers.keys().eq(&bases));
        let report = lab.engine.verify(id, &cancel).await.expect("verified");
        assert_eq!(report.deviations, [], "{egress:?}");
    }
}

#[tokio::test]
async fn a_plan_is_refused_for_the_same_reasons_as_a_deploy() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let name = decnet_engine::NetworkName::from_docker("lab-of-another");
    lab.docker
        .add_network(name.clone(), "10.90.1.0/26".parse().expect("a subnet"));
    for refused in [
        crate::planned(&lab.engine, id, None).await.err(),
        lab.deploy(id).await.err(),
    ] {
        let Some(EngineError::Invalid(invalid)) = refused else {
            panic!("{refused:?}")
        };
        let codes: Vec<_> = invalid.report.errors().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["SUBNET_HOST_OVERLAP"]);
    }
}

#[tokio::test]
async fn a_plan_and_a_deploy_use_the_given_settings_and_a_deploy_stores_them() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let settings = DeploySettings::default().publish(["ssh=2222".parse().expect("a rule")].into_iter().collect());
    let plan = crate::planned(&lab.engine, id, Some(settings.clone()))
        .await
        .expect("planned");
    assert!(
        plan.steps()
            .iter()
            .any(|step| step.to_string().contains("publish 2222:22"))
    );
    assert_eq!(
        lab.repo.get(id).await.expect("a row").settings,
        DeploySettings::default()
    );
    let options = DeployOptions::default().settings(settings.clone());
    lab.engine
        .deploy(id, options, &CancellationToken::new())
        .await
        .expect("deployed");
    assert_eq!(lab.repo.get(id).await.expect("a row").settings, settings);
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
    // To publish elsewhere, a running base is recreated, but only with force.
    let options = DeployOptions::default().settings(DeploySettings::default());
    let refused = lab.engine.deploy(id, options.clone(), &CancellationToken::new()).await;
    let Err(EngineError::Plan(refusal)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        refusal.to_string().ends_with("_web (spec changed: publish)"),
        "{refusal}"
    );
    let plan = crate::planned(&lab.engine, id, options.settings.clone())
        .await
        .expect("planned");
    let reasons: Vec<_> = plan.steps().iter().map(|step| step.reason.to_string()).collect();
    assert_eq!(
        reasons,
        [
            "base recreated",
            "base recreated",
            "spec changed: publish",
            "needed by a new container",
            "spec changed: publish",
            "base recreated",
            "base recreated",
        ]
    );
    assert_eq!(
        lab.repo.get(id).await.expect("a row").settings,
        settings,
        "a refused change changes nothing"
    );
    let options = options.force(true);
    lab.engine
        .deploy(id, options, &CancellationToken::new())
        .await
        .expect("deployed");
    assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
}

#[tokio::test]
async fn a_service_gets_the_values_of_the_maze_and_defaults_for_the_others() {
    let mut options = EngineOptions::new(Catalog::builtin());
    options.catalog = options
        .catalog
        .extend_from_toml(
            r#"
            [services.shop]
            ports = ["8080/tcp"]
            image = "shop"
            fields = [
                { key = "title", type = "string", default = "Shop", help = "t" },
                { key = "pages", type = "int", default = 3, help = "p" },
            ]
            "#,
        )
        .expect("a catalogue");
    let lab = Lab::new();
    lab.docker.add_image("shop");
    let engine = Engine::new(lab.repo.clone(), Arc::new(lab.docker.clone()), options);
    let topology = Topology::builder()
        .dmz("dmz", "10.93.0.0/24")
        .decky("web", |decky| {
            decky
                .on("dmz", "10.93.0.2")
                .services(["shop"])
                .config("shop", "pages", 5)
        })
        .build()
        .expect("a topology");
    let id = lab.store("maze", topology).await;
    let plan = crate::planned(&engine, id, None).await.expect("planned");
    let reported = plan.steps().iter().find_map(|step| match &step.action {
        Action::CreateService { service } => service.environment.get("SERVICE_CONFIG").cloned(),
        _ => None,
    });
    assert_eq!(reported.as_deref(), Some(r#"{"pages":5,"title":"Shop"}"#));
}

#[tokio::test]
async fn a_change_of_the_log_driver_recreates_containers_and_the_plan_names_the_deleted_logs() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let containers = lab.docker.world().containers.len();
    let down = crate::planned_down(&lab.engine, id).await.expect("planned");
    assert_eq!(down.deleted_logs().len(), containers);

    let elsewhere = DeploySettings::default().log(LogSettings::default().with("journald".parse().ok(), []));
    let plan = crate::planned(&lab.engine, id, Some(elsewhere.clone()))
        .await
        .expect("planned");
    assert_eq!(plan.deleted_logs().len(), containers, "{plan:?}");
    let step = plan.steps()[0].to_string();
    assert!(step.ends_with("(spec changed: log)"), "{step}");
    let options = DeployOptions::default().settings(elsewhere).force(true);
    let raised = lab.engine.deploy(id, options, &CancellationToken::new()).await;
    raised.expect("deployed");
    let down = crate::planned_down(&lab.engine, id).await.expect("planned");
    assert!(
        !down.is_empty() && down.deleted_logs().is_empty(),
        "the journal keeps them"
    );
}

#[tokio::test]
async fn after_an_upgrade_the_reasons_name_the_image_and_the_log_if_they_differ() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let journald = DeploySettings::default().log(LogSettings::default().with("journald".parse().ok(), []));
    let options = DeployOptions::default().settings(journald);
    let deployed = lab.engine.deploy(id, options, &CancellationToken::new()).await;
    deployed.expect("deployed");
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"another program")));
    let upgraded = Engine::new(lab.repo.clone(), Arc::new(lab.docker.clone()), options);
    let removals = async |settings| {
        let plan = crate::planned(&upgraded, id, settings).await.expect("planned");
        let steps = plan
            .steps()
            .iter()
            .filter(|step| matches!(step.action, Action::RemoveContainer { .. }));
        let reasons = steps.map(|step| serde_json::to_value(&step.reason).expect("JSON"));
        reasons.collect::<Vec<_>>()
    };
    let image = serde_json::json!({"code": "other_version", "fields": ["image"]});
    assert_eq!(removals(None).await, vec![image; 5]);
    let both = serde_json::json!({"code": "other_version", "fields": ["image", "log"]});
    assert_eq!(removals(Some(DeploySettings::default())).await, vec![both; 5]);
}

#[tokio::test]
async fn passwords_stay_hidden_in_later_deploys_and_reconciles() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let hidden = SettingsChange::default()
        .hide_passwords(true)
        .apply_to(&DeploySettings::default());
    let plan = crate::planned(&lab.engine, id, Some(hidden.clone()))
        .await
        .expect("planned");
    let hides = |action: &Action| match action {
        Action::CreateService { service } => {
            let state = service.environment.get("SERVICE_STATE");
            state.is_some_and(|state| state.contains(r#""passwords":false"#))
        }
        _ => false,
    };
    assert!(plan.steps().iter().any(|step| hides(&step.action)), "{plan:?}");
    let cancel = CancellationToken::new();
    let options = DeployOptions::default().force(true).settings(hidden.clone());
    lab.engine.deploy(id, options, &cancel).await.expect("deployed");

    // Neither a deploy nor a reconcile without settings shows them again, and other changes keep them hidden.
    assert_eq!(lab.deploy(id).await.expect("deployed").changed, 0);
    lab.engine.reconcile(id, false, &cancel).await.expect("reconciled");
    assert_eq!(lab.repo.get(id).await.expect("a row").settings, hidden);
    assert!(SettingsChange::default().apply_to(&hidden).hide_passwords);
    assert!(
        !SettingsChange::default()
            .hide_passwords(false)
            .apply_to(&hidden)
            .hide_passwords
    );
}
