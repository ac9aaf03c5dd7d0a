use std::collections::BTreeSet;

use decnet_topology::{
    Catalog, Code, Draft, Report, RuleSet, Severity, Topology,
    document::{self, Syntax},
    model::{DraftAttachment, DraftDecky, DraftLan},
    publish::Publish,
    repo::Claim,
    validate::{ForeignNetwork, HostFacts, HostRoute, Listener, Surroundings, validate, validate_against, validate_in},
};
use proptest::prelude::*;

use crate::{strategies, vectors::vectors};

#[test]
fn the_conformance_documents_break_exactly_the_listed_rules() {
    let catalog = Catalog::builtin();
    let mut failed = Vec::new();
    for row in vectors("validate.json") {
        let name = row["name"].as_str().expect("name");
        let draft = document::parse(row["topology"].to_string(), Syntax::Json).expect(name);
        let report = validate(&draft, &catalog, RuleSet::deploy());
        let found: BTreeSet<_> = report.errors().map(|finding| finding.code.as_str()).collect();
        let listed = row["errors"].as_array().expect("errors");
        let listed: BTreeSet<_> = listed.iter().map(|code| code.as_str().expect("code")).collect();
        let passed = match row["match"].as_str() {
            Some("exact") => found == listed,
            Some("contains") => found.is_superset(&listed),
            other => panic!("{name}: {other:?}"),
        };
        if !passed {
            failed.push(format!("{name}: expected {listed:?}, found {:#?}", report.findings()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A clean maze: LANs as a tree, one decky each that reaches the LAN above, and one more that reaches no other.
fn clean(parents: &[usize]) -> Draft {
    let mut draft = Draft::default();
    for at in 0..=parents.len() {
        let home = DraftAttachment {
            lan: at,
            ip: Some([10, 0, u8::try_from(at).expect("few LANs"), 2].into()),
        };
        draft.lans.push(DraftLan {
            name: format!("lan-{at}"),
            subnet: format!("10.0.{at}.0/24").parse().ok(),
            is_dmz: at == 0,
            ..DraftLan::default()
        });
        let mut bridge = DraftDecky {
            name: format!("bridge-{at}"),
            services: vec!["ssh".into(), "http".into()],
            forwards_l3: true,
            attachments: vec![home],
            ..DraftDecky::default()
        };
        if let Some(parent) = at.checked_sub(1).map(|edge| parents[edge] % at) {
            let host = 10 + u8::try_from(at).expect("few LANs");
            bridge.attachments.push(DraftAttachment {
                lan: parent,
                ip: Some([10, 0, u8::try_from(parent).expect("few LANs"), host].into()),
            });
        }
        let ip = Some([10, 0, u8::try_from(at).expect("few LANs"), 3].into());
        let other = DraftDecky {
            name: format!("other-{at}"),
            services: vec!["smb".into()],
            attachments: vec![DraftAttachment { lan: at, ip }],
            ..DraftDecky::default()
        };
        draft.deckies.extend([bridge, other]);
    }
    draft
}

type Fault = (Code, fn(&mut Draft, usize));

/// One fault each, at a LAN that is neither the DMZ nor the last. The bridge decky of LAN `n` is decky `2n`, its other one
/// `2n + 1`.
const FAULTS: &[Fault] = &[
    (Code::NameInvalid, |draft, at| draft.lans[at].name = "no_label".into()),
    (Code::NameInvalid, |draft, at| draft.deckies[2 * at].name = "-x".into()),
    (Code::NameInvalid, |draft, at| {
        draft.deckies[2 * at].name = "x".repeat(64)
    }),
    (Code::LanNameDup, |draft, at| {
        draft.lans[at].name = draft.lans[0].name.to_uppercase()
    }),
    (Code::DeckyNameDup, |draft, at| {
        draft.deckies[2 * at].name = draft.deckies[0].name.to_uppercase()
    }),
    (Code::IpUnknownLan, |draft, at| {
        let lan = draft.lans.len();
        draft.deckies[2 * at]
            .attachments
            .push(DraftAttachment { lan, ip: None });
    }),
    (Code::AttachmentDup, |draft, at| {
        let home = draft.deckies[2 * at].attachments[0];
        draft.deckies[2 * at]
            .attachments
            .push(DraftAttachment { ip: None, ..home });
    }),
    (Code::DmzMissing, |draft, _| {
        draft.lans[0].is_dmz = false;
        draft.deckies[0].forwards_l3 = false;
    }),
    (Code::DmzMultiple, |draft, at| {
        draft.lans[at].is_dmz = true;
        draft.deckies[2 * at].forwards_l3 = false;
    }),
    (Code::DmzOrphan, |draft, at| {
        let lan = draft.lans.len();
        draft.lans.push(DraftLan {
            name: format!("far-{at}"),
            ..DraftLan::default()
        });
        draft.deckies[2 * at].attachments[1].lan = lan;
        draft.deckies[2 * at].attachments[1].ip = None;
        draft.deckies[2 * at].attachments.remove(0);
        draft.deckies[2 * at].forwards_l3 = false;
    }),
    (Code::DmzOrphan, |draft, at| {
        draft.lans.push(DraftLan {
            name: format!("far-{at}"),
            ..DraftLan::default()
        })
    }),
    (Code::DeckyOrphan, |draft, at| {
        draft.deckies[2 * at + 1].attachments.clear()
    }),
    (Code::IpOutOfSubnet, |draft, at| {
        draft.deckies[2 * at + 1].attachments[0].ip = Some([10, 1, 0, 9].into())
    }),
    (Code::IpCollision, |draft, at| {
        draft.deckies[2 * at + 1].attachments[0].ip = draft.deckies[2 * at].attachments[0].ip;
    }),
    (Code::IpReserved, |draft, at| {
        draft.deckies[2 * at].attachments[0].ip = ip(at, 0)
    }),
    (Code::IpReserved, |draft, at| {
        draft.deckies[2 * at].attachments[0].ip = ip(at, 1)
    }),
    (Code::IpReserved, |draft, at| {
        draft.deckies[2 * at].attachments[0].ip = ip(at, 255)
    }),
    (Code::SubnetOverlap, |draft, at| {
        draft.lans[at].subnet = draft.lans[0].subnet;
        draft
            .deckies
            .iter_mut()
            .flat_map(|decky| &mut decky.attachments)
            .for_each(|attachment| attachment.ip = None);
    }),
    (Code::SubnetOverlap, |draft, _| {
        draft.lans[0].subnet = "10.0.0.0/16".parse().ok()
    }),
    (Code::SubnetTooSmall, |draft, at| {
        draft.lans[at].subnet = format!("10.0.{at}.0/30").parse().ok();
        draft
            .deckies
            .iter_mut()
            .flat_map(|decky| &mut decky.attachments)
            .for_each(|attachment| attachment.ip = None);
    }),
    (Code::SubnetTooSmall, |draft, at| {
        draft.lans[at].subnet = format!("10.0.{at}.0/29").parse().ok();
        draft.deckies.extend((0..5).map(|n| DraftDecky {
            name: format!("more-{n}"),
            attachments: vec![DraftAttachment { lan: at, ip: None }],
            ..DraftDecky::default()
        }));
        draft
            .deckies
            .iter_mut()
            .flat_map(|decky| &mut decky.attachments)
            .for_each(|attachment| attachment.ip = None);
    }),
    (Code::UnknownService, |draft, at| {
        draft.deckies[2 * at].services.push("htpp".into())
    }),
    (Code::UnknownService, |draft, at| {
        draft.deckies[2 * at].services.push("sniffer".into())
    }),
    (Code::ArchetypeUnknown, |draft, at| {
        draft.deckies[2 * at].archetype = Some("toaster".into())
    }),
    (Code::ServicePortClash, |draft, at| {
        draft.deckies[2 * at].services.push("conpot".into())
    }),
    (Code::ServiceCfgUndeclared, |draft, at| {
        configure(draft, at, "ftp", "user", "x".into())
    }),
    (Code::ServiceCfgInvalid, |draft, at| {
        configure(draft, at, "ssh", "password", 5.into())
    }),
    (Code::ServiceCfgUnknownField, |draft, at| {
        configure(draft, at, "ssh", "pasword", "x".into())
    }),
    (Code::RouterSingleHomed, |draft, at| {
        draft.deckies[2 * at + 1].forwards_l3 = true
    }),
    (Code::GatewayPortClash, |draft, _| {
        draft.deckies[1].services = vec!["ssh".into()];
        draft.deckies[1].forwards_l3 = true;
    }),
];

fn ip(lan: usize, host: u8) -> Option<std::net::Ipv4Addr> {
    Some([10, 0, u8::try_from(lan).expect("few LANs"), host].into())
}

fn configure(draft: &mut Draft, lan: usize, service: &str, field: &str, value: serde_json::Value) {
    let fields = draft.deckies[2 * lan].service_config.entry(service.into()).or_default();
    fields.insert(field.into(), value);
}

proptest! {
    #[test]
    fn every_injected_fault_is_found_by_its_code_and_only_that(parents in prop::collection::vec(any::<usize>(), 2..20)) {
        let catalog = Catalog::builtin();
        let draft = clean(&parents);
        let before = validate(&draft, &catalog, RuleSet::deploy());
        prop_assert_eq!(before.findings(), &[]);
        for (number, (code, inject)) in FAULTS.iter().enumerate() {
            let mut faulty = draft.clone();
            inject(&mut faulty, 1);
            let report = validate(&faulty, &catalog, RuleSet::deploy());
            let codes: BTreeSet<_> = report.findings().iter().map(|finding| finding.code).collect();
            prop_assert!(codes.contains(code), "fault {}: {:?}", number, codes);
            prop_assert_eq!(codes.len(), 1, "fault {}: {:#?}", number, report);
        }
    }

    #[test]
    fn no_draft_brings_the_rules_down(draft in strategies::draft()) {
        let report = validate(&draft, &Catalog::builtin(), RuleSet::deploy());
        let live = validate(&draft, &Catalog::builtin(), RuleSet::live());
        prop_assert_eq!(report.findings().len(), live.findings().len());
    }
}

#[test]
fn at_least_twenty_faults_are_tried() {
    let codes: BTreeSet<_> = FAULTS.iter().map(|(code, _)| code).collect();
    assert!(FAULTS.len() >= 20 && codes.len() >= 20, "{}", codes.len());
}

/// Shows a report as a person would read it.
fn shown(report: &Report) -> String {
    let lines = report
        .findings()
        .iter()
        .map(|finding| format!("{finding}\n    {:?}", finding.target));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn messages_say_what_is_wrong_where_and_what_to_do() {
    let draft = clean(&[0, 1]);
    let mut all = Vec::new();
    for (code, inject) in FAULTS {
        let mut faulty = draft.clone();
        inject(&mut faulty, 1);
        let report = validate(&faulty, &Catalog::builtin(), RuleSet::deploy());
        all.push(format!("--- {code}\n{}", shown(&report)));
    }
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn live_rules_make_warnings_of_the_shape_and_of_nothing_else() {
    let catalog = Catalog::builtin();
    let shape = [Code::DmzMissing, Code::DmzMultiple, Code::DmzOrphan, Code::DeckyOrphan];
    for (code, inject) in FAULTS {
        let mut faulty = clean(&[0, 0]);
        inject(&mut faulty, 1);
        let (deploy, live) = (
            validate(&faulty, &catalog, RuleSet::deploy()),
            validate(&faulty, &catalog, RuleSet::live()),
        );
        assert_eq!(deploy.findings().len(), live.findings().len());
        let told = live
            .findings()
            .iter()
            .find(|finding| finding.code == *code)
            .expect("found");
        let expected = if shape.contains(code) {
            Severity::Warning
        } else {
            code.severity()
        };
        assert_eq!(told.severity, expected, "{code}");
    }
}

fn gateways() -> Topology {
    let maze = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .lan("office", "172.20.1.0/24")
        .decky("one", |decky| {
            decky
                .on("dmz", "172.20.0.10")
                .on("office", "172.20.1.10")
                .services(["ssh", "dns"])
                .forwards()
        })
        .decky("two", |decky| {
            decky.on("dmz", "172.20.0.11").services(["ssh", "smtp"]).forwards()
        })
        .decky("three", |decky| decky.on("dmz", "172.20.0.12").services(["ssh"]));
    maze.build().expect("a maze")
}

fn publish(rules: &[&str]) -> Publish {
    rules.iter().map(|rule| rule.parse().expect("a rule")).collect()
}

/// Validates the two gateways and returns `CODE message` of what is found.
fn around(publish: &Publish, host: &HostFacts, claims: &[Claim]) -> Vec<String> {
    let surroundings = Surroundings {
        claims,
        publish: Some(publish),
        host: Some(host),
    };
    let report = validate_in(&gateways(), &Catalog::builtin(), RuleSet::deploy(), surroundings);
    report.findings().iter().map(ToString::to_string).collect()
}

#[test]
fn gateways_clash_unless_their_ports_are_mapped_apart() {
    let host = HostFacts::default();
    let clashes = |rules: &[&str]| around(&publish(rules), &host, &[]).len();
    assert_eq!(clashes(&[]), 1);
    assert_eq!(clashes(&["ssh=2222"]), 1);
    assert_eq!(clashes(&["two.ssh=2222"]), 0);
    assert_eq!(clashes(&["one.*=10.9.9.1", "two.*=10.9.9.2"]), 0);
    assert_eq!(clashes(&["one.*=10.9.9.1"]), 1);
    // Two ports of one gateway, and both protocols of a service.
    assert_eq!(clashes(&["two.ssh=25"]), 1);
    assert_eq!(clashes(&["two.ssh=53"]), 1);
    assert_eq!(clashes(&["two.ssh=587", "two.smtp:587=22", "one.ssh=2222"]), 0);
}

#[test]
fn a_port_of_the_host_that_is_in_use_is_told() {
    let listener = |address: Option<[u8; 4]>, port: &str, owner: Option<&str>| HostFacts {
        listeners: vec![Listener {
            address: address.map(Into::into),
            port: port.parse().expect("a port"),
            owner: owner.map(Into::into),
        }],
        ..HostFacts::default()
    };
    let rules = publish(&["two.ssh=127.0.0.1:2222"]);
    let told = |facts: &HostFacts| around(&rules, facts, &[]);
    assert_eq!(
        told(&listener(None, "22/tcp", Some("sshd"))),
        [
            "error HOST_PORT_TAKEN: sshd on the host listens on 22/tcp, where gateway `one` publishes `ssh`; stop it, or publish \
          elsewhere (one.ssh:22=PORT)"
        ]
    );
    assert_eq!(told(&listener(Some([127, 0, 0, 53]), "53/udp", None)).len(), 1);
    assert_eq!(told(&listener(Some([127, 0, 0, 1]), "2222/tcp", None)).len(), 1);
    assert_eq!(told(&listener(None, "2222/tcp", None)).len(), 1);
    assert_eq!(told(&listener(Some([10, 0, 0, 1]), "2222/tcp", None)), [""; 0]);
    assert_eq!(told(&listener(None, "22/udp", None)), [""; 0]);
    assert_eq!(told(&listener(None, "80/tcp", None)), [""; 0]);
}

#[test]
fn a_foreign_network_or_route_on_a_subnet_is_told_once_with_its_owner() {
    let subnet = |text: &str| text.parse().expect("a subnet");
    let facts = HostFacts {
        listeners: Vec::new(),
        networks: vec![
            ForeignNetwork {
                name: "theirs".into(),
                subnet: subnet("172.20.1.128/25"),
            },
            ForeignNetwork {
                name: "far".into(),
                subnet: subnet("172.21.0.0/16"),
            },
        ],
        routes: vec![
            HostRoute {
                subnet: subnet("172.20.1.128/25"),
                owner: "br-1".into(),
            },
            HostRoute {
                subnet: subnet("0.0.0.0/0"),
                owner: "eth0".into(),
            },
            HostRoute {
                subnet: subnet("172.16.0.0/12"),
                owner: "vpn0".into(),
            },
        ],
    };
    insta::assert_snapshot!(around(&publish(&["two.ssh=2222"]), &facts, &[]).join("\n"));
}

#[test]
fn a_claimed_subnet_overlaps() {
    let claim = |lan: &str, subnet: &str| Claim {
        topology: "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id"),
        name: "plant".parse().expect("a name"),
        lan: lan.parse().expect("a name"),
        subnet: subnet.parse().expect("a subnet"),
    };
    let claims = [
        claim("a", "172.20.0.0/16"),
        claim("b", "172.20.1.64/26"),
        claim("c", "172.21.0.0/24"),
    ];
    let maze = clean(&[]);
    assert!(validate_against(&maze, &Catalog::builtin(), RuleSet::live(), &claims).is_clean());
    let maze = Topology::builder().dmz("dmz", "172.20.1.0/24").build().expect("a maze");
    let report = validate_against(&maze, &Catalog::builtin(), RuleSet::live(), &claims);
    assert_eq!(
        report
            .errors()
            .filter(|finding| finding.code == Code::SubnetOverlap)
            .count(),
        2
    );
    insta::assert_snapshot!(shown(&report));
}

proptest! {
    #[test]
    fn overlaps_are_found_exactly_where_they_are(
        nets in prop::collection::vec((0_u32..64, 26_u8..=32), 1..5),
        others in prop::collection::vec((0_u32..64, 26_u8..=32), 0..5),
    ) {
        let subnet = |(bits, prefix): &(u32, u8)| ipnet::Ipv4Net::new((*bits).into(), *prefix).expect("prefix").trunc();
        let lan = |(at, net)| DraftLan {
            name: format!("lan-{at}"),
            subnet: Some(subnet(net)),
            is_dmz: at == 0,
            ..DraftLan::default()
        };
        let draft = Draft { lans: nets.iter().enumerate().map(lan).collect(), ..Draft::default() };
        let networks = others.iter().map(|net| ForeignNetwork { name: "x".into(), subnet: subnet(net) });
        let facts = HostFacts { networks: networks.collect(), ..HostFacts::default() };
        let surroundings = Surroundings { host: Some(&facts), ..Surroundings::default() };
        let report = validate_in(&draft, &Catalog::builtin(), RuleSet::live(), surroundings);
        let told = |code| report.errors().filter(move |finding| finding.code == code);
        let meet = |one: &(u32, u8), two: &(u32, u8)| {
            let (one, two) = (subnet(one), subnet(two));
            one.network() <= two.broadcast() && two.network() <= one.broadcast()
        };
        let pairs = (0..nets.len()).flat_map(|one| (0..one).map(move |two| (one, two)));
        let own = pairs.filter(|(one, two)| meet(&nets[*one], &nets[*two])).count();
        prop_assert_eq!(told(Code::SubnetOverlap).count(), own);
        // Networks all have one name, so that equal ones are told once.
        let distinct: BTreeSet<_> = others.iter().map(subnet).collect();
        let distinct: Vec<_> = distinct.iter().map(|net| (u32::from(net.network()), net.prefix_len())).collect();
        let foreign = nets.iter().flat_map(|net| distinct.iter().filter(move |other| meet(net, other))).count();
        prop_assert_eq!(told(Code::SubnetHostOverlap).count(), foreign);
    }
}

#[test]
fn every_pair_of_few_overlapping_lans_is_told_and_many_do_not_explode() {
    let lans = |count: usize| Draft {
        lans: (0..count)
            .map(|at| DraftLan {
                name: format!("lan-{at}"),
                subnet: "10.0.0.0/24".parse().ok(),
                ..DraftLan::default()
            })
            .collect(),
        ..Draft::default()
    };
    let pairs = |count| {
        let report = validate(&lans(count), &Catalog::builtin(), RuleSet::deploy());
        report
            .errors()
            .filter(|finding| finding.code == Code::SubnetOverlap)
            .count()
    };
    assert_eq!(pairs(5), 10);
    assert_eq!(pairs(1000), 4 * 1000 - 10);
}

#[test]
fn a_valid_topology_remembers_its_rules() {
    let catalog = Catalog::builtin();
    let maze = Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .lan("a", "10.0.1.0/24")
        .build()
        .expect("a maze");
    let refused = maze
        .clone()
        .validate(&catalog, RuleSet::deploy())
        .expect_err("an orphan");
    assert_eq!(refused.report.errors().count(), 1);
    let valid = maze.clone().validate(&catalog, RuleSet::live()).expect("live rules");
    assert_eq!(valid.report().warnings().count(), 1);
    assert!(valid.rules().covers(RuleSet::live()) && !valid.rules().covers(RuleSet::deploy()));
    assert_eq!(valid.into_topology(), maze);
}
