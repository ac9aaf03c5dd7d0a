use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    process::Command,
};

use decnet_decoy::protocol::{self, NetState};
use decnet_topology::{InstanceId, Lan, LanId, LogSettings, Protocol, ServiceName, TopologyId};
use proptest::prelude::*;
use serde_json::Value;

use super::{API, print};
use crate::{
    desired::{
        BaseSpec, Desired, ImageSpec, InterfaceSpec, Limits, LogSpec, NOBODY, NetworkReach, NetworkSpec, PortMapping,
        RunAs, Seccomp, ServiceNetwork, ServiceSpec, VolumeSpec, bridge_options,
    },
    naming::{self, ContainerName, Labels},
};

const LIMITS: Limits = Limits {
    pids: 64,
    memory: 64 << 20,
    nano_cpus: 500_000_000,
    open_files: 256,
};

fn topology() -> TopologyId {
    "01234567-89ab-4cde-8f01-23456789abcd".parse().unwrap()
}

fn instance() -> InstanceId {
    "fedcba98-7654-4321-8fed-cba987654321".parse().unwrap()
}

fn labels() -> Labels {
    naming::ownership(instance(), topology())
}

/// A chain of LANs: a gateway on the first, and for each LAN a decky with one service on it and the next LAN.
fn maze(lans: u8) -> Desired {
    let mut desired = Desired::nothing(instance(), topology());
    desired.images.insert(ImageSpec::Decoy {
        reference: "decnet-decoy:0123456789ab".into(),
    });
    let lans: Vec<Lan> = (0..lans)
        .map(|at| {
            let name = format!("Lan-{at}").parse().unwrap();
            Lan::new(
                LanId::new(at.into()),
                name,
                format!("172.20.{at}.0/24").parse().unwrap(),
                at == 0,
            )
        })
        .collect();
    for lan in &lans {
        let network = NetworkSpec {
            name: naming::network(topology(), lan),
            lan: lan.name().clone(),
            subnet: lan.subnet(),
            gateway: lan.gateway(),
            reach: if lan.is_dmz() {
                NetworkReach::Host
            } else {
                NetworkReach::Isolated
            },
            mtu: None,
            labels: labels(),
        };
        desired.networks.insert(network.name.clone(), network);
    }
    for (at, lan) in (10..).zip(&lans) {
        let name = ContainerName::from_docker(format!("decnet_t_01234567_host-{at}"));
        let ports = [(80, Protocol::Tcp), (53, Protocol::Udp)];
        let interfaces = lans.iter().skip_while(|other| *other != lan).take(2);
        let interfaces = interfaces.map(|lan| InterfaceSpec {
            network: naming::network(topology(), lan),
            lan: lan.name().clone(),
            ip: Ipv4Addr::from_bits(lan.subnet().network().to_bits() + at),
            mac: protocol::Mac([2, 0x42, 10, 0, 0, 2]),
            priority: i64::from(lan.is_dmz()),
        });
        let interfaces: Vec<_> = interfaces.collect();
        let published = ports.map(published).into_iter().chain([PortMapping {
            host_ip: Ipv6Addr::UNSPECIFIED.into(),
            ..published(ports[0])
        }]);
        let base = BaseSpec {
            name: name.clone(),
            decky: format!("host-{at}").parse().unwrap(),
            hostname: format!("host-{at}"),
            image: "decnet-decoy:0123456789ab".into(),
            publish: if lan.is_dmz() {
                published.collect()
            } else {
                BTreeSet::new()
            },
            state: NetState {
                forward: lan.is_dmz(),
                interfaces: interfaces.iter().map(|interface| interface.ip).collect(),
                ..NetState::default()
            },
            interfaces,
            sysctls: [("net.ipv4.ip_forward".into(), "0".into())].into(),
            limits: LIMITS,
            seccomp: Seccomp::profile(),
            log: LogSpec::new(&LogSettings::default()),
            labels: labels(),
        };
        let service = ServiceSpec {
            name: ContainerName::from_docker(format!("{name}.http")),
            decky: base.decky.clone(),
            service: ServiceName::new("http"),
            base: name.clone(),
            network: ServiceNetwork::HandedSockets,
            image: "decnet-decoy:0123456789ab".into(),
            build: None,
            command: Some(vec!["service".into()]),
            environment: [("SERVICE_STATE".into(), r#"{"banner":"$5 off\r\n"}"#.into())].into(),
            capabilities: BTreeSet::new(),
            ports: BTreeSet::new(),
            answers_datagrams: false,
            writable_root: None,
            tmpfs: BTreeSet::new(),
            volumes: Vec::new(),
            user: RunAs::User(NOBODY.into()),
            limits: LIMITS,
            seccomp: Seccomp::profile(),
            log: LogSpec::new(&LogSettings::default()),
            labels: labels(),
        };
        desired.bases.insert(name, base);
        desired.services.insert(service.name.clone(), service);
    }
    desired
}

fn published((port, protocol): (u16, Protocol)) -> PortMapping {
    PortMapping {
        host_ip: Ipv4Addr::UNSPECIFIED.into(),
        host_port: port,
        port,
        protocol,
    }
}

/// Parses a Compose file as Compose does, including `$$`.
fn read(text: &str) -> Value {
    fn unescape(value: &mut Value) {
        match value {
            Value::String(text) => {
                assert!(
                    !text.replace("$$", "").contains('$'),
                    "Compose would read a variable into {text:?}"
                );
                *text = text.replace("$$", "$");
            }
            Value::Array(values) => values.iter_mut().for_each(unescape),
            Value::Object(map) => map.values_mut().for_each(unescape),
            _ => {}
        }
    }
    let mut value = serde_saphyr::from_str(text).expect("YAML");
    unescape(&mut value);
    value
}

#[test]
fn a_maze_of_two_lans_prints_as_this() {
    insta::assert_snapshot!(print(&maze(2)));
}

#[test]
fn an_empty_maze_prints_an_empty_file() {
    let file = read(&print(&Desired::nothing(instance(), topology())));
    assert_eq!(file, serde_json::json!({"services": {}, "networks": {}}));
}

#[test]
fn only_gateways_publish_ports_and_only_bases_have_a_capability() {
    let file = read(&print(&maze(3)));
    let having = |key: &str| -> Vec<String> {
        let containers = file["services"].as_object().unwrap().iter();
        containers
            .filter(|(_, container)| container.get(key).is_some())
            .map(|(name, _)| name.clone())
            .collect()
    };
    assert_eq!(having("ports"), ["host-10"]);
    assert_eq!(having("cap_add"), ["host-10", "host-11", "host-12"]);
}

#[test]
fn volumes_of_services_have_their_names_labels_and_paths() {
    let mut desired = maze(1);
    let name = ContainerName::from_docker("decnet_t_01234567_host-10.http");
    let service = desired.services.values_mut().next().expect("a service");
    let labels = naming::service_volume_labels(&service.labels, "data", true);
    service.volumes = vec![VolumeSpec {
        name: naming::service_volume(&name, "data"),
        path: "/data".into(),
        labels,
    }];
    let text = print(&desired);
    assert!(text.contains("`docker compose down --volumes` removes them"), "{text}");
    let file = read(&text);
    let volume = &file["volumes"]["host-10.http.data"];
    assert_eq!(volume["name"], "decnet_t_01234567_host-10.http.data");
    assert_eq!(
        (
            &volume["labels"]["decnet.keep"],
            &volume["labels"]["decnet.topology.volume"]
        ),
        (&"true".into(), &"data".into())
    );
    let mounted = file["services"]["host-10.http"]["volumes"]
        .as_array()
        .expect("volumes")
        .clone();
    assert!(mounted.contains(&"host-10.http.data:/data".into()), "{mounted:?}");
}

#[test]
fn a_read_only_root_has_a_writable_tmp_and_a_writable_root_has_a_limit() {
    let mut desired = maze(1);
    let written = |desired: &Desired| read(&print(desired))["services"]["host-10.http"].clone();
    let read_only = written(&desired);
    assert_eq!(
        read_only["tmpfs"],
        serde_json::json!(["/tmp:rw,noexec,nosuid,nodev,size=16m"])
    );
    assert_eq!(read_only["ulimits"]["core"], 1);
    let add = |desired: &mut Desired, folder: &str| {
        let services = desired.services.values_mut();
        services.for_each(|service| service.tmpfs.extend([folder.parse().expect("a folder")]));
    };
    add(&mut desired, "/var/log/http");
    let own = |folder: &str| format!("{folder}:rw,noexec,nosuid,nodev,mode=1777,size={}", LIMITS.memory / 2);
    assert_eq!(
        written(&desired)["tmpfs"],
        serde_json::json!(["/tmp:rw,noexec,nosuid,nodev,size=16m", own("/var/log/http")])
    );
    add(&mut desired, "/tmp");
    assert_eq!(
        written(&desired)["tmpfs"],
        serde_json::json!([own("/tmp"), own("/var/log/http")])
    );
    desired.services.values_mut().for_each(|service| service.tmpfs.clear());
    desired
        .services
        .values_mut()
        .for_each(|service| service.writable_root = Some(1 << 20));
    let writable = written(&desired);
    assert_eq!(writable.get("tmpfs"), None);
    assert_eq!(
        (&writable["read_only"], &writable["ulimits"]["fsize"]),
        (&false.into(), &(1 << 20).into())
    );
}

#[test]
fn a_registry_image_is_pulled_and_a_folder_image_is_built() {
    let mut desired = maze(1);
    let mut services: Vec<ServiceSpec> = desired.services.values().cloned().collect();
    let mut service = services.remove(0);
    service.image = "example/http:1".into();
    desired.images.insert(ImageSpec::Pulled {
        reference: service.image.clone(),
    });
    let mut second = service.clone();
    second.service = ServiceName::new("ftp");
    second.image = "decnet-built:ftp-0".into();
    second.name = ContainerName::from_docker("decnet_t_01234567_host-10.ftp");
    desired.images.insert(ImageSpec::Built {
        reference: second.image.clone(),
        context: Path::new("images/ftp").into(),
    });
    desired.services = [service, second].map(|service| (service.name.clone(), service)).into();
    let file = read(&print(&desired));
    assert_eq!(file["services"]["host-10"]["pull_policy"], "never");
    assert_eq!(file["services"]["host-10.http"]["pull_policy"], Value::Null);
    assert_eq!(file["services"]["host-10.http"]["build"], Value::Null);
    assert_eq!(file["services"]["host-10.ftp"]["build"], "images/ftp");
}

/// Texts that YAML or Compose could misread.
fn tricky() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "",
        "yes",
        "0x1f",
        "1e3",
        "12:30:45",
        "~",
        "null",
        "$HOME",
        "${X:-y}",
        "$$",
        "a: b",
        "# c",
        "- d",
        "2001-01-01",
    ];
    prop_oneof![
        proptest::sample::select(KNOWN).prop_map(Into::into),
        "\\PC{0,120}",
        "[ -~\n\r\t]{0,120}",
    ]
}

