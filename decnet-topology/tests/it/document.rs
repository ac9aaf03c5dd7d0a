use std::{collections::BTreeSet, fmt::Write as _};

use decnet_topology::{
    Catalog, Code, Decky, DocumentError, Draft, Finding, SubnetPool, Syntax, Target, document,
    document::{MAX_BYTES, MAX_DEPTH, MAX_VALUES},
};
use proptest::prelude::*;
use serde_json::json;

use crate::strategies;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 512 } else { 4096 }))]

    #[test]
    fn a_draft_printed_as_json_parses_to_the_same(draft in strategies::draft()) {
        check_round_trip(&draft, Syntax::Json)?;
    }

    #[test]
    fn a_draft_printed_as_yaml_parses_to_the_same(draft in strategies::draft()) {
        check_round_trip(&draft, Syntax::Yaml)?;
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for syntax in [Syntax::Json, Syntax::Yaml, Syntax::Auto] {
            let _ = document::parse(&bytes, syntax);
        }
    }

    #[test]
    fn no_yaml_makes_the_parser_panic(text in "(format: decnet.topology/1\n)?[a-z&*!{}\\[\\],:?|> \n\"'#-]{0,60}") {
        let _ = document::parse(&text, Syntax::Yaml);
    }
}

fn check_round_trip(draft: &Draft, syntax: Syntax) -> Result<(), TestCaseError> {
    let text = document::print(draft, syntax);
    for read_as in [syntax, Syntax::Auto] {
        let parsed = document::parse(&text, read_as);
        let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{error:?}\n{text}")))?;
        prop_assert_eq!(&parsed, draft, "{}", text);
    }
    Ok(())
}

fn parse(text: &str) -> Draft {
    document::parse(text, Syntax::Auto).unwrap_or_else(|error| panic!("{error:?}"))
}

fn refusal(text: impl AsRef<[u8]>, syntax: Syntax) -> Finding {
    let DocumentError { findings } = document::parse(text, syntax).expect_err("it is not a document");
    assert_eq!(findings.len(), 1);
    findings.into_iter().next().expect("one")
}

/// Parses a document and returns `CODE path line:column message` of each finding.
fn findings_of(text: &str) -> Vec<String> {
    let describe = |finding: &Finding| match &finding.target {
        Target::Document { path, line, column } => {
            let place = line
                .zip(*column)
                .map_or(String::new(), |(line, column)| format!(" {line}:{column}"));
            format!("{} {path}{place}: {}", finding.code, finding.message)
        }
        _ => format!("{}: {}", finding.code, finding.message),
    };
    parse(text).findings.iter().map(describe).collect()
}

#[test]
fn a_complete_document_is_read_in_both_syntaxes() {
    let yaml = "
format: decnet.topology/1
name: corp
id: 01234567-89ab-4cde-8f01-23456789abcd
status: active
version: 3
seed: 18446744073709551615
lans:
  - {name: dmz, subnet: 172.20.0.0/24, dmz: true, x: 1, y: -2.5}
  - {name: office, subnet: null}
deckies:
  - name: web-01
    archetype: web-server
    services: [http, ssh]
    service_config: {ssh: {password: hunter2, port: 22}}
    persona: {os: windows-server-2019, hostname: fin-dc-01, versions: {ssh: OpenSSH_for_Windows_8.1}}
    forwards_l3: true
    attachments: [{lan: DMZ, ip: 172.20.0.10}, {lan: office, ip: null}]
";
    let json = json!({
        "format": "decnet.topology/1", "name": "corp", "id": "01234567-89ab-4cde-8f01-23456789abcd",
        "status": "active", "version": 3, "seed": u64::MAX,
        "deckies": [{
            "name": "web-01", "archetype": "web-server", "services": ["http", "ssh"],
            "service_config": {"ssh": {"password": "hunter2", "port": 22}},
            "persona": {"os": "windows-server-2019", "hostname": "fin-dc-01", "versions": {"ssh": "OpenSSH_for_Windows_8.1"}},
            "forwards_l3": true,
            "attachments": [{"lan": "dmz", "ip": "172.20.0.10"}, {"lan": "office"}],
        }],
        "lans": [
            {"name": "dmz", "subnet": "172.20.0.0/24", "dmz": true, "x": 1, "y": -2.5},
            {"name": "office"},
        ],
    });
    let draft = parse(yaml);
    assert_eq!(draft.findings, []);
    assert_eq!(draft, parse(&json.to_string()));
    assert_eq!(draft.header.seed, Some(u64::MAX));
    assert_eq!(draft.lans[1].subnet, None);
    assert_eq!(draft.deckies[0].attachments.len(), 2);
}

