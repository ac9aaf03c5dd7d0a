use std::collections::BTreeSet;

use decnet_topology::{
    Catalog, Code, Draft, DraftAttachment, DraftDecky, DraftLan, Finding, Persona, Report, RuleSet, Severity, Syntax,
    Topology, document, validate,
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

/// A valid maze: a tree of LANs, each with one decky that connects to the parent LAN and one more without other LANs.
pub(crate) fn clean(parents: &[usize]) -> Draft {
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
            services: Some(vec!["ssh".into(), "http".into()]),
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
            services: Some(vec!["smb".into()]),
            attachments: vec![DraftAttachment { lan: at, ip }],
            ..DraftDecky::default()
        };
        draft.deckies.extend([bridge, other]);
    }
    draft
}

type Fault = (Code, fn(&mut Draft, usize));

/// One fault each, on a LAN that is neither the DMZ nor the last. The bridge decky of LAN `n` is decky `2n`, the other one is
/// `2n + 1`.
const FAULTS: &[Fault] = &[
    (Code::NameInvalid, |draft, at| draft.lans[at].name = "no_label".into()),
    (Code::NameInvalid, |draft, at| draft.deckies[2 * at].name = "-x".into()),
    (Code::NameInvalid, |draft, at| {
        draft.deckies[2 * at].name = "x".repeat(64);
    }),
    (Code::LanNameDup, |draft, at| {
        draft.lans[at].name = draft.lans[0].name.to_uppercase();
    }),
    (Code::DeckyNameDup, |draft, at| {
        draft.deckies[2 * at].name = draft.deckies[0].name.to_uppercase();
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
        });
    }),
    (Code::DeckyOrphan, |draft, at| {
        draft.deckies[2 * at + 1].attachments.clear();
    }),
    (Code::IpOutOfSubnet, |draft, at| {
        draft.deckies[2 * at + 1].attachments[0].ip = Some([10, 1, 0, 9].into());
    }),
    (Code::IpCollision, |draft, at| {
        draft.deckies[2 * at + 1].attachments[0].ip = draft.deckies[2 * at].attachments[0].ip;
    }),
    (Code::IpReserved, |draft, at| {
        draft.deckies[2 * at].attachments[0].ip = Some(ip(at, 0));
    }),
    (Code::IpReserved, |draft, at| {
        draft.deckies[2 * at].attachments[0].ip = Some(ip(at, 1));
    }),
    (Code::IpReserved, |draft, at| {
        draft.deckies[2 * at].attachments[0].ip = Some(ip(at, 255));
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
        draft.lans[0].subnet = "10.0.0.0/16".parse().ok();
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
    (Code::SubnetSpecial, |draft, at| {
        draft.lans[at].subnet = format!("127.0.{at}.0/24").parse().ok();
        draft
            .deckies
            .iter_mut()
            .flat_map(|decky| &mut decky.attachments)
            .for_each(|attachment| attachment.ip = None);
    }),
    (Code::UnknownService, |draft, at| {
        draft.deckies[2 * at]
            .services
            .get_or_insert_default()
            .push("htpp".into());
    }),
    (Code::UnknownService, |draft, at| {
        draft.deckies[2 * at]
            .services
            .get_or_insert_default()
            .push("sniffer".into());
    }),
    (Code::ArchetypeUnknown, |draft, at| {
        draft.deckies[2 * at].archetype = Some("toaster".into());
    }),
    (Code::ServicePortClash, |draft, at| {
        draft.deckies[2 * at]
            .services
            .get_or_insert_default()
            .push("conpot".into());
    }),
    (Code::ServiceCfgUndeclared, |draft, at| {
        configure(draft, at, "ftp", "user", "x".into());
    }),
    (Code::ServiceCfgInvalid, |draft, at| {
        configure(draft, at, "ssh", "password", 5.into());
    }),
    (Code::ServiceCfgUnknownField, |draft, at| {
        configure(draft, at, "ssh", "pasword", "x".into());
    }),
    (Code::PersonaOsUnknown, |draft, at| {
        pin(draft, at, Persona::default().os("windows-server-2018"));
    }),
    (Code::PersonaHostnameInvalid, |draft, at| {
        pin(draft, at, Persona::default().hostname("fin_dc"));
    }),
    (Code::PersonaVersionUndeclared, |draft, at| {
        pin(draft, at, Persona::default().version("vnc", "3.8"));
    }),
    (Code::PersonaHostnameTwice, |draft, at| {
        draft.deckies[2 * at + 1].persona = Some(Persona::default().hostname("Fin-DC-01"));
        pin(draft, at, Persona::default().hostname("fin-dc-01"));
    }),
    (Code::PersonaHostnameTwice, |draft, at| {
        let hostname = draft.deckies[2 * at + 1].name.clone();
        pin(draft, at, Persona::default().hostname(&hostname));
    }),
    (Code::PersonaVersionUnshown, |draft, at| {
        draft.deckies[2 * at]
            .services
            .get_or_insert_default()
            .push("telnet".into());
        pin(draft, at, Persona::default().version("telnet", "0.17"));
    }),
    (Code::PersonaVersionInvalid, |draft, at| {
        draft.deckies[2 * at]
            .services
            .get_or_insert_default()
            .push("mssql".into());
        pin(draft, at, Persona::default().version("mssql", "15.0.2000"));
    }),
    (Code::PersonaVersionInvalid, |draft, at| {
        pin(draft, at, Persona::default().version("ssh", "OpenSSH_8.4\r\n"));
    }),
    (Code::RouterSingleHomed, |draft, at| {
        draft.deckies[2 * at + 1].forwards_l3 = true;
    }),
    (Code::GatewayPortClash, |draft, _| {
        draft.deckies[1].services = Some(vec!["ssh".into()]);
        draft.deckies[1].forwards_l3 = true;
    }),
];

fn ip(lan: usize, host: u8) -> std::net::Ipv4Addr {
    [10, 0, u8::try_from(lan).expect("few LANs"), host].into()
}

fn pin(draft: &mut Draft, lan: usize, persona: Persona) {
    draft.deckies[2 * lan].persona = Some(persona);
}

fn configure(draft: &mut Draft, lan: usize, service: &str, field: &str, value: serde_json::Value) {
    let fields = draft.deckies[2 * lan].service_config.entry(service.into()).or_default();
    fields.insert(field.into(), value);
}

proptest! {
    #[test]
    fn every_injected_fault_is_reported_with_its_code_and_no_other(parents in prop::collection::vec(any::<usize>(), 2..20)) {
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
    fn no_draft_makes_the_rules_panic(draft in strategies::draft()) {
        let report = validate(&draft, &Catalog::builtin(), RuleSet::deploy());
        let live = validate(&draft, &Catalog::builtin(), RuleSet::live());
        prop_assert_eq!(report.findings().len(), live.findings().len());
    }
}

#[test]
fn at_least_twenty_faults_are_tested() {
    let codes: BTreeSet<_> = FAULTS.iter().map(|(code, _)| code).collect();
    assert!(FAULTS.len() >= 20 && codes.len() >= 20, "{}", codes.len());
}

/// Formats a report for people.
pub(crate) fn shown(report: &Report) -> String {
    let lines = report
        .findings()
        .iter()
        .map(|finding| format!("{finding}\n    {:?}", finding.target));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn messages_name_the_fault_the_place_and_the_remedy() {
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
fn live_rules_turn_only_findings_on_the_shape_into_warnings() {
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
        let found = live
            .findings()
            .iter()
            .find(|finding| finding.code == *code)
            .expect("found");
        let expected = if shape.contains(code) {
            Severity::Warning
        } else {
            code.severity()
        };
        assert_eq!(found.severity, expected, "{code}");
    }
}

#[test]
fn every_pair_of_few_overlapping_lans_is_reported_and_the_report_of_many_is_bounded() {
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
            .map(Finding::count)
            .sum::<u64>()
    };
    assert_eq!(pairs(5), 10);
    assert_eq!(pairs(1000), 4 * 1000 - 10);
}

#[test]
fn a_capability_that_allows_a_breakout_is_a_warning_and_others_are_not() {
    let found = |capability: &str| {
        let text = format!("[services.http]\ncapabilities = [\"{capability}\", \"NET_BIND_SERVICE\"]");
        let catalog = Catalog::builtin().extend_from_toml(&text).expect("a catalogue");
        let report = validate(&clean(&[0, 0]), &catalog, RuleSet::deploy());
        report
            .findings()
            .iter()
            .map(|finding| {
                assert!(
                    finding.message.contains("http") && finding.message.contains("NET_RAW"),
                    "{finding}"
                );
                (finding.code, finding.severity)
            })
            .collect::<BTreeSet<_>>()
    };
    let warning = BTreeSet::from([(Code::ServiceCapability, Severity::Warning)]);
    assert_eq!((found("NET_RAW"), found("cap_net_raw")), (warning.clone(), warning));
    assert_eq!(found("CHOWN"), BTreeSet::new());
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

#[test]
fn ports_clash_if_they_are_the_same_and_only_then() {
    let service = |name: &str, ports: &str| format!("[services.{name}]\nimage = \"builtin\"\nports = [{ports}]\n");
    let clashes = |one: &str, two: &str| {
        let text = service("one", one) + &service("two", two);
        let catalog = Catalog::empty().extend_from_toml(&text).expect("a catalogue");
        let decky = DraftDecky {
            name: "decky".into(),
            services: Some(vec!["two".into(), "one".into(), "two".into()]),
            ..DraftDecky::default()
        };
        let draft = Draft {
            deckies: vec![decky],
            ..Draft::default()
        };
        let report = validate(&draft, &catalog, RuleSet::deploy());
        let clashes = report
            .findings()
            .iter()
            .filter(|finding| finding.code == Code::ServicePortClash);
        clashes.count()
    };
    assert_eq!(clashes(r#""53/tcp", "80/tcp""#, r#""80/tcp", "53/udp""#), 1);
    assert_eq!(clashes(r#""53/tcp""#, r#""53/udp""#), 0);
    for other in 1..1000 {
        assert_eq!(
            clashes(r#""440/tcp""#, &format!("\"{other}/tcp\"")),
            usize::from(other == 440)
        );
    }
}

proptest! {
    #[test]
    fn exactly_the_repeated_outside_and_reserved_addresses_are_reported(
        subnets in prop::collection::vec(prop::option::of((0_u32..2048, 21_u8..=32)), 1..4),
        attached in prop::collection::vec((0_usize..3, prop::option::of(0_u32..2048)), 0..24),
    ) {
        let subnet = |(bits, prefix)| ipnet::Ipv4Net::new(std::net::Ipv4Addr::from_bits(bits), prefix).expect("a prefix");
        let subnets: Vec<_> = subnets.into_iter().map(|net| net.map(subnet)).collect();
        let lans = subnets.iter().enumerate().map(|(at, subnet)| DraftLan {
            name: format!("lan-{at}"),
            subnet: *subnet,
            ..DraftLan::default()
        });
        let attached: Vec<_> = attached
            .into_iter()
            .map(|(lan, ip)| DraftAttachment { lan: lan % subnets.len(), ip: ip.map(Into::into) })
            .collect();
        let deckies = attached.iter().enumerate().map(|(at, attachment)| DraftDecky {
            name: format!("decky-{at}"),
            attachments: vec![*attachment],
            ..DraftDecky::default()
        });
        let draft = Draft { lans: lans.collect(), deckies: deckies.collect(), ..Draft::default() };
        let report = validate(&draft, &Catalog::builtin(), RuleSet::deploy());
        let count_of = |code| report.findings().iter().filter(move |finding| finding.code == code).count();
        let doubled = |at: &usize| attached[*at].ip.is_some() && attached[..*at].contains(&attached[*at]);
        prop_assert_eq!(count_of(Code::IpCollision), (0..attached.len()).filter(doubled).count());
        let placed: Vec<_> = attached.iter().filter_map(|on| Some((subnets[on.lan]?, on.ip?))).collect();
        let outside = placed.iter().filter(|(net, ip)| *ip < net.network() || *ip > net.broadcast());
        prop_assert_eq!(count_of(Code::IpOutOfSubnet), outside.count());
        let reserved = placed.iter().filter(|(net, ip)| {
            let gateway = net.network().to_bits() + 1;
            net.prefix_len() <= 30 && (*ip == net.network() || *ip == net.broadcast() || ip.to_bits() == gateway)
        });
        prop_assert_eq!(count_of(Code::IpReserved), reserved.count());
    }
}
