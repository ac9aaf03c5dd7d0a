use std::collections::BTreeSet;

use decnet_topology::{
    Archetype, Catalog, CatalogError, FieldType, ImageSource, Port, RuleSet, Service, ServiceName, Topology, validate,
};
use serde_json::json;

#[test]
fn the_built_in_services_have_the_agreed_ports() {
    let agreed = "conpot 80/tcp 102/tcp 502/tcp 161/udp · dns 53/tcp 53/udp · docker_api 2375/tcp 2376/tcp · elasticsearch 9200/tcp · \
        ftp 21/tcp · http 80/tcp · https 443/tcp · imap 143/tcp 993/tcp · k8s 6443/tcp 8080/tcp · ldap 389/tcp 636/tcp · \
        llmnr 5353/udp 5355/udp · mongodb 27017/tcp · mqtt 1883/tcp · mssql 1433/tcp · mysql 3306/tcp · pop3 110/tcp 995/tcp · \
        postgres 5432/tcp · rdp 3389/tcp · redis 6379/tcp · sip 5060/tcp 5060/udp · smb 139/tcp 445/tcp · smtp 25/tcp 587/tcp · \
        smtp_relay 25/tcp 587/tcp · snmp 161/udp · ssh 22/tcp · telnet 23/tcp · tftp 69/udp · vnc 5900/tcp";
    let catalog = Catalog::builtin();
    let mut names = BTreeSet::from(["sniffer"]);
    for entry in agreed.split(" · ") {
        let mut words = entry.split_whitespace();
        let name = words.next().expect("a name");
        let ports: BTreeSet<Port> = words.map(|port| port.parse().expect("a port")).collect();
        assert_eq!(
            catalog.decky_service(name).map(|service| &service.ports),
            Some(&ports),
            "{name}"
        );
        names.insert(name);
    }
    let known: BTreeSet<_> = catalog.services().map(|service| service.name.as_str()).collect();
    assert_eq!(known, names);
}

#[test]
fn the_sniffer_is_never_on_a_decky() {
    let catalog = Catalog::builtin();
    assert!(catalog.service("sniffer").is_some_and(|sniffer| sniffer.singleton));
    assert_eq!(catalog.decky_service("sniffer"), None);
}

#[test]
fn the_built_in_archetypes_run_the_agreed_services_and_never_clash() {
    let agreed = "windows-workstation smb rdp · windows-server smb rdp ldap · domain-controller ldap smb rdp llmnr · \
        linux-server ssh http · web-server http ftp · database-server mysql postgres redis · mail-server smtp pop3 imap · \
        file-server smb ftp ssh · printer snmp ftp · iot-device mqtt snmp telnet · industrial-control conpot";
    let catalog = Catalog::builtin();
    for entry in agreed.split(" · ") {
        let mut words = entry.split_whitespace();
        let slug = words.next().expect("a slug");
        let services: BTreeSet<_> = words.map(ServiceName::new).collect();
        assert_eq!(
            catalog.archetype(slug).map(|archetype| &archetype.services),
            Some(&services),
            "{slug}"
        );
    }
    for archetype in catalog.archetypes() {
        assert_eq!(catalog.clashes(&archetype.services), [], "{}", archetype.slug);
        assert!(!archetype.title.is_empty());
    }
}

#[test]
fn every_built_in_field_has_a_description() {
    for service in Catalog::builtin().services() {
        assert_eq!(service.image, ImageSource::Builtin, "{}", service.name);
        for field in &service.fields {
            assert!(field.help.ends_with('.'), "{}.{}", service.name, field.key);
        }
    }
}

#[test]
fn missing_keys_of_an_overriding_entry_keep_their_values() {
    let before = Catalog::builtin();
    let after = before
        .clone()
        .extend_from_toml("[services.ssh]\nbanner = \"SSH-2.0-x\\r\\n\"\n[archetypes.printer]\ntitle = \"P\"");
    let after = after.expect("a catalogue");
    let (old, new) = (before.service("ssh").expect("ssh"), after.service("ssh").expect("ssh"));
    assert_eq!(new.banner.as_deref(), Some("SSH-2.0-x\r\n"));
    assert_eq!((&new.ports, &new.fields), (&old.ports, &old.fields));
    let printer = after.archetype("printer").expect("printer");
    assert_eq!(printer.title, "P");
    assert_eq!(printer.services.len(), 2);
}