#[test]
fn every_fault_is_reported_with_its_place_and_the_rest_is_read() {
    let text = r#"format: decnet.topology/1
name: corp
colour: blue
lans:
  - {name: dmz, subnet: 172.20.0.0/24, dmz: "true"}
  - {name: office, subent: 172.20.1.0/24, subnet: 172.20.1.1/24}
  - {subnet: 10.0.0.0/24}
  - 5
deckies:
  - name: web
    name: web-2
    services: [http, 22, ssh]
    forwards_l3: 1
    service_config: {ssh: {a: 1, a: 2, b: .nan}, http: 5}
    attachments:
      - {lan: dmz, ip: 172.20.0.300}
      - {lan: DMZ}
      - {lan: offic}
      - {ip: 10.0.0.1}
  - {name: null, x: far}
"#;
    insta::assert_snapshot!(findings_of(text).join("\n"));
    let draft = parse(text);
    assert_eq!(draft.lans.len(), 2);
    assert_eq!(draft.deckies.len(), 1);
    assert_eq!(draft.deckies[0].name, "web");
    assert_eq!(draft.deckies[0].attachments.len(), 1);
    assert_eq!(draft.deckies[0].services.as_ref().map(Vec::len), Some(2));
}

#[test]
fn json_findings_have_line_and_column_too() {
    let text =
        "{\"format\": \"decnet.topology/1\", \"name\": \"a\",\n \"lans\": [\n  {\"name\": \"dmz\", \"dmzz\": true}]}";
    assert_eq!(
        findings_of(text),
        ["DOC_UNKNOWN_KEY lans[0].dmzz 3:20: lans[0] has no key `dmzz` (did you mean `dmz`?)"]
    );
}

#[test]
fn types_are_strict() {
    for (key, value) in [
        ("name", "5"),
        ("name", "null"),
        ("lans", "null"),
        ("lans", "{}"),
        ("deckies", "\"\""),
        ("version", "-1"),
        ("version", "1.5"),
        ("version", "\"1\""),
        ("seed", "-5"),
        ("id", "\"x\""),
        ("status", "\"running\""),
        ("config", "[]"),
        ("lans", "[{\"name\": \"a\", \"dmz\": \"false\"}]"),
        ("lans", "[{\"name\": \"a\", \"dmz\": null}]"),
        ("lans", "[{\"name\": \"a\", \"x\": \"1\"}]"),
        ("lans", "[{\"name\": \"a\", \"subnet\": 5}]"),
        ("deckies", "[{\"name\": \"a\", \"services\": null}]"),
        ("deckies", "[{\"name\": \"a\", \"services\": \"ssh\"}]"),
        ("deckies", "[{\"name\": \"a\", \"forwards_l3\": 0}]"),
        ("deckies", "[{\"name\": \"a\", \"attachments\": {}}]"),
        ("deckies", "[{\"name\": \"a\", \"service_config\": []}]"),
        ("deckies", "[{\"name\": \"a\", \"archetype\": 1}]"),
        ("deckies", "[{\"name\": \"a\", \"persona\": \"windows-10\"}]"),
        ("deckies", "[{\"name\": \"a\", \"persona\": {\"os\": 10}}]"),
        (
            "deckies",
            "[{\"name\": \"a\", \"persona\": {\"versions\": {\"ssh\": 8.1}}}]",
        ),
        ("deckies", "[{\"name\": \"a\", \"attachments\": [{\"lan\": 1}]}]"),
    ] {
        let name = if key == "name" { "" } else { "\"name\": \"a\", " };
        let text = format!("{{\"format\": \"decnet.topology/1\", {name}\"{key}\": {value}}}");
        let codes: Vec<_> = parse(&text).findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::DocType], "{text}");
    }
}