proptest! {
    #[test]
    fn every_network_and_container_is_present_with_its_addresses_and_environment(lans in 1_u8..6, text in tricky()) {
        let mut desired = maze(lans);
        for service in desired.services.values_mut() {
            service.environment.insert("BANNER".into(), text.clone());
            service.labels.insert("label".into(), text.clone());
        }
        let file = read(&print(&desired));
        let under = |section: &str, key: &str, name: &str| -> Value {
            let mut values = file[section].as_object().unwrap().values();
            values.find(|value| value[key] == name).cloned().unwrap_or_default()
        };
        for network in desired.networks.values() {
            let printed = under("networks", "name", network.name.as_str());
            prop_assert_eq!(&printed["ipam"]["config"][0]["subnet"], &network.subnet.to_string());
            let options = bridge_options(network, API);
            prop_assert_eq!(&printed["driver_opts"], &serde_json::to_value(&options).unwrap());
        }
        for base in desired.bases.values() {
            let printed = under("services", "container_name", base.name.as_str());
            for interface in &base.interfaces {
                prop_assert_eq!(&printed["networks"][interface.lan.as_str()]["ipv4_address"], &interface.ip.to_string());
            }
            let state = printed["environment"]["NET_STATE"].as_str().unwrap();
            prop_assert_eq!(NetState::parse(state).unwrap(), base.state.clone());
        }
        for service in desired.services.values() {
            let printed = under("services", "container_name", service.name.as_str());
            prop_assert_eq!(&printed["network_mode"], "none");
            prop_assert_eq!(&printed["volumes"][0], &format!("{}:/var/lib:ro", service.decky));
            prop_assert_eq!(&printed["environment"], &serde_json::to_value(&service.environment).unwrap());
            prop_assert_eq!(&printed["labels"], &serde_json::to_value(&service.labels).unwrap());
        }
        let containers = file["services"].as_object().unwrap().len();
        prop_assert_eq!(containers, desired.bases.len() + desired.services.len());
        prop_assert_eq!(file["networks"].as_object().unwrap().len(), desired.networks.len());
        prop_assert_eq!(print(&desired), print(&desired.clone()));
    }
}