#[test]
fn an_entry_can_have_every_key() {
    let catalog = Catalog::empty().extend_from_toml(
        r#"
        [services.forge]
        ports = ["3000/tcp", "3000/udp"]
        image = { build = "./forge" }
        command = ["serve", "--quiet"]
        capabilities = ["NET_BIND_SERVICE"]
        writable_root = true
        user = "1000:1000"
        limits = { memory_mib = 256, pids = 64, cpus = 0.5, open_files = 512, root_mib = 100 }
        environment = { TITLE = "Forge" }
        fields = [{ key = "mode", type = "multi_enum", options = ["a", "b"], default = ["a"] }]
        [services.plain]
        ports = []
        image = "plain:1"
        "#,
    );
    let catalog = catalog.expect("a catalogue");
    let forge = catalog.service("forge").expect("forge");
    assert_eq!(forge.image, ImageSource::Build("./forge".into()));
    assert_eq!(
        (forge.limits.memory_mib, forge.limits.pids, forge.limits.cpus),
        (Some(256), Some(64), Some(0.5))
    );
    assert_eq!((forge.limits.open_files, forge.limits.root_mib), (Some(512), Some(100)));
    assert_eq!(forge.user.as_deref(), Some("1000:1000"));
    assert_eq!(forge.fields[0].kind, FieldType::MultiEnum);
    assert!(forge.writable_root && forge.command.len() == 2 && forge.environment["TITLE"] == "Forge");
    let plain = catalog.service("plain").expect("plain");
    assert_eq!(plain.image, ImageSource::Reference("plain:1".into()));
}