#[test]
fn null_means_a_missing_value_for_keys_without_a_default() {
    let text = "{format: decnet.topology/1, name: a, id: null, status: null, version: null, seed: null, config: null,
        lans: [{name: a, subnet: null, x: null, y: null}],
        deckies: [{name: a, archetype: null, x: ~, attachments: [{lan: a, ip: }]}]}";
    assert_eq!(findings_of(text), [""; 0]);
}

#[test]
fn absent_services_differ_from_an_empty_list_and_are_printed_as_they_were() {
    let text = "{format: decnet.topology/1, name: a, lans: [{name: dmz, subnet: 10.0.0.0/24, dmz: true}], deckies: [
        {name: a, archetype: web-server, attachments: [{lan: dmz}]},
        {name: b, archetype: web-server, services: [], attachments: [{lan: dmz}]},
        {name: c, attachments: [{lan: dmz}]},
        {name: d, archetype: toaster, attachments: [{lan: dmz}]}]}";
    let draft = parse(text);
    let given: Vec<_> = draft.deckies.iter().map(|decky| decky.services.clone()).collect();
    assert_eq!(given, [None, Some(vec![]), None, None]);
    for syntax in [Syntax::Json, Syntax::Yaml] {
        assert_eq!(parse(&document::print(&draft, syntax)), draft);
    }
    let catalog = Catalog::builtin();
    let topology = draft.resolve(&catalog, &SubnetPool::default()).expect("a topology");
    let usual = catalog.archetype("web-server").expect("an archetype");
    let services: Vec<_> = topology.deckies().iter().map(Decky::services).collect();
    let none = BTreeSet::new();
    assert_eq!(services, [&usual.services, &none, &none, &none]);
    // A decky with an archetype and without services keeps none, whatever reads the document.
    let printed = Draft {
        header: draft.header,
        ..Draft::from(&topology)
    };
    let again = parse(&document::print(&printed, Syntax::Yaml));
    assert_eq!(again.resolve(&catalog, &SubnetPool::default()), Ok(topology));
}

