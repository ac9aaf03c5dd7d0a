//! Cached routes of the kernel are not drift, and neighbours cannot redirect packets.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    thread,
};

use decnet_decoy::protocol::Target;
use decnet_engine::ContainerName;
use decnet_topology::{Mutation, MutationState, NewMutation};
use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};

use super::{
    namespace::inside,
    outsider::{Outsider, run, text},
    verifying::{base_of, deploy, three},
    *,
};

fn ip(container: &str, arguments: &'static [&str]) -> String {
    inside(container, move || text(&run("ip", arguments)))
}

/// Checks that nothing is to do and that a mutation is applied.
async fn check_settled(lab: &Lab, id: TopologyId, add: &str) {
    let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
    assert!(plan.is_empty(), "{plan:?}");
    let json = format!(r#"{{"op":"add_decky","payload":{{"name":"{add}","lan":"office"}}}}"#);
    let new = NewMutation::new(Mutation::from_json(&json).expect("a mutation"));
    lab.engine.submit(id, new, None).await.expect("submitted");
    let done = lab.engine.drain(id, &CancellationToken::new()).await.expect("drained");
    let states: Vec<_> = done.iter().map(|row| row.state).collect();
    assert_eq!(states, [MutationState::Applied], "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_visitor_behind_a_smaller_mtu_gets_a_complete_page_and_causes_no_drift() {
    on_docker(async |lab| {
        let outsider = Outsider::on_host_link();
        let topology = three("10.203.5");
        let id = deploy(lab, &topology, &format!("ssh={}:20324", Outsider::HOST)).await;
        let gate = base_of(id, &topology, "gate");
        outsider.narrow(1400);
        // Replaces the service by one with a longer answer.
        let service = format!("{gate}.ssh");
        docker(&["stop", "-t", "0", &service]);
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let serving = {
            let gate = gate.clone();
            thread::spawn(move || {
                inside(&gate, move || {
                    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 22)).expect("the port is free");
                    ready.send(()).expect("waited for");
                    listener
                        .accept()
                        .expect("a visitor")
                        .0
                        .write_all(&vec![b'x'; 60_000])
                        .expect("sent");
                });
            })
        };
        is_ready.recv().expect("it listens");
        assert_eq!(outsider.receive_all(20324), 60_000);
        serving.join().expect("served");
        docker(&["start", &service]);

        let cached = ip(&gate, &["-4", "route", "show", "cache"]);
        assert!(cached.contains("mtu 1400"), "the kernel has no cached route: {cached}");
        check_settled(lab, id, "late").await;
        let reconciled = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
        assert_eq!(reconciled.expect("reconciled").row.status, Status::Active);
    })
    .await;
}

/// An ICMP message from router `of` that redirects packets to `to` over `by`.
fn redirect(of: Ipv4Addr, to: Ipv4Addr, by: Ipv4Addr) -> Vec<u8> {
    // An echo request of 28 bytes, as far as a router quotes it.
    let mut quoted = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0];
    quoted.extend(of.octets());
    quoted.extend(to.octets());
    set_checksum(&mut quoted, 10);
    quoted.extend([8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    // Type, code (for the host), checksum, the better router.
    let mut message = vec![5, 1, 0, 0];
    message.extend(by.octets());
    message.extend(quoted);
    set_checksum(&mut message, 2);
    message
}

/// The checksum of RFC 1071.
fn set_checksum(bytes: &mut [u8], at: usize) {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    (bytes[at], bytes[at + 1]) = (high, low);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn redirects_change_no_route_and_every_interface_is_guarded() {
    on_docker(async |lab| {
        let topology = three("10.203.8");
        let id = deploy(lab, &topology, "ssh=127.0.0.1:20325").await;
        let address = |text: &str| -> Ipv4Addr { text.parse().expect("an address") };
        let (desk, web, gate) = (address("10.203.81.3"), address("10.203.80.3"), address("10.203.81.2"));
        // The router itself sends them, so that the source is one that the kernel would trust.
        let router = base_of(id, &topology, "gate");
        let message = redirect(desk, web, address("10.203.81.4"));
        let asker = topology.decky_named(&"desk".parse().expect("a name")).expect("a decky");
        let reached = lab.probe(id, asker, vec![Target::Icmp { address: web }]).await;
        assert!(reached.targets[0].reached);
        inside(&router, move || {
            let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).expect("as root");
            for _ in 0..3 {
                sendto(&raw, &message, SendFlags::empty(), &SocketAddrV4::new(desk, 0)).expect("sent");
            }
        });
        let way = ip(&base_of(id, &topology, "desk"), &["-4", "route", "get", "10.203.80.3"]);
        assert!(way.contains(&format!("via {gate} ")), "{way}");
        check_settled(lab, id, "late").await;

        for decky in ["gate", "web", "desk", "bridge", "safe"] {
            let settings = inside(&base_of(id, &topology, decky), || {
                let of = |setting: &str| text(&run("sh", &["-c", &format!("cat /proc/sys/net/ipv4/conf/eth*/{setting}")]));
                ["accept_redirects", "send_redirects", "accept_source_route", "proxy_arp", "rp_filter"].map(of)
            });
            let settings = settings.map(|values| values.split_whitespace().collect::<Vec<_>>().concat());
            let zero = |values: &String| values.bytes().all(|value| value == b'0');
            assert!(settings[..4].iter().all(zero), "{decky}: {settings:?}");
            assert!(settings[4].bytes().all(|value| value == b'2'), "{decky}: {settings:?}");
        }

        // Manual settings are drift, and are repaired without restarts.
        let before = lab.observe(id).await;
        inside(&router, || {
            let redirects = std::fs::read_dir("/proc/sys/net/ipv4/conf").expect("listed");
            for interface in redirects.map(|entry| entry.expect("read").path()) {
                std::fs::write(interface.join("accept_redirects"), "1").expect("written");
            }
        });
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        let set = |step: &decnet_engine::Step| matches!(&step.action, Action::SetState { container, .. } if *container == ContainerName::from_docker(router.clone()));
        assert!(plan.steps().len() == 1 && plan.steps().iter().all(set), "{plan:?}");
        let healed = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
        assert_eq!(healed.expect("reconciled").row.status, Status::Active);
        assert!(crate::planned(&lab.engine, id, None).await.expect("planned").is_empty());
        assert_spared("guards", &plan, &before, &lab.observe(id).await);
    })
    .await;
}
