//! Ranges that no LAN can use, or should not use, in all inputs with a subnet.

use decnet_topology::{
    AddDecky, AddLan, AllocError, Catalog, Code, Draft, IpAllocator, Mutation, MutationContext, MutationError, Report,
    ResolveError, RuleSet, Severity, Stage, SubnetAllocator, SubnetPool, Syntax, Topology, TopologyConfig, UpdateLan,
    ValidTopology, apply, document, validate,
};
use ipnet::Ipv4Net;
use serde_json::json;

/// Each shares at least one address with 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 or 255.255.255.255.
const UNUSABLE: [&str; 10] = [
    "0.0.0.0/8",
    "0.0.0.0/24",
    "127.0.0.0/24",
    "127.255.255.248/29",
    "224.0.0.0/24",
    "239.255.255.0/24",
    "255.255.255.0/24",
    "240.0.0.0/4",
    "126.0.0.0/7",
    "0.0.0.0/0",
];

fn subnet(text: &str) -> Ipv4Net {
    text.parse().expect("a subnet")
}

/// A maze of a DMZ with that subnet, as a file.
fn file(subnet: &str) -> Draft {
    let text = json!({"format": "decnet.topology/1", "name": "x", "lans": [{"name": "dmz", "subnet": subnet, "dmz": true}],
        "deckies": [{"name": "a", "services": ["http"], "attachments": [{"lan": "dmz"}]}]});
    document::parse(text.to_string(), Syntax::Json).expect("a document")
}

fn found(report: &Report) -> Vec<(Code, Severity)> {
    let findings = report.findings().iter();
    findings.map(|finding| (finding.code, finding.severity)).collect()
}

#[test]
fn a_file_with_an_unusable_subnet_is_invalid() {
    for text in UNUSABLE {
        for rules in [RuleSet::deploy(), RuleSet::live()] {
            let report = validate(&file(text), &Catalog::builtin(), rules);
            assert_eq!(found(&report), [(Code::SubnetSpecial, Severity::Error)], "{text}");
        }
    }
}

#[test]
fn a_file_with_a_doubtful_subnet_is_valid_with_a_warning() {
    for text in [
        "169.254.3.0/24",
        "240.0.0.0/24",
        "8.8.8.0/24",
        "172.32.0.0/16",
        "10.0.0.0/7",
    ] {
        let draft = file(text);
        let report = validate(&draft, &Catalog::builtin(), RuleSet::deploy());
        assert_eq!(found(&report), [(Code::SubnetSpecial, Severity::Warning)], "{text}");
        assert!(
            draft.resolve(&Catalog::builtin(), &SubnetPool::default()).is_ok(),
            "{text}"
        );
    }
    for text in [
        "10.0.0.0/8",
        "172.31.0.0/16",
        "192.168.0.0/24",
        "100.64.0.0/24",
        "203.0.113.0/24",
    ] {
        let report = validate(&file(text), &Catalog::builtin(), RuleSet::deploy());
        assert_eq!(found(&report), [], "{text}");
    }
}

#[test]
fn the_finding_names_the_range_and_an_alternative() {
    let said = |text| {
        let report = validate(&file(text), &Catalog::builtin(), RuleSet::deploy());
        report.findings()[0].to_string()
    };
    assert_eq!(
        said("127.0.0.0/24"),
        "error SUBNET_SPECIAL: 127.0.0.0/24 of LAN `dmz` overlaps 127.0.0.0/8 (loopback), which no LAN can use; \
         use a private subnet, for example from 172.16.0.0/12"
    );
    assert_eq!(
        said("169.254.0.0/24"),
        "warning SUBNET_SPECIAL: 169.254.0.0/24 of LAN `dmz` overlaps 169.254.0.0/16 (link-local), which some systems refuse; \
         use a private subnet, for example from 172.16.0.0/12"
    );
    assert_eq!(
        said("1.1.1.0/24"),
        "warning SUBNET_SPECIAL: 1.1.1.0/24 of LAN `dmz` is public: this machine could no longer reach its real hosts; \
         use a private subnet, for example from 172.16.0.0/12"
    );
}

#[test]
fn a_draft_in_an_unusable_range_is_refused() {
    let Err(ResolveError::Unsound { report }) =
        file("127.0.0.0/24").resolve(&Catalog::builtin(), &SubnetPool::default())
    else {
        panic!("no LAN can be on loopback");
    };
    assert_eq!(found(&report), [(Code::SubnetSpecial, Severity::Error)]);
}

