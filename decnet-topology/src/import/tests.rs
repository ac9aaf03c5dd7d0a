use std::collections::BTreeMap;

use super::*;
use crate::{RuleSet, SubnetPool, document};

fn imported(text: &str) -> Imported {
    import(text, Syntax::Yaml, &Catalog::builtin(), "lab").expect("a known format")
}

/// The notes with their places: `3:5 path what`.
fn notes(imported: &Imported) -> Vec<String> {
    let place = |note: &ImportNote| note.place.map(|place| format!("{}:{} ", place.line, place.column));
    let notes = imported.notes.iter();
    notes
        .map(|note| format!("{}{}", place(note).unwrap_or_default(), note.message))
        .collect()
}

/// The deckies by name: services, archetype, whether it forwards, and its LANs with addresses.
fn deckies(imported: &Imported) -> BTreeMap<&str, String> {
    let draft = &imported.draft;
    let described = draft.deckies.iter().map(|decky| {
        let services = match &decky.services {
            Some(services) => services.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            None => "usual".into(),
        };
        let lans = decky.attachments.iter().map(|attachment| {
            let ip = attachment.ip.map(|ip| format!("={ip}")).unwrap_or_default();
            format!("{}{ip}", draft.lans[attachment.lan].name)
        });
        let forwards = if decky.forwards_l3 { " forwards" } else { "" };
        let lans: Vec<_> = lans.collect();
        let archetype = decky.archetype.as_deref().unwrap_or("-");
        (
            decky.name.as_str(),
            format!("{services} ({archetype}){forwards} in {}", lans.join(" ")),
        )
    });
    described.collect()
}

/// The LANs: name, subnet and whether it is the DMZ.
fn lans(imported: &Imported) -> Vec<String> {
    let lans = imported.draft.lans.iter().map(|lan| {
        let subnet = lan.subnet.map(|subnet| format!(" {subnet}")).unwrap_or_default();
        format!("{}{subnet}{}", lan.name, if lan.is_dmz { " dmz" } else { "" })
    });
    lans.collect()
}

/// The maze is complete, valid, and can be written and read.
fn assert_deployable(imported: &Imported) {
    let catalog = Catalog::builtin();
    let text = document::print(&imported.draft, Syntax::Yaml);
    let read = document::parse(&text, Syntax::Yaml).expect("a document");
    assert_eq!(read, imported.draft);
    let topology = read.resolve(&catalog, &SubnetPool::default()).expect("a complete maze");
    topology.validate(&catalog, RuleSet::deploy()).expect("a valid maze");
}

const CONTAINERLAB: &str = r#"
name: campus
prefix: lab
topology:
  defaults:
    env: {A: b}
  kinds:
    nokia_srlinux: {image: ghcr.io/nokia/srlinux}
  groups:
    servers: {image: mysql:8}
  nodes:
    fw: {kind: nokia_srlinux, ports: ["8080:80", "2222:22"], startup-config: fw.cfg}
    core: {kind: nokia_srlinux}
    br-office: {kind: bridge}
    pc1:
      kind: linux
      image: alpine
      exec:
        - ip addr add 10.1.0.11/24 dev eth1
        - ip route add default via 10.1.0.1
    pc_1: {kind: linux, image: alpine}
    db: {group: servers, kind: linux}
    spare: {kind: linux, image: alpine}
  links:
    - endpoints: ["fw:e1-2", "core:e1-1"]
    - endpoints: ["core:e1-2", "br-office:eth1"]
    - endpoints: ["pc1:eth1", "br-office:eth2"]
    - endpoints: ["pc_1:eth1", "br-office:eth3"]
    - type: veth
      endpoints:
        - {node: core, interface: e1-3, mac: 02:00:00:00:00:01}
        - {node: db, interface: eth1}
    - endpoints: ["fw:e1-1", "host:fw-out"]
    - endpoints: ["pc1:eth9", "nobody:eth1"]
"#;

