//! An image that one host does not have.

use decnet_topology::Code;

use super::*;

#[tokio::test]
async fn the_hosts_that_lack_an_image_are_named_and_others_can_have_the_maze() {
    const POT: &str = "example.org/pot:1";
    let lab = FleetLab::new(40);
    let text = format!("[services.pot]\nports = [\"9000/tcp\"]\nimage = \"{POT}\"\n");
    let catalog = CATALOG.clone().extend_from_toml(&text).expect("a catalogue");
    let options = EngineOptions::new(catalog).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(lab.repo.clone(), Arc::new(lab.fleet.clone()), options);
    let builder = Topology::builder()
        .dmz("dmz", "10.97.0.0/24")
        .lan("office", "10.97.1.0/24");
    let builder = builder.decky("web", |decky| decky.on("dmz", "10.97.0.2").services(["pot"]));
    let builder = builder.decky("desk", |decky| {
        let decky = decky.on("office", "10.97.1.2").on("dmz", "10.97.0.3");
        decky.services(["pot"])
    });
    let builder = builder.decky("db", |decky| decky.on("office", "10.97.1.3").services(["pot"]));
    let id = lab.store("maze", builder.build().expect("a maze")).await;
    let deploy = async |hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| host.parse().expect("a name"));
        let rules = PlacementRules::default().distribute(Distribution::Spread);
        let settings = DeploySettings::default().hosts(hosts).placement(rules);
        let options = DeployOptions::default().settings(settings);
        engine.deploy(id, options, &CancellationToken::new()).await
    };
    let refused = async |hosts: &[&str]| {
        let Err(EngineError::Invalid(invalid)) = deploy(hosts).await else {
            panic!("it is deployed")
        };
        let mut findings = invalid.report.errors();
        let finding = findings.next().expect("a finding");
        assert_eq!((finding.code, findings.count()), (Code::ImageUnavailable, 0));
        finding.message.clone()
    };
    lab.west.withhold_image(POT);
    let message = refused(&["west"]).await;
    assert!(message.contains("is not available on west: no such image"), "{message}");
    lab.east.withhold_image(POT);
    let message = refused(&["east", "west"]).await;
    assert!(message.contains("is not available on east, west: "), "{message}");
    lab.assert_nothing_left();
}