#[test]
fn a_missing_or_empty_name_is_a_fault() {
    assert_eq!(
        findings_of("{format: decnet.topology/1}"),
        ["DOC_TYPE name: the document has no `name`; add it"]
    );
    let codes = |name: &str| {
        let text = json!({"format": "decnet.topology/1", "name": name}).to_string();
        parse(&text)
            .findings
            .iter()
            .map(|finding| finding.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(""), [Code::NameInvalid]);
    assert_eq!(codes(&"ä".repeat(65)), [Code::NameInvalid]);
    assert_eq!(codes(&"ä".repeat(64)), []);
}

#[test]
fn a_text_that_is_not_a_document_is_refused_with_a_reason() {
    let cases: &[(&[u8], Syntax, Code, &str)] = &[
        (b"", Syntax::Auto, Code::DocSyntax, "empty"),
        (b" \r\n\t", Syntax::Auto, Code::DocSyntax, "empty"),
        (b"\xef\xbb\xbf", Syntax::Auto, Code::DocSyntax, "empty"),
        (b"format: \xff", Syntax::Auto, Code::DocSyntax, "UTF-8"),
        (b"f\0o\0r\0m\0", Syntax::Json, Code::DocSyntax, "JSON"),
        (
            b"{\"format\": \"decnet.topology/1\"",
            Syntax::Auto,
            Code::DocSyntax,
            "EOF",
        ),
        (
            b"{\"format\": \"decnet.topology/1\"} x",
            Syntax::Auto,
            Code::DocSyntax,
            "trailing",
        ),
        (
            b"{\"format\": \"decnet.topology/1\", \"seed\": NaN}",
            Syntax::Auto,
            Code::DocSyntax,
            "JSON",
        ),
        (
            b"{\"format\": \"decnet.topology/1\", \"seed\": Infinity}",
            Syntax::Auto,
            Code::DocSyntax,
            "JSON",
        ),
        (
            b"{\"format\": \"decnet.topology/1\", \"seed\": 1e999}",
            Syntax::Auto,
            Code::DocSyntax,
            "range",
        ),
        (b"a: b: c", Syntax::Auto, Code::DocSyntax, "YAML"),
        (
            b"format: decnet.topology/1\nname: a\n---\nformat: x",
            Syntax::Auto,
            Code::DocSyntax,
            "a file holds one maze",
        ),
        (b"{}", Syntax::Auto, Code::DocFormat, "no `format`"),
        (b"name: a", Syntax::Auto, Code::DocFormat, "no `format`"),
        (
            b"format: decnet.topology/2",
            Syntax::Auto,
            Code::DocFormat,
            "decnet.topology/2",
        ),
        (b"format: 5", Syntax::Auto, Code::DocFormat, "`format` is 5"),
        (b"[]", Syntax::Auto, Code::DocFormat, "must be a map"),
        (b"just text", Syntax::Auto, Code::DocFormat, "must be a map"),
        (b"\"text\"", Syntax::Json, Code::DocFormat, "must be a map"),
        (b"null", Syntax::Json, Code::DocFormat, "must be a map"),
    ];
    for (text, syntax, code, reason) in cases {
        let finding = refusal(text, *syntax);
        let shown = String::from_utf8_lossy(text);
        assert_eq!(finding.code, *code, "{shown}: {finding}");
        assert!(finding.message.contains(reason), "{shown}: {finding}");
    }
}

#[test]
fn a_syntax_fault_has_line_and_column() {
    for (text, at) in [
        ("{\"format\": \"decnet.topology/1\",\n  \"name\": }", (2, 11)),
        ("format: decnet.topology/1\nname: [a\n", (2, 7)),
    ] {
        let Target::Document { line, column, .. } = refusal(text, Syntax::Auto).target else {
            panic!("another target");
        };
        assert_eq!(line.zip(column), Some(at), "{text}");
    }
}

#[test]
fn byte_order_mark_and_carriage_returns_do_not_matter() {
    let text = "\u{feff}format: decnet.topology/1\r\nname: corp\r\nlans:\r\n- name: dmz\r\n  dmz: true\r\n";
    assert_eq!(parse(text).lans[0].name, "dmz");
    let text = "\u{feff}{\"format\": \"decnet.topology/1\",\r\n\"name\": \"corp\"}\r\n";
    assert_eq!(parse(text).header.name, "corp");
}

fn nested(levels: usize) -> String {
    // The document, its deckies, a decky, its config, a service: five levels before the first list.
    let (open, close) = ("[".repeat(levels - 5), "]".repeat(levels - 5));
    let config = format!("{{\"ssh\": {{\"a\": {open}{close}}}}}");
    format!(
        "{{\"format\": \"decnet.topology/1\", \"name\": \"a\", \"deckies\": [{{\"name\": \"a\", \"service_config\": {config}}}]}}"
    )
}

#[test]
fn exactly_the_allowed_depth_is_read() {
    for syntax in [Syntax::Json, Syntax::Yaml] {
        assert_eq!(
            document::parse(nested(MAX_DEPTH), syntax).map(|draft| draft.findings),
            Ok(vec![])
        );
        assert_eq!(refusal(nested(MAX_DEPTH + 1), syntax).code, Code::DocSyntax);
    }
}

#[test]
fn hostile_documents_are_refused_quickly() {
    let huge = |open: &str| open.repeat(MAX_BYTES / open.len());
    for open in ["[", "{\"a\":", "{\"format\":[", "- ", "{\"", "a: &a [*a"] {
        for syntax in [Syntax::Json, Syntax::Yaml] {
            assert_eq!(refusal(huge(open), syntax).code, Code::DocSyntax, "{open}");
        }
    }
}

#[test]
fn a_document_with_too_many_values_is_refused() {
    let many = format!(
        "{{\"format\":\"decnet.topology/1\",\"name\":\"a\",\"lans\":[{}0]}}",
        "0,".repeat(MAX_VALUES)
    );
    for syntax in [Syntax::Json, Syntax::Yaml] {
        let refused = refusal(&many, syntax);
        assert_eq!(refused.code, Code::DocSyntax);
        assert!(
            refused
                .message
                .contains("more than 4000000 values; split it into smaller mazes"),
            "{}",
            refused.message
        );
        assert!(
            matches!(
                refused.target,
                Target::Document {
                    line: Some(1),
                    column: Some(_),
                    ..
                }
            ),
            "{:?}",
            refused.target
        );
    }
    let too_long = vec![b'['; 100 << 20];
    assert!(refusal(&too_long, Syntax::Auto).message.contains("bytes"));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("format: decnet.topology/1\nname: a\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        let aliases = vec![alias; 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").expect("a text takes all");
    }
    assert_eq!(refusal(text, Syntax::Yaml).code, Code::DocSyntax);
}