#[test]
fn a_faulty_file_is_refused_with_the_place() {
    for (text, expected) in [
        ("[services.a\n", "line 1"),
        ("[services.a]\nports = []\nprots = []", "line 3, column 1"),
        (
            "[services.a]\nports = [\"80\"]",
            "line 2, column 11: `80` is not a port",
        ),
        ("[services.a]\nports = 80", "line 2"),
        (
            "[services.a]\nports = []\nimage = 5",
            "line 3, column 1: services.a.image must be `builtin`",
        ),
        (
            "[services.a]\nbanner = \"x\"",
            "services.a: a new service needs `ports`",
        ),
        ("service = 5", "line 1, column 1"),
        (
            "[services.a]\nports = []\nfields = [{ key = \"k\", type = \"float\" }]",
            "line 3",
        ),
        (
            "[services.a]\nports = []\nfields = [{ key = \"k\", type = \"enum\" }]",
            "services.a.fields: `k` needs `options`",
        ),
        (
            "[services.a]\nports = []\nfields = [{ key = \"k\", type = \"int\", options = [\"1\"] }]",
            "`k` needs `options`",
        ),
        (
            "[services.a]\nports = []\nfields = [{ key = \"k\", type = \"int\", default = \"1\" }]",
            "the default of `k`",
        ),
        (
            "[services.a]\nports = []\nfields = [{ key = \"k\", type = \"int\" }, { key = \"k\", type = \"int\" }]",
            "twice",
        ),
        (
            "[archetypes.a]\nservices = [\"nope\"]",
            "archetypes.a: a decky cannot run `nope`",
        ),
        (
            "[archetypes.a]\nservices = [\"sniffer\"]",
            "archetypes.a: a decky cannot run `sniffer`",
        ),
        (
            "[services.ssh]\nsingleton = true",
            "archetypes.container-host: a decky cannot run `ssh`",
        ),
    ] {
        let error: CatalogError = Catalog::builtin().extend_from_toml(text).expect_err(text);
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}

#[test]
fn all_faults_of_a_file_are_reported_together_in_the_order_of_the_text() {
    let text = r#"
[services.a]
ports = [80, "53/udp", "53"]
writeable_root = true
tmpfs = "/var"
limits = { pids = -1, cpus = "2" }
seccomp = "off"
fields = [{ key = "k", type = "enums" }, { type = "int" }]

[services.b]
banner = "x"

[services.ssh]
image = "No Image"
broadcast = ["1/tcp"]
limits = { pids = 0 }

[archetypes.box]
services = ["a", "b", "ssh", "shh"]
titel = "Box"
"#;
    let refused = Catalog::builtin().extend_from_toml(text).expect_err("faults");
    let faults: Vec<_> = refused
        .findings
        .iter()
        .map(|finding| format!("{} {}", finding.place_in("c.toml"), finding.message))
        .collect();
    insta::assert_snapshot!(faults.join("\n"));
    assert_eq!(refused.code(), "invalid_catalog");
}

#[test]
fn a_missing_key_of_an_empty_table_is_reported_with_the_place_of_the_table() {
    let text = "[services.q]\nports = [\"1/tcp\"]\nimage = {}\n";
    let refused = Catalog::empty().extend_from_toml(text).expect_err("no build");
    assert_eq!(refused.findings[0].place_in("c.toml"), "c.toml:3:1", "{refused}");
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_with_the_place() {
    let refused = Catalog::empty()
        .extend_from_toml(b"[services.a]\n# \xff")
        .expect_err("a byte");
    assert_eq!(
        refused.to_string(),
        "line 2, column 3: the document is not UTF-8; save it as UTF-8"
    );
}

#[test]
fn a_date_is_not_a_value_of_a_catalogue() {
    let text = "[services.a]\nports = []\nbanner = 2030-01-01";
    let refused = Catalog::empty().extend_from_toml(text).expect_err("a date");
    assert!(
        refused.to_string().contains("services.a.banner must be a text"),
        "{refused}"
    );
}

#[test]
fn a_service_declares_the_udp_ports_that_it_broadcasts_to_and_no_others() {
    let declared = |ports: &str| {
        let text = format!("[services.names]\nports = [\"137/udp\"]\nbroadcast = [{ports}]");
        Catalog::builtin().extend_from_toml(&text)
    };
    let names = declared("\"137/udp\", \"138/udp\"").expect("declared");
    assert_eq!(names.service("names").expect("there").broadcast.len(), 2);
    let builtin = Catalog::builtin();
    let broadcasting = builtin.services().filter(|service| !service.broadcast.is_empty());
    let broadcasting: Vec<_> = broadcasting.map(|service| service.name.as_str()).collect();
    assert_eq!(broadcasting, ["llmnr"]);
    let refused = declared("\"139/tcp\"")
        .expect_err("nobody connects to a whole LAN")
        .to_string();
    assert!(refused.contains("`139/tcp` is not a UDP port"), "{refused}");
}

#[test]
fn a_catalogue_can_be_built_in_code() {
    let mut catalog = Catalog::empty();
    let port = "1/tcp".parse().expect("a port");
    assert_eq!(catalog.insert_service(Service::new("a".into(), [port])), None);
    assert!(catalog.insert_service(Service::new("a".into(), [])).is_some());
    let archetype = Archetype {
        slug: "x".into(),
        title: "X".into(),
        services: BTreeSet::from(["a".into()]),
        os: None,
    };
    assert_eq!(catalog.insert_archetype(archetype.clone()), None);
    assert_eq!(catalog.archetype("x"), Some(&archetype));
}

#[test]
fn ports_read_strictly() {
    for bad in [
        "",
        "80",
        "/tcp",
        "80/",
        "80/TCP",
        "080/tcp",
        "0/tcp",
        "65536/tcp",
        "+80/tcp",
        " 80/tcp",
        "80/sctp",
    ] {
        assert!(bad.parse::<Port>().is_err(), "{bad}");
    }
}

#[test]
fn field_values_must_have_the_declared_type() {
    let catalog = Catalog::builtin();
    let check = |service: &str, key: &str, value| {
        let field = catalog
            .service(service)
            .and_then(|service| service.field(key))
            .expect("a field");
        field.check(&value).is_ok()
    };
    assert!(check("ssh", "password", json!("x")));
    assert!(!check("ssh", "password", json!(null)));
    assert!(!check("ssh", "banner", json!("a\nb")));
    assert!(check("ssh", "banner", json!("a\r\n")));
    assert!(check("ssh", "motd", json!("a\nb")));
    assert!(check("smtp_relay", "max_recipients", json!(5)));
    assert!(!check("smtp_relay", "max_recipients", json!(5.0)));
    assert!(!check("smtp_relay", "max_recipients", json!("5")));
    assert!(check("ftp", "anonymous", json!(true)));
    assert!(!check("ftp", "anonymous", json!("true")));
    assert!(check("rdp", "security", json!("nla")));
    assert!(!check("rdp", "security", json!("none")));
    assert!(check("smb", "dialects", json!(["SMB2"])));
    assert!(!check("smb", "dialects", json!(["SMB9"])));
    assert!(!check("smb", "dialects", json!("SMB2")));
    assert!(!check("smb", "dialects", json!([1])));
}

#[test]
fn entries_that_docker_would_refuse_are_refused_when_read() {
    let refused = |text: &str| Catalog::builtin().extend_from_toml(text).expect_err(text).to_string();
    for name in ["a b", "-a", "ä", "a\\u001b[31m", ""] {
        assert!(
            refused(&format!("[services.\"{name}\"]\nports = []")).contains("a service's name"),
            "{name}"
        );
    }
    for image in ["--privileged", "UPPER/..//bad ref", "", "Web", "a//b", "a/../b"] {
        let text = format!("[services.web]\nports = []\nimage = \"{image}\"");
        assert!(refused(&text).contains("not an image reference"), "{image}");
    }
    for image in [
        "web",
        "127.0.0.1:1/none",
        "registry.example:5000/a/b_c-d:1.2",
        "a@sha256:0123456789abcdef",
    ] {
        let text = format!("[services.web_2]\nports = []\nimage = \"{image}\"");
        Catalog::builtin().extend_from_toml(&text).expect(image);
    }
}

#[test]
fn a_value_that_no_container_can_get_is_refused() {
    let catalog = Catalog::builtin();
    let fault = |service: &str, key: &str, value| {
        let field = catalog.service(service).and_then(|service| service.field(key));
        field.expect("a field").check(&value).map_err(|fault| fault.to_string())
    };
    assert_eq!(fault("http", "banner", json!("x".repeat(16_384))), Ok(()));
    assert_eq!(
        fault("http", "banner", json!("x".repeat(200_000))),
        Err("must have at most 16384 bytes, not 200000".into())
    );
    assert_eq!(
        fault("ssh", "password", json!("é".repeat(2_049))),
        Err("must have at most 4096 bytes, not 4098".into())
    );
    for number in [json!(0), json!(-1), json!(u64::MAX)] {
        let expected = format!("must be from 1 to 100000, not {number}");
        assert_eq!(fault("smtp_relay", "max_recipients", number), Err(expected));
    }
}

#[test]
fn a_service_that_could_never_start_is_refused_when_read() {
    let long = "x".repeat(200_000);
    let ports: Vec<String> = (1..600).map(|port| format!("\"{port}/tcp\"")).collect();
    let many = (0..10).map(|number| format!("K{number} = \"{}\"\n", "x".repeat(120_000)));
    let many = format!(
        "[services.a]\nports = []\n[services.a.environment]\n{}",
        many.collect::<String>()
    );
    for (text, expected) in [
        (
            format!("[services.ssh]\nbanner = \"{long}\""),
            "`banner` has 200000 bytes",
        ),
        (
            format!("[services.a]\nports = []\nenvironment = {{ KEY = \"{long}\" }}"),
            "`environment.KEY` has 200003 bytes",
        ),
        (
            format!("[services.a]\nports = []\ncommand = [\"{long}\"]"),
            "`command` has 200000 bytes",
        ),
        (
            "[services.a]\nports = []\ncommand = [\"a\\u0000b\"]".into(),
            "contains a NUL",
        ),
        (format!("[services.a]\nports = [{}]", ports.join(", ")), "599 ports"),
        (many, "command and environment have"),
        (
            "[services.a]\nports = []\nlimits = { memory_mib = 5 }".into(),
            "memory_mib",
        ),
        ("[services.a]\nports = []\nlimits = { pids = 0 }".into(), "pids"),
        (
            "[services.a]\nports = []\nlimits = { open_files = 3 }".into(),
            "open_files",
        ),
        ("[services.a]\nports = []\nlimits = { root_mib = 0 }".into(), "root_mib"),
        ("[services.a]\nports = []\nlimits = { cpus = nan }".into(), "cpus"),
        ("[services.a]\nports = []\nlimits = { cpus = -1.0 }".into(), "cpus"),
    ] {
        let error = Catalog::builtin()
            .extend_from_toml(&text)
            .expect_err(expected)
            .to_string();
        assert!(error.contains("cannot start") && error.contains(expected), "{error}");
    }
    let bounds = "[services.a]\nports = []\nfields = [{ key = \"k\", type = \"bool\", max_length = 5 }]";
    let error = Catalog::builtin()
        .extend_from_toml(bounds)
        .expect_err(bounds)
        .to_string();
    assert!(error.contains("`max_length` only if it is a text"), "{error}");
}

#[test]
fn an_entry_that_runs_as_root_causes_one_warning() {
    let catalog = Catalog::builtin()
        .extend_from_toml(
            r#"
            [services.bold]
            ports = []
            image = "bold:1"
            user = "0:0"
            [services.usual]
            ports = []
            image = "usual:1"
            [services.again]
            ports = []
            image = "again:1"
            user = ""
            "#,
        )
        .expect("a catalogue");
    assert_eq!(
        catalog.service("again").and_then(|again| again.user.clone()),
        None,
        "the image's own"
    );
    let services = ["bold", "usual", "again", "http"];
    let maze = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .decky("a", |decky| decky.on("dmz", "172.20.0.10").services(services))
        .decky("b", |decky| decky.on("dmz", "172.20.0.11").services(services))
        .build()
        .expect("a maze");
    let report = validate(&maze, &catalog, RuleSet::deploy());
    let warned: Vec<_> = report.findings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warned,
        [
            "warning SERVICE_ROOT: `bold` runs as root (first on decky `a`), which shares limits per user with the host's \
             root; give it another `user` in the catalogue, like 65534:65534"
        ]
    );
}
