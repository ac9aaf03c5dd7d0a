use std::{collections::BTreeSet, net::Ipv4Addr};

use decnet_topology::{
    AllocError, Catalog, Code, Draft, DraftAttachment, DraftDecky, DraftLan, Finding, IpAllocator, ResolveError,
    RuleSet, SubnetAllocator, SubnetPool, Target, net, validate,
};
use ipnet::Ipv4Net;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::vectors::vectors;

/// The operations of the conformance rows; `Err(None)` is exhaustion, `Err(Some)` a refusal.
trait Pool {
    fn next_free(&mut self) -> Result<String, AllocError>;
    fn call(&mut self, op: &str, argument: &str) -> Result<Value, String>;
}

impl Pool for IpAllocator {
    fn next_free(&mut self) -> Result<String, AllocError> {
        self.next_free().map(|address| address.to_string())
    }

    fn call(&mut self, op: &str, argument: &str) -> Result<Value, String> {
        let address: Ipv4Addr = argument.parse().map_err(|_| "refused")?;
        match op {
            "reserve" => self
                .reserve(address)
                .map(|()| Value::Null)
                .map_err(|_| "refused".into()),
            "release" => {
                self.release(address);
                Ok(Value::Null)
            }
            "is_free" => Ok(self.is_free(address).into()),
            other => panic!("unknown step {other}"),
        }
    }
}

impl Pool for SubnetAllocator {
    fn next_free(&mut self) -> Result<String, AllocError> {
        self.next_free().map(|subnet| subnet.to_string())
    }

    fn call(&mut self, op: &str, argument: &str) -> Result<Value, String> {
        let subnet = net::parse_subnet(argument).map_err(|_| "refused")?;
        match op {
            "reserve" => {
                self.reserve(subnet);
                Ok(Value::Null)
            }
            "is_free" => Ok(self.is_free(subnet).into()),
            other => panic!("unknown step {other}"),
        }
    }
}

fn run_step(pool: &mut dyn Pool, step: &Value) {
    let op = step["op"].as_str().expect("op");
    if op != "next_free" {
        let outcome = pool.call(op, step["arg"].as_str().expect("arg"));
        let expected = match step["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(step["result"].clone()),
        };
        assert_eq!(outcome, expected, "{step}");
        return;
    }
    let mut given = Vec::new();
    let mut error = None;
    for _ in 0..step["times"].as_u64().unwrap_or(1) {
        match pool.next_free() {
            Ok(next) => given.push(next),
            Err(AllocError::AddressesExhausted { .. } | AllocError::SubnetsExhausted { .. }) => {
                error = Some("exhausted");
                break;
            }
            Err(other) => panic!("{step}: {other}"),
        }
    }
    assert_eq!(error, step["error"].as_str(), "{step}");
    if let Some(result) = step["result"].as_str() {
        assert_eq!(given, [result]);
    }
    if let Some(count) = step["count"].as_u64() {
        assert_eq!(given.len() as u64, count, "{step}");
        let three = given.len().min(3);
        assert_eq!(json!(given[..three]), step["first"], "{step}");
        assert_eq!(json!(given[given.len() - three..]), step["last"], "{step}");
    }
    if step["all"].is_array() {
        assert_eq!(json!(given), step["all"]);
    }
}

#[test]
fn the_conformance_rows_hold() {
    for row in vectors("allocator.json") {
        let text = |key: &str| row[key].as_str().unwrap_or_else(|| panic!("{row}"));
        let made: Result<Box<dyn Pool>, String> = match text("kind") {
            "ip" => net::parse_subnet(text("subnet"))
                .map_err(|error| error.to_string())
                .and_then(|subnet| IpAllocator::new(subnet).map_err(|error| error.to_string()))
                .map(|addresses| Box::new(addresses) as Box<dyn Pool>),
            "subnet" => net::parse_base(text("base"))
                .map_err(|error| error.to_string())
                .and_then(|base| {
                    let mut pool = SubnetAllocator::new(base, 24).map_err(|error| error.to_string())?;
                    for reserved in row["reserved"].as_array().into_iter().flatten() {
                        pool.reserve(net::parse_subnet(reserved.as_str().expect("subnet")).expect("subnet"));
                    }
                    Ok(Box::new(pool) as Box<dyn Pool>)
                }),
            other => panic!("unknown kind {other}"),
        };
        let mut pool = match (made, row["new"]["ok"].as_bool()) {
            (Ok(pool), Some(true)) => pool,
            (Err(_), None) => continue,
            (made, _) => panic!("{}: made: {:?}", text("name"), made.err()),
        };
        for step in row["steps"].as_array().expect("steps") {
            run_step(&mut *pool, step);
        }
    }
}

fn subnet(text: &str) -> Ipv4Net {
    net::parse_subnet(text).expect("subnet")
}