#[test]
fn a_containerlab_topology_becomes_a_maze() {
    let imported = imported(CONTAINERLAB);
    assert_eq!(imported.format, ImportFormat::Containerlab);
    assert_eq!(imported.draft.header.name, "campus");
    assert_eq!(
        lans(&imported),
        ["br-office 10.1.0.0/24", "fw-core", "core-db", "outside dmz"]
    );
    let expected = [
        ("core", "usual (network-switch) forwards in br-office fw-core core-db"),
        ("db", "mysql (database-server) in core-db"),
        ("fw", "http ssh (linux-server) forwards in outside fw-core"),
        ("pc-1", "usual (linux-server) in br-office"),
        ("pc1", "usual (linux-server) in br-office=10.1.0.11"),
    ];
    let deckies = deckies(&imported);
    let seen: Vec<_> = deckies.iter().map(|(name, text)| (*name, text.as_str())).collect();
    for (seen, (name, text)) in seen.iter().zip(expected) {
        assert_eq!(seen.0, name);
        assert_eq!(seen.1.split(" in ").next(), text.split(" in ").next(), "{name}");
        let words = |text: &str| -> std::collections::BTreeSet<String> {
            text.split(" in ")
                .nth(1)
                .unwrap_or_default()
                .split(' ')
                .map(ToOwned::to_owned)
                .collect()
        };
        assert_eq!(words(seen.1), words(text), "{name}");
    }
    assert_eq!(seen.len(), expected.len());
    assert_eq!(
        notes(&imported),
        [
            "3:9 prefix is not taken over",
            "6:5 topology.defaults.env is not taken over",
            "12:78 topology.nodes.fw.startup-config is not taken over",
            "13:5 topology.nodes.core names no service of the catalogue, and becomes a `network-switch`",
            "15:5 topology.nodes.pc1 names no service of the catalogue, and becomes a `linux-server`",
            "20:11 topology.nodes.pc1.exec[1] is not taken over",
            "21:5 topology.nodes.pc_1 becomes the decky `pc-1`",
            "21:5 topology.nodes.pc_1 names no service of the catalogue, and becomes a `linux-server`",
            "23:5 topology.nodes.spare is attached to no network, and is not taken over",
            "31:46 topology.links[4].endpoints[0].mac is not taken over",
            "34:32 topology.links[6].endpoints[1] is `nobody`, which is not a node: the link is not taken over",
        ]
    );
    assert_deployable(&imported);
}

const COMPOSE: &str = r#"
version: "3"
name: Shop & Co
services:
  proxy:
    image: registry.example.org/nginx:1.25
    ports: ["443:443", "8000-8010:8000-8010"]
    networks:
      front: {ipv4_address: 172.28.0.10}
      back:
    sysctls: ["net.ipv4.ip_forward=1"]
  app:
    build: .
    expose: [9999]
    networks: [back, front]
    volumes: ["./app:/app"]
  db:
    image: postgres
    ports:
      - {target: 5432, published: "5432", protocol: tcp}
    networks:
      data: {ipv4_address: 10.9.0.1}
      back: {ipv4_address: 192.168.0.9}
  batch: {image: busybox, network_mode: none}
networks:
  back: {internal: true}
  front:
    ipam: {config: [{subnet: 172.28.0.0/24, gateway: 172.28.0.1}, {subnet: "fd00::/64"}]}
  data:
    ipam: {driver: default, config: [{subnet: 10.9.0.0/24}]}
  unused: {}
"#;

#[test]
fn a_compose_file_becomes_a_maze() {
    let imported = imported(COMPOSE);
    assert_eq!(imported.format, ImportFormat::Compose);
    assert_eq!(imported.draft.header.name, "Shop & Co");
    assert_eq!(lans(&imported), ["back", "front 172.28.0.0/24 dmz", "data 10.9.0.0/24"]);
    let expected = [
        ("app", "usual (linux-server) in front back"),
        ("db", "postgres (database-server) in data back"),
        ("proxy", "http https (linux-server) forwards in front=172.28.0.10 back"),
    ];
    let deckies = deckies(&imported);
    let seen: Vec<_> = deckies.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_eq!(seen, expected);
    assert_eq!(
        notes(&imported),
        [
            "7:25 services.proxy.ports[1] is not one port of TCP or UDP, and is not taken over",
            "12:3 services.app listens on 9999/tcp, which no service of the catalogue answers",
            "12:3 services.app names no service of the catalogue, and becomes a `linux-server`",
            "13:12 services.app.build is not taken over",
            "16:5 services.app.volumes is not taken over",
            "17:3 services.db has 10.9.0.1 in `data`, whose gateway address it is: another address is allocated",
            "17:3 services.db has 192.168.0.9 in `back`, whose subnet is not known: another address is allocated",
            "17:3 services.db publishes ports, which only a gateway does: it is not in the DMZ",
            "24:3 services.batch is attached to no network, and is not taken over",
            "24:41 services.batch.network_mode is not taken over",
            "28:54 networks.front.ipam.config[0].gateway is not taken over",
            "28:77 networks.front.ipam.config[1].subnet is not taken over",
            "30:20 networks.data.ipam.driver is not taken over",
            "31:3 networks.unused has no hosts, and is not taken over",
        ]
    );
    assert_deployable(&imported);
}

#[test]
fn a_service_without_networks_is_in_the_default_one() {
    let imported = imported("services: {a: {image: redis}, b: {image: redis:7}}");
    assert_eq!(lans(&imported), ["default dmz"]);
    assert_eq!(
        notes(&imported),
        ["1:12 the default network becomes the DMZ, because it is the first network and no host publishes a port"]
    );
    assert_deployable(&imported);
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let refused = |text: &str| {
        let error = import(text, Syntax::Auto, &Catalog::builtin(), "lab").expect_err("refused");
        let finding = error.findings.into_iter().next().expect("a finding");
        let place = finding.place.map(|place| format!("{}:{} ", place.line, place.column));
        format!(
            "{}{}: {}",
            place.unwrap_or_default(),
            finding.code.as_str(),
            finding.message
        )
    };
    assert_eq!(
        refused("name: corp\nformat: decnet.topology/1\n"),
        "2:1 DOC_FORMAT: the file is a maze file already, and needs no import"
    );
    assert!(refused("[]").starts_with("DOC_FORMAT: the file is neither a containerlab topology"));
    assert!(refused("a: [").contains("DOC_SYNTAX: the file cannot be read as YAML"));
}

