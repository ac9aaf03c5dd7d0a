use decnet_topology::{Catalog, CatalogError, Service};

fn read(keys: &str) -> Result<Service, CatalogError> {
    let text = format!("[services.pot]\nports = []\nimage = \"pot:1\"\n{keys}");
    let catalog = Catalog::empty().extend_from_toml(text)?;
    Ok(catalog.service("pot").expect("a service").clone())
}

#[test]
fn a_volume_is_a_text_as_in_compose_files_or_a_table() {
    let pot =
        read("volumes = [\"data:/var/lib/pot\", { name = \"loot\", path = \"/loot\", keep = true }]").expect("valid");
    let volumes: Vec<_> = pot.volumes.iter().map(|one| (one.to_string(), one.keep)).collect();
    assert_eq!(
        volumes,
        [("data:/var/lib/pot".into(), false), ("loot:/loot".into(), true)]
    );
    let described = pot.described();
    assert_eq!(
        described["volumes"],
        serde_json::json!([{"name": "data", "path": "/var/lib/pot"}, {"name": "loot", "path": "/loot", "keep": true}])
    );
}

#[test]
fn a_volume_that_docker_would_not_create_or_that_is_a_folder_of_the_host_is_refused_with_its_place() {
    for (volumes, place, reason) in [
        ("[\"/srv/pot:/data\"]", "4:13", "cannot mount a folder of the host"),
        ("[\"./pot:/data\"]", "4:13", "cannot mount a folder of the host"),
        ("[\"~/pot:/data\"]", "4:13", "cannot mount a folder of the host"),
        ("[\"/data\"]", "4:13", "each volume needs a name"),
        ("[\n  \"a:/a\",\n  \"a.b:/data\"\n]", "6:4", "its name must be"),
        ("[\"data:data\"]", "4:13", "an absolute path"),
        ("[\"data:/proc/x\"]", "4:13", "not in /proc, /sys or /dev"),
        ("[\"data:/data:ro\"]", "4:13", "it has options (`ro`)"),
        ("[{ name = \"data\" }]", "4:22", "path"),
        (
            "[{ name = \"data\", path = \"/a\", kept = true }]",
            "4:4",
            "`kept` (did you mean `keep`?)",
        ),
        ("[\"data:/a\", \"data:/b\"]", "4:1", "`data` occurs twice"),
        ("[\"a:/a\", \"b:/a\"]", "4:1", "/a occurs twice"),
        ("[\"a:/a\"]\ntmpfs = [\"/a:size=1m\"]", "4:1", "/a occurs twice"),
    ] {
        let refused = read(&format!("volumes = {volumes}")).expect_err(volumes);
        let finding = &refused.findings[0];
        assert!(finding.message.contains(reason), "{volumes}: {refused}");
        assert!(
            finding.place_in("c").starts_with(&format!("c:{place}")),
            "{volumes}: {}",
            finding.place_in("c")
        );
    }
}

#[test]
fn a_built_in_service_has_no_volumes_and_no_other_port_inside() {
    for (keys, reason) in [
        (
            "volumes = [\"a:/a\"]",
            "services.ssh.volumes: a built-in service stores nothing",
        ),
        (
            "ports = [\"22:2222/tcp\"]",
            "write `22/tcp` instead of `22:2222/tcp`, or set `image`",
        ),
    ] {
        let refused = Catalog::builtin()
            .extend_from_toml(format!("[services.ssh]\n{keys}"))
            .expect_err(keys);
        assert!(refused.to_string().contains(reason), "{refused}");
    }
}

#[test]
fn ports_are_in_the_order_of_compose_files_and_the_inside_one_is_in_use_too() {
    let own = "[services.pot]\nports = [\"22:2222/tcp\", \"80/tcp\", \"69:6969/udp\", \"443:443/tcp\"]\nimage = \"pot:1\"\n\
               [services.near]\nports = [\"2222/tcp\"]\nimage = \"near:1\"\n";
    let catalog = Catalog::builtin().extend_from_toml(own).expect("valid");
    let pot = catalog.service("pot").expect("a service");
    let words = |ports: Vec<String>| ports.join(" ");
    assert_eq!(
        words(pot.ports.iter().map(ToString::to_string).collect()),
        "22/tcp 69/udp 80/tcp 443/tcp"
    );
    assert_eq!(
        words(pot.listens().map(|port| port.to_string()).collect()),
        "22:2222/tcp 69:6969/udp 80/tcp 443/tcp"
    );
    assert_eq!(
        pot.described()["inside"],
        serde_json::json!({"22/tcp": 2222, "69/udp": 6969})
    );
    let clashes = |names: &[&str]| {
        let names: Vec<_> = names
            .iter()
            .map(|name| decnet_topology::ServiceName::new(name))
            .collect();
        words(
            catalog
                .clashes(&names)
                .iter()
                .map(|(port, _)| port.to_string())
                .collect(),
        )
    };
    assert_eq!(clashes(&["pot", "ssh"]), "22/tcp");
    assert_eq!(clashes(&["pot", "near"]), "2222/tcp");
    assert_eq!(clashes(&["pot", "ftp"]), "");
    // The ports are replaced as a whole.
    let plain = catalog
        .extend_from_toml("[services.pot]\nports = [\"22/tcp\"]")
        .expect("valid");
    assert!(plain.service("pot").expect("a service").inside.is_empty());
    for (ports, reason) in [
        ("\"22:2222\"", "is not a port of the form"),
        ("\"127.0.0.1:22:2222/tcp\"", "is not a port of the form"),
        ("\":2222/tcp\"", "is not a port of the form"),
        ("\"22:0/tcp\"", "is not a port of the form"),
        ("\"22/tcp\", \"22:2222/tcp\"", "visitors see the port 22/tcp twice"),
    ] {
        let text = format!("[services.pot]\nports = [{ports}]\nimage = \"pot:1\"");
        let refused = Catalog::empty().extend_from_toml(text).expect_err(ports);
        assert!(refused.to_string().contains(reason), "{refused}");
    }
}
