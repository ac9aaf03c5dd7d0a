//! The places of findings in the text of a maze file.

use decnet_topology::{Catalog, Code, Draft, Finding, RuleSet, Severity, Syntax, Target, document, validate};

const WRONG: &str = "\
# A maze with one fault of each kind.
format: decnet.topology/1
name: corp
lans:
  - {name: dmz, subnet: 10.0.0.0/24, dmz: true}
  - name: office
    subnet: 10.0.0.128/25
  - {name: cellar, subnet: 10.0.9.0/33}
  - {name: office, subnet: 127.0.0.0/24}
  - {name: attic, subnet: 10.0.7.0/24}
deckies:
  - name: web-01
    services: [http, sssh]
    archetype: web-serve
    persona: {os: windoze, hostname: -x-, versions: {http: '1', ftp: '2'}}
    service_config: {http: {servr: nginx}, smtp: {}}
    attachments: [{lan: dmz, ip: 10.0.3.1}, {lan: office, ip: 10.0.0.x}, {lan: nowhere}]
  - {name: web_02, attachments: []}
  - {name: web-03, forwards_l3: true, attachments: [{lan: attic, ip: 10.0.7.0}, {lan: ATTIC}]}
  - {name: web-04, attachments: [{lan: attic}], colour: red}
  - {attachments: []}
  - {name: web-04, services: [dns, llmnr, mdns], attachments: [{lan: dmz, ip: 10.0.0.9}]}
  - {name: web-05, attachments: [{lan: dmz, ip: 10.0.0.9}]}
";

fn located(text: &str, syntax: Syntax) -> Vec<Finding> {
    let draft = document::parse(text, syntax).expect("a document");
    let mut findings = validate(&draft, &Catalog::builtin(), RuleSet::deploy())
        .findings()
        .to_vec();
    document::locate(&mut findings, text, syntax);
    findings
}

/// Lists the line, the text from the place on, and the code of each finding.
fn shown(text: &str, findings: &[Finding]) -> Vec<String> {
    let mut findings: Vec<_> = findings.iter().collect();
    findings.sort_by_key(|finding| finding.place);
    let line = |finding: &Finding| {
        let place = finding.place.expect("every finding has a place");
        let line = text.lines().nth(place.line - 1).expect("a line of the text");
        let rest: String = line.chars().skip(place.column - 1).collect();
        let word = rest.split([',', '}', ']']).next().unwrap_or_default();
        format!("{} {word}: {}", place.line, finding.code)
    };
    findings.into_iter().map(line).collect()
}

#[test]
fn every_finding_has_the_place_of_its_value() {
    let findings = located(WRONG, Syntax::Yaml);
    assert_eq!(
        shown(WRONG, &findings),
        [
            "6 office: DMZ_ORPHAN",
            "7 10.0.0.128/25: SUBNET_OVERLAP",
            "8 cellar: DMZ_ORPHAN",
            "8 10.0.9.0/33: SUBNET_MALFORMED",
            "9 office: LAN_NAME_DUP",
            "9 127.0.0.0/24: SUBNET_SPECIAL",
            "10 attic: DMZ_ORPHAN",
            "13 sssh: UNKNOWN_SERVICE",
            "14 web-serve: ARCHETYPE_UNKNOWN",
            "15 windoze: PERSONA_OS_UNKNOWN",
            "15 -x-: PERSONA_HOSTNAME_INVALID",
            "15 2': PERSONA_VERSION_UNDECLARED",
            "16 servr: nginx: SERVICE_CFG_UNKNOWN_FIELD",
            "16 smtp: {: SERVICE_CFG_UNDECLARED",
            "17 10.0.3.1: IP_OUT_OF_SUBNET",
            "17 10.0.0.x: IP_MALFORMED",
            "17 nowhere: IP_UNKNOWN_LAN",
            "18 web_02: NAME_INVALID",
            "18 web_02: DECKY_ORPHAN",
            "19 forwards_l3: true: ROUTER_SINGLE_HOMED",
            "19 10.0.7.0: IP_RESERVED",
            "19 ATTIC: ATTACHMENT_DUP",
            "20 colour: red: DOC_UNKNOWN_KEY",
            "21 attachments: [: DOC_TYPE",
            "22 web-04: DECKY_NAME_DUP",
            "22 mdns: UNKNOWN_SERVICE",
            "23 10.0.0.9: IP_COLLISION",
        ]
    );
}

#[test]
fn the_whole_file_has_the_place_of_its_first_key() {
    let text = "# A comment.\n\nformat: decnet.topology/1\nlans: [{name: a}]\ndeckies: []\n";
    let findings = located(text, Syntax::Yaml);
    assert_eq!(
        shown(text, &findings),
        [
            "3 format: decnet.topology/1: DOC_TYPE",
            "4 lans: [{name: a: DMZ_MISSING"
        ]
    );
}

#[test]
fn a_json_file_has_places_too_also_with_escapes() {
    let text = "{\n \"format\": \"decnet.topology/1\",\n \"name\": \"corp\",\n \"lans\": [],\n \"deckies\": [\n  \
                {\"name\": \"w\\u0065b\", \"services\": [\"htpp\"]}\n ]\n}";
    let findings = located(text, Syntax::Json);
    let lines: Vec<_> = findings
        .iter()
        .map(|finding| (finding.code, finding.place.map(|place| place.line)))
        .collect();
    assert_eq!(
        lines,
        [
            (Code::DmzMissing, Some(4)),
            (Code::DeckyOrphan, Some(6)),
            (Code::UnknownService, Some(6))
        ]
    );
}

#[test]
fn findings_without_a_place_in_the_text_have_its_start_and_counts_have_none() {
    let finding = |target| Finding::new(Code::HostEngine, target, "x");
    let mut findings = vec![
        finding(Target::Topology),
        finding(Target::Decky { decky: "ghost".into() }),
        finding(Target::More { count: 7 }),
    ];
    for text in ["", "{", "\u{feff}- 1"] {
        let mut found = findings.clone();
        document::locate(&mut found, text, Syntax::Yaml);
        let places: Vec<_> = found.iter().map(|finding| finding.place_in("f")).collect();
        assert_eq!(places, ["f:1:1", "f:1:1", "f"], "{text}");
    }
    document::locate(&mut findings, [0xff, 0xfe], Syntax::Auto);
    assert_eq!(findings[0].place_in("f"), "f:1:1");
}

#[test]
fn a_place_that_is_known_is_kept_and_is_part_of_the_json() {
    let draft = document::parse("format: decnet.topology/1\nname: x\nlan: []", Syntax::Yaml).expect("a document");
    let mut findings = draft.findings;
    document::locate(&mut findings, "", Syntax::Yaml);
    let value = serde_json::to_value(&findings[0]).expect("JSON");
    assert_eq!((&value["line"], &value["column"]), (&3.into(), &1.into()));
    let without = Finding::new(Code::DmzMissing, Target::Topology, "x");
    assert_eq!(serde_json::to_value(&without).expect("JSON").get("line"), None);
    assert_eq!(
        (without.severity, Draft::default().findings.len()),
        (Severity::Error, 0)
    );
}