#[test]
fn nothing_is_allocated_in_an_unusable_range() {
    for base in UNUSABLE.map(subnet) {
        let refused = SubnetAllocator::new(base, 29).map(drop).expect_err("a pool");
        assert!(
            matches!(refused, AllocError::Special { range, .. } if range == base),
            "{base}"
        );
        let refused = IpAllocator::new(base).map(drop).expect_err("a subnet");
        assert!(
            matches!(refused, AllocError::Special { range, .. } if range == base),
            "{base}"
        );
        let mut open = file("10.0.0.0/24");
        open.lans[0].subnet = None;
        let claims = SubnetPool {
            pool: base,
            prefix: 29,
            taken: Vec::new(),
        };
        assert!(open.resolve(&Catalog::builtin(), &claims).is_err(), "{base}");
    }
    let refused = SubnetAllocator::new(subnet("126.0.0.0/7"), 24).expect_err("loopback lies in it");
    assert_eq!(
        refused.to_string(),
        "126.0.0.0/7 overlaps 127.0.0.0/8 (loopback), which no LAN can use"
    );
}

#[test]
fn a_config_with_an_unusable_base_is_refused_when_parsed_or_built() {
    for base in UNUSABLE.into_iter().chain(["127.0", "0.7", "255.255"]) {
        let value =
            json!({"name": "x", "depth": 1, "branching_factor": 1, "subnet_base_prefix": base, "lan_prefix": 29});
        let read = TopologyConfig::from_value(&value, &Catalog::builtin(), || 7).expect_err(base);
        let built = TopologyConfig::builder("x", 1, 1)
            .subnet_base_prefix(base)
            .lan_prefix(29)
            .build();
        for invalid in [read, built.expect_err(base)] {
            let fields: Vec<_> = invalid.faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(fields, ["subnet_base_prefix"], "{base}");
        }
    }
    for base in ["169.254", "8.0.0.0/8", "241.0.0.0/8"] {
        assert!(
            TopologyConfig::builder("x", 1, 1)
                .subnet_base_prefix(base)
                .build()
                .is_ok(),
            "{base}"
        );
    }
}

#[test]
fn a_config_stored_by_an_earlier_release_is_read_but_allocates_nothing() {
    let mut value =
        serde_json::to_value(TopologyConfig::builder("x", 1, 1).seed(7).build().expect("a config")).expect("JSON");
    value["subnet_base_prefix"] = "127.0.0.0/8".into();
    let stored: TopologyConfig = serde_json::from_value(value.clone()).expect("the store stays readable");
    let catalog = Catalog::builtin();
    let refused = decnet_topology::generate(&stored, &catalog, &[]).expect_err("no LAN can be there");
    assert!(refused.to_string().contains("subnet"), "{refused}");
    let context = MutationContext {
        pool: stored.subnet_base_prefix(),
        ..MutationContext::new(&catalog, Stage::Live)
    };
    let add = AddLan::new("new".parse().expect("a name")).into();
    let refused = apply(&maze(), &add, &context).expect_err("no LAN can be there");
    assert_eq!(refused.code(), "SUBNET_SPECIAL");
    // A file with such a config is reported with the place.
    let text = json!({"format": "decnet.topology/1", "name": "x", "config": value, "lans": [], "deckies": []});
    let draft = document::parse(text.to_string(), Syntax::Json).expect("a document");
    let codes: Vec<_> = draft.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::SubnetSpecial]);
}

fn maze() -> Topology {
    let maze = Topology::builder().dmz("dmz", "10.0.0.0/24");
    maze.decky("a", |decky| decky.on("dmz", "10.0.0.2"))
        .build()
        .expect("a maze")
}

fn assert_special(outcome: Result<ValidTopology, MutationError>, case: &str) {
    let Err(MutationError::ResultInvalid { report }) = outcome else {
        panic!("{case}: {outcome:?}");
    };
    assert!(
        report.errors().any(|finding| finding.code == Code::SubnetSpecial),
        "{case}: {report:?}"
    );
}

#[test]
fn no_mutation_moves_a_lan_to_an_unusable_range() {
    let catalog = Catalog::builtin();
    let name = |text: &str| text.parse().expect("a name");
    for text in UNUSABLE {
        for stage in [Stage::Pending, Stage::Live] {
            let context = MutationContext::new(&catalog, stage);
            let add: Mutation = AddLan::new(name("new")).subnet(subnet(text)).into();
            assert_special(apply(&maze(), &add, &context), text);
        }
        let update: Mutation = UpdateLan::new(name("dmz")).subnet(Some(subnet(text))).into();
        let pending = MutationContext::new(&catalog, Stage::Pending);
        assert_special(apply(&maze(), &update, &pending), text);
    }
    // A maze that an earlier release allowed on loopback gets no more deckies there.
    let old = Topology::builder().dmz("dmz", "127.0.0.0/24").build().expect("a maze");
    let add: Mutation = AddDecky::new(name("b"), name("dmz")).into();
    let refused = apply(&old, &add, &MutationContext::new(&catalog, Stage::Live)).expect_err("loopback");
    assert_eq!(refused.code(), "SUBNET_SPECIAL");
}