#[test]
fn exhaustion_names_the_pool_and_the_numbers() {
    let mut addresses = IpAllocator::new(subnet("10.0.0.0/30")).expect("a subnet");
    addresses.next_free().expect("one address");
    let error = addresses.next_free().expect_err("none is left");
    assert_eq!(
        error.to_string(),
        "the subnet 10.0.0.0/30 has 0 free address(es) for hosts, 1 are needed"
    );
    let mut subnets = SubnetAllocator::new(subnet("10.0.0.0/24"), 24).expect("pool");
    subnets.next_free().expect("one subnet");
    let error = subnets.next_free().expect_err("none is left");
    assert_eq!(
        error.to_string(),
        "the pool 10.0.0.0/24 has 0 free subnet(s) of /24, 1 are needed"
    );
}

#[test]
fn pools_at_the_ends_of_the_address_space_work() {
    let all = |base: &str, prefix| {
        let mut pool = SubnetAllocator::new(subnet(base), prefix).expect("pool");
        let available = pool.available();
        let given: Vec<String> = std::iter::from_fn(|| pool.next_free().ok())
            .map(|net| net.to_string())
            .collect();
        assert_eq!((given.len() as u64, pool.available()), (available, 0));
        given
    };
    assert_eq!(
        all("255.255.255.252/31", 32),
        ["255.255.255.252/32", "255.255.255.253/32"]
    );
    assert_eq!(all("1.0.0.0/32", 32), ["1.0.0.0/32"]);
    assert_eq!(all("64.0.0.0/3", 4), ["64.0.0.0/4", "80.0.0.0/4"]);
    let addresses = |text| IpAllocator::new(subnet(text)).expect("a subnet");
    for nothing in ["10.0.0.0/31", "10.0.0.0/32"] {
        assert!(addresses(nothing).next_free().is_err(), "{nothing}");
    }
    let mut last = addresses("255.255.255.248/30");
    assert_eq!(last.next_free().map(|ip| ip.to_string()), Ok("255.255.255.250".into()));
    assert!(last.next_free().is_err());
}

proptest! {
    #[test]
    fn addresses_go_to_one_owner_each(steps in prop::collection::vec((0_u8..3, 0_u32..20), 0..120)) {
        let net = subnet("10.0.0.0/28");
        let mut pool = IpAllocator::new(net).expect("a subnet");
        let mut taken = BTreeSet::new();
        for (op, offset) in steps {
            let address = Ipv4Addr::from_bits(net.network().to_bits() + offset);
            let hosts = (2..15).contains(&offset);
            match op {
                0 => if let Ok(given) = pool.next_free() {
                    prop_assert!(net::reserved(net, given).is_none() && net.contains(&given) && taken.insert(given));
                } else {
                    prop_assert_eq!(taken.len(), 13);
                },
                1 => {
                    prop_assert_eq!(pool.reserve(address).is_ok(), hosts);
                    if hosts {
                        taken.insert(address);
                    }
                }
                _ => {
                    pool.release(address);
                    taken.remove(&address);
                }
            }
            prop_assert_eq!(pool.available(), 13 - taken.len() as u64);
            prop_assert_eq!(pool.is_free(address), hosts && !taken.contains(&address));
        }
    }

    #[test]
    fn no_subnet_handed_out_overlaps_another(reserved in prop::collection::vec((any::<u16>(), 18_u8..=32), 0..12), prefix in 20_u8..=28) {
        let mut pool = SubnetAllocator::new(subnet("10.7.0.0/18"), prefix).expect("pool");
        let mut others: Vec<Ipv4Net> = Vec::new();
        for (offset, length) in reserved {
            let net = Ipv4Net::new(Ipv4Addr::from_bits(0x0a07_0000 + u32::from(offset)), length).expect("subnet").trunc();
            pool.reserve(net);
            others.push(net);
        }
        let free = pool.base().subnets(prefix).expect("subnets").filter(|net| {
            others.iter().all(|other| !net::overlaps(*net, *other))
        });
        let free: Vec<Ipv4Net> = free.collect();
        prop_assert_eq!(pool.available(), free.len() as u64);
        let given: Vec<Ipv4Net> = std::iter::from_fn(|| pool.next_free().ok()).collect();
        prop_assert_eq!(given, free);
    }
}

/// A decky's name and attachments: the position of a LAN, and the address if it is given.
type Attached<'a> = (&'a str, &'a [(usize, Option<&'a str>)]);