#[test]
fn a_file_beyond_a_limit_is_refused_in_words() {
    let refused = |text: &str| {
        let error = import(text, Syntax::Yaml, &Catalog::builtin(), "lab").expect_err("refused");
        error.findings[0].message.clone()
    };
    let aliases = ('b'..='j').zip('a'..).map(|(name, before)| {
        let many = vec![format!("*{before}"); 10].join(",");
        format!("{name}: &{name} [{many}]\n")
    });
    let text = format!(
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n{}services: *j\n",
        aliases.collect::<String>()
    );
    assert_eq!(
        refused(&text),
        "the file cannot be read as YAML: its aliases (`*name`) repeat too many values; write fewer of them"
    );
    let nested = "the file cannot be read as YAML: lists and maps are nested more than 64 levels deep";
    assert_eq!(refused(&format!("services: {}", "[".repeat(100_000))), nested);
    assert_eq!(refused(&format!("services: {}", "{a: ".repeat(5_000))), nested);
}

#[test]
fn a_link_that_joins_nothing_says_so_at_its_own_line() {
    let imported = imported(
        "topology:\n  nodes: {a: {kind: linux}, b: {kind: linux}}\n  links:\n    - endpoints: ['a:eth1', 'b:eth1']\n    \
         - endpoints: ['a:eth2']\n    - endpoints: []\n",
    );
    let notes = notes(&imported);
    for note in [
        "5:7 topology.links[1] joins only one node, and is not taken over",
        "6:7 topology.links[2] joins no node, and is not taken over",
    ] {
        assert!(notes.iter().any(|known| known == note), "{notes:#?}");
    }
}

#[test]
fn a_published_port_needs_a_gateway() {
    let imported = imported(
        "services:\n  web: {image: nginx, ports: ['80:80']}\n  \
         proxy: {image: nginx, ports: ['443:443'], networks: [default, back]}\n  \
         db: {image: mysql, ports: ['3306:3306'], networks: [back]}\n",
    );
    let forwards = |name: &str| {
        let mut deckies = imported.draft.deckies.iter();
        deckies.find(|decky| decky.name == name).map(|decky| decky.forwards_l3)
    };
    // Alone in the DMZ, nothing is forwarded.
    assert_eq!(forwards("web"), Some(true));
    assert_eq!(forwards("proxy"), Some(false));
    assert_eq!(
        notes(&imported),
        [
            "3:3 services.proxy publishes ports, which only a gateway does: with `forwards_l3: true` it is one, and forwards \
             packets",
            "4:3 services.db publishes ports, which only a gateway does: it is not in the DMZ",
        ]
    );
    assert_deployable(&imported);
}

#[test]
fn values_of_wrong_types_are_noted_and_the_rest_is_kept() {
    let imported = imported("services:\n  a: {image: [1], ports: {}, networks: 7}\n  b: text\n  c: {image: mysql}\n");
    assert_eq!(
        notes(&imported),
        [
            "2:3 services.a names no service of the catalogue, and becomes a `linux-server`",
            "2:7 services.a.image must be a text, not a list",
            "2:19 services.a.ports must be a list of ports, not a map",
            "2:30 services.a.networks must be a list or a map of networks, not a number",
            "3:6 services.b must be a map that describes a service, not a text",
            "3:6 services.b is attached to no network, and is not taken over",
        ]
    );
    assert!(deckies(&imported).contains_key("c"));
}

#[test]
fn names_are_valid_and_unique() {
    let long = "x".repeat(80);
    let text = format!(
        "services: {{'web.1': {{image: nginx}}, web_1: {{image: nginx}}, '---': {{image: nginx}}, {long}: {{image: nginx}}}}"
    );
    let imported = imported(&text);
    let names: Vec<_> = imported.draft.deckies.iter().map(|decky| decky.name.as_str()).collect();
    assert_eq!(names, ["web-1", "web-1-2", "decky", &long[..63]]);
    assert_deployable(&imported);
}

#[test]
fn no_text_makes_it_panic() {
    use proptest::prelude::*;
    let part = prop::sample::select(vec![
        "services",
        "topology",
        "nodes",
        "links",
        "endpoints",
        "networks",
        "image",
        "ports",
        "a:b",
        "a",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "  ",
        "- ",
        "80",
        "kind",
        "bridge",
        "null",
        "\"",
    ]);
    proptest!(|(parts in prop::collection::vec(part, 0..40), start in prop::sample::select(vec!["services:", "topology:"]))| {
        let text = format!("{start}{}", parts.concat());
        let _ = import(&text, Syntax::Auto, &Catalog::builtin(), "lab");
    });
}