#[test]
fn anchors_and_merges_are_supported() {
    let deckies: Vec<_> = (0..300)
        .map(|n| format!("  - {{<<: *web, name: web-{n}, services: *both}}\n"))
        .collect();
    let deckies = deckies.concat();
    let text = format!(
        "format: decnet.topology/1\nname: a\ndeckies:\n  - &web {{name: web, forwards_l3: true, services: &both [http, ssh]}}\n{deckies}"
    );
    let draft = parse(&text);
    assert_eq!(draft.findings, []);
    assert_eq!(draft.deckies.len(), 301);
    assert!(draft.deckies[300].forwards_l3 && draft.deckies[300].name == "web-299");
}

#[test]
fn of_very_many_faults_only_the_first_are_listed() {
    let keys: Vec<_> = (0..20_000).map(|n| format!(", \"k{n}\": 1")).collect();
    let keys = keys.concat();
    let text = format!("{{\"format\": \"decnet.topology/1\", \"name\": \"a\"{keys}}}");
    let findings = parse(&text).findings;
    assert_eq!(findings.len(), 1001);
    assert!(findings[1000].message.starts_with("19000 more"), "{}", findings[1000]);
    let all: u64 = findings.iter().map(decnet_topology::Finding::count).sum();
    assert_eq!(all, 20_000);
}

#[test]
fn the_schema_has_the_keys_of_the_parser() {
    let schema = document::schema();
    let keys = |schema: &serde_json::Value| -> Vec<String> {
        assert_eq!(schema["additionalProperties"], json!(false));
        schema["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .cloned()
            .collect()
    };
    let probe = |key: &str, at: &dyn Fn(&str) -> String| {
        let draft = document::parse(at(key), Syntax::Json).unwrap_or_else(|error| panic!("{key}: {error}"));
        draft.findings.iter().all(|finding| finding.code != Code::DocUnknownKey)
    };
    let root = |key: &str| match key {
        "format" => "{\"format\": \"decnet.topology/1\"}".into(),
        key => format!("{{\"format\": \"decnet.topology/1\", \"{key}\": 1}}"),
    };
    let inside = |list: &'static str| {
        move |key: &str| format!("{{\"format\": \"decnet.topology/1\", \"{list}\": [{{\"{key}\": 1}}]}}")
    };
    let attachment = |key: &str| inside("deckies")(&format!("attachments\": [{{\"{key}\": 1}}], \"x"));
    for key in keys(&schema) {
        assert!(probe(&key, &root), "{key}");
    }
    for (definition, at) in [
        ("lan", Box::new(inside("lans")) as Box<dyn Fn(&str) -> String>),
        ("decky", Box::new(inside("deckies"))),
        ("attachment", Box::new(attachment)),
    ] {
        for key in keys(&schema["$defs"][definition]) {
            assert!(probe(&key, &*at), "{definition}.{key}");
        }
    }
    insta::assert_json_snapshot!(schema);
}