/// The commands that run Compose, if it is installed.
const COMPOSE: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];

#[test]
#[ignore = "needs Docker"]
fn compose_accepts_the_file_without_warnings_and_reads_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maze.yaml");
    let desired = maze(3);
    std::fs::write(&path, print(&desired)).unwrap();
    let run = |command: &[&str], arguments: &[&str]| {
        Command::new(command[0])
            .args(&command[1..])
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    let mut installed = COMPOSE
        .iter()
        .filter(|command| run(command, &["version"]).is_some())
        .peekable();
    if installed.peek().is_none() {
        println!("skipped: neither `docker compose` nor `docker-compose` is installed");
    }
    for command in installed {
        let output = Command::new(command[0])
            .args(&command[1..])
            .args(["--project-name", "maze", "--file"])
            .arg(&path)
            .arg("config")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{command:?}: {errors}");
        let read = read(&String::from_utf8(output.stdout).unwrap());
        let gateway = &read["services"]["host-10"];
        assert_eq!(
            gateway["networks"]["Lan-1"]["ipv4_address"], "172.20.1.10",
            "{command:?}"
        );
        assert_eq!(gateway["ports"].as_array().unwrap().len(), 3, "{command:?}");
        let banner = &read["services"]["host-12.http"]["environment"]["SERVICE_STATE"];
        assert_eq!(banner, r#"{"banner":"$5 off\r\n"}"#, "{command:?}");
        assert_eq!(
            read["networks"]["Lan-2"]["name"], "decnet_t_01234567_lan-2",
            "{command:?}"
        );
    }
}