fn draft(lans: &[(&str, Option<&str>)], deckies: &[Attached<'_>]) -> Draft {
    let lans = lans.iter().map(|(name, net)| DraftLan {
        name: (*name).into(),
        subnet: net.map(subnet),
        ..DraftLan::default()
    });
    let deckies = deckies.iter().map(|(name, attachments)| DraftDecky {
        name: (*name).into(),
        attachments: attachments
            .iter()
            .map(|&(lan, ip)| DraftAttachment {
                lan,
                ip: ip.map(|ip| ip.parse().expect("address")),
            })
            .collect(),
        ..DraftDecky::default()
    });
    Draft {
        lans: lans.collect(),
        deckies: deckies.collect(),
        ..Draft::default()
    }
}

#[test]
fn a_draft_gets_subnets_that_overlap_neither_its_own_nor_claimed_ones() {
    let open = draft(&[("a", None), ("b", Some("172.16.0.0/23")), ("c", None)], &[]);
    let topology = open
        .resolve(&Catalog::builtin(), &SubnetPool::without([subnet("172.16.2.128/25")]))
        .expect("topology");
    let subnets: Vec<String> = topology.lans().iter().map(|lan| lan.subnet().to_string()).collect();
    assert_eq!(subnets, ["172.16.3.0/24", "172.16.0.0/23", "172.16.4.0/24"]);
}

#[test]
fn a_draft_gets_the_lowest_addresses_in_the_order_of_its_deckies() {
    let open = draft(
        &[("a", None), ("b", None)],
        &[
            ("x", &[(0, None), (1, None)]),
            ("y", &[(0, Some("172.16.0.3"))]),
            ("z", &[(1, None), (0, None)]),
        ],
    );
    let topology = open
        .resolve(&Catalog::builtin(), &SubnetPool::default())
        .expect("topology");
    let addresses: Vec<String> = topology
        .edges()
        .map(|(decky, edge)| format!("{} {}", decky.name(), edge.ip))
        .collect();
    assert_eq!(
        addresses,
        [
            "x 172.16.0.2",
            "x 172.16.1.2",
            "y 172.16.0.3",
            "z 172.16.1.3",
            "z 172.16.0.4"
        ]
    );
}

#[test]
fn a_complete_draft_is_the_topology_it_came_from() {
    let open = draft(
        &[("a", None), ("b", None)],
        &[("x", &[(1, None), (0, None)]), ("y", &[])],
    );
    let topology = open
        .resolve(&Catalog::builtin(), &SubnetPool::default())
        .expect("topology");
    let none_left = SubnetPool {
        pool: subnet("10.0.0.0/30"),
        prefix: 30,
        taken: vec![subnet("0.0.0.0/0")],
    };
    assert_eq!(
        Draft::from(&topology).resolve(&Catalog::builtin(), &none_left),
        Ok(topology)
    );
}

#[test]
fn a_draft_that_needs_too_much_is_refused_with_the_numbers() {
    let claims = |pool, prefix| SubnetPool {
        pool: subnet(pool),
        prefix,
        taken: Vec::new(),
    };
    let open = draft(&[("a", None), ("b", None), ("c", None)], &[]);
    let refused = open.resolve(&Catalog::builtin(), &claims("10.0.0.0/23", 24));
    let expected = AllocError::SubnetsExhausted {
        base: subnet("10.0.0.0/23"),
        prefix: 24,
        needed: 3,
        available: 2,
    };
    assert_eq!(refused, Err(ResolveError::Subnets { source: expected }));
    let crowded = draft(
        &[("a", Some("10.0.0.0/30"))],
        &[("x", &[(0, None)]), ("y", &[(0, None)])],
    );
    let refused = crowded.resolve(&Catalog::builtin(), &claims("10.0.0.0/23", 24));
    let expected = AllocError::AddressesExhausted {
        subnet: subnet("10.0.0.0/30"),
        needed: 2,
        available: 1,
    };
    let lan = "a".parse().expect("name");
    assert_eq!(refused, Err(ResolveError::Addresses { lan, source: expected }));
}

#[test]
fn a_draft_with_errors_is_refused_with_all_of_them() {
    let mut bad = draft(
        &[("a", None), ("A", None), ("no name", None)],
        &[("x", &[(0, None), (0, None), (7, None)]), ("X", &[])],
    );
    let codes = |draft: &Draft| match draft.resolve(&Catalog::builtin(), &SubnetPool::default()) {
        Err(ResolveError::Unsound { report }) => report.errors().map(|finding| finding.code).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let all = [
        Code::NameInvalid,
        Code::LanNameDup,
        Code::DeckyNameDup,
        Code::IpUnknownLan,
        Code::AttachmentDup,
    ];
    assert_eq!(codes(&bad), all);
    let found = validate(&bad, &Catalog::builtin(), RuleSet::live());
    let found = found.errors().filter(|finding| all.contains(&finding.code)).cloned();
    bad.findings = found.collect();
    assert_eq!(
        codes(&bad),
        all,
        "the validator reports the same faults with the same messages"
    );
    let mut unread = draft(&[("a", None)], &[]);
    let said = Finding::new(Code::SubnetMalformed, Target::Topology, "from the parser");
    unread.findings.push(said);
    assert_eq!(codes(&unread), [Code::SubnetMalformed]);
    let warning = Finding::new(Code::ArchetypeUnknown, Target::Topology, "only a warning");
    unread.findings = vec![warning];
    assert!(unread.resolve(&Catalog::builtin(), &SubnetPool::default()).is_ok());
}
