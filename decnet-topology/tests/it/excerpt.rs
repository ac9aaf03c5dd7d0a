use decnet_topology::{
    Catalog, CatalogExcerpt, Code, Draft, DraftDecky, Mutation, RuleSet, ServiceFields, ServiceName, validate,
};

/// A catalogue that adds `till` and its archetype, and overrides `ssh`.
fn own() -> Catalog {
    let text = "[services.till]\nports = [\"9100/tcp\"]\n[services.ssh]\nbanner = \"SSH-2.0-x\\r\\n\"\n[services.spare]\nports = []\n\
                [archetypes.kiosk]\nservices = [\"till\", \"http\"]";
    Catalog::builtin().extend_from_toml(text).expect("a catalogue")
}

#[test]
fn a_maze_keeps_only_entries_that_it_uses_and_that_differ_from_the_built_in_ones() {
    let names = |excerpt: &CatalogExcerpt| {
        let services = excerpt.services().map(|service| service.name.to_string());
        services
            .chain(excerpt.archetypes().map(|one| one.slug.clone()))
            .collect::<Vec<_>>()
    };
    let own = own();
    let [ssh, http] = ["ssh", "http"].map(ServiceName::new);
    assert_eq!(names(&own.excerpt([&ssh, &http], [])), ["ssh"]);
    // An archetype keeps the services that it adds to a decky.
    assert_eq!(names(&own.excerpt([&http], ["kiosk", "web-server"])), ["till", "kiosk"]);
    assert!(Catalog::builtin().excerpt([&ssh], ["web-server"]).is_empty());
    let again = Catalog::builtin()
        .extend_from_toml("[services.ssh]\n[archetypes.web-server]")
        .expect("nothing changes");
    assert!(again.excerpt([&ssh], ["web-server"]).is_empty());

    let add = |text: &str| Mutation::from_json(text).expect("a mutation").catalog_excerpt(&own);
    let kiosk = r#"{"op": "add_decky", "payload": {"name": "a", "lan": "b", "archetype": "kiosk"}}"#;
    assert_eq!(names(&add(kiosk)), ["till", "kiosk"]);
    let update =
        r#"{"op": "update_decky", "payload": {"decky": "a", "services": ["ssh"], "patch": {"archetype": null}}}"#;
    assert_eq!(names(&add(update)), ["ssh"]);
    for patch in [
        r#"{"service_config": {"ssh": {"a": "b"}}}"#,
        r#"{"persona": {"versions": {"ssh": "9.2"}}}"#,
    ] {
        let update = format!(r#"{{"op": "update_decky", "payload": {{"decky": "a", "patch": {patch}}}}}"#);
        assert_eq!(names(&add(&update)), ["ssh"], "{patch}");
    }
    assert!(add(r#"{"op": "remove_decky", "payload": {"decky": "a"}}"#).is_empty());
}

#[test]
fn a_stored_entry_holds_until_the_caller_gives_another_one() {
    let [ssh, till] = ["ssh", "till"].map(ServiceName::new);
    let stored = own().excerpt([&ssh, &till], ["kiosk"]);
    let written = serde_json::to_string(&stored).expect("JSON");
    assert_eq!(serde_json::from_str::<CatalogExcerpt>(&written).expect("read"), stored);

    let builtin = Catalog::builtin();
    let later = builtin.with_stored(&stored);
    assert_eq!(later.service("ssh"), own().service("ssh"));
    assert_eq!(later.archetype("kiosk"), own().archetype("kiosk"));
    assert!(later.service("spare").is_none());
    // The excerpt of the completed catalogue is the stored one.
    assert_eq!(later.excerpt([&ssh, &till], ["kiosk"]), stored);

    let banner = |catalog: &Catalog| catalog.service("ssh").and_then(|ssh| ssh.banner.clone());
    let other = Catalog::builtin().extend_from_toml("[services.ssh]\nbanner = \"SSH-2.0-y\\r\\n\"");
    let other = other.expect("a catalogue");
    let both = other.with_stored(&stored);
    assert_eq!(banner(&both).as_deref(), Some("SSH-2.0-y\r\n"));
    assert!(both.service("till").is_some());

    // A table without keys brings the built-in entry back.
    let back = Catalog::builtin()
        .extend_from_toml("[services.ssh]")
        .expect("a catalogue");
    let back = back.with_stored(&stored);
    assert_eq!(banner(&back), banner(&builtin));
    let since = back.excerpt_since(&stored, back.excerpt([&ssh], []));
    // Only what differs is added: the rest may be stored by another caller meanwhile.
    assert!(since.services().map(|service| &service.name).eq([&ssh]));
    assert_eq!(since.archetypes().count(), 0);
    let mut both = stored.clone();
    both.extend(since);
    assert!(back.excerpt_since(&both, back.excerpt([&ssh], [])).is_empty());
    let kept = builtin.with_stored(&both);
    assert_eq!(banner(&kept), banner(&builtin));
    assert!(kept.service("till").is_some());
}

#[test]
fn the_rules_judge_the_services_of_an_archetype_if_a_draft_names_none() {
    let text = "[services.a]\nports = [\"80/tcp\"]\n[services.b]\nports = [\"80/tcp\"]\n[archetypes.both]\nservices = [\"a\", \"b\"]";
    let catalog = Catalog::empty().extend_from_toml(text).expect("a catalogue");
    let codes = |services: Option<Vec<ServiceName>>| {
        let decky = DraftDecky {
            name: "decky".into(),
            archetype: Some("both".into()),
            services,
            service_config: [("a".into(), ServiceFields::new())].into(),
            ..DraftDecky::default()
        };
        let draft = Draft {
            deckies: vec![decky],
            ..Draft::default()
        };
        let report = validate(&draft, &catalog, RuleSet::deploy());
        let codes = report.findings().iter().map(|finding| finding.code);
        let services = [Code::ServicePortClash, Code::ServiceCfgUndeclared];
        codes.filter(|code| services.contains(code)).collect::<Vec<_>>()
    };
    assert_eq!(codes(None), [Code::ServicePortClash]);
    assert_eq!(codes(Some(vec![])), [Code::ServiceCfgUndeclared]);
}
