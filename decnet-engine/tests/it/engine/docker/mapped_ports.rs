//! Services whose program listens on another port than visitors see.

use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use decnet_topology::{DeploySettings, Mutation, NewMutation};

use super::{
    namespace::{connect, inside},
    stand_in::StandIn,
    verifying::verify,
    *,
};

const LAB: Ipv4Addr = Ipv4Addr::new(10, 203, 153, 11);

fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.203.152.0/24")
        .lan("inner", "10.203.153.0/24")
        .decky("gate", |decky| {
            decky
                .on("dmz", "10.203.152.10")
                .on("inner", "10.203.153.10")
                .forwards()
                .services(["pot"])
        })
        .decky("lab", |decky| decky.on("inner", "10.203.153.11").services(["pot"]))
        .build()
        .expect("a topology")
}

/// Returns the greeting, and keeps the connection open.
fn greeted(mut stream: TcpStream) -> TcpStream {
    let mut greeting = [0; 6];
    stream.read_exact(&mut greeting).expect("its greeting");
    assert_eq!(&greeting, b"hello\n");
    stream
}

fn refused(to: (Ipv4Addr, u16)) -> Option<ErrorKind> {
    let tried = TcpStream::connect_timeout(&SocketAddr::from(to), Duration::from_secs(5));
    tried.err().map(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn visitors_see_the_outside_port_and_the_program_sees_the_visitor() {
    let stand_in = StandIn::new();
    on_docker_with_catalog(stand_in.catalog_at("22:2222/tcp", ""), async |lab| {
        let topology = maze();
        let id = lab.store("mapped", topology.clone()).await;
        let publish = ["pot=127.0.0.1:22822".parse().expect("a rule")].into_iter().collect();
        let settings = DeploySettings::default().publish(publish);
        let options = DeployOptions::default().settings(Some(settings));
        let outcome = lab
            .engine
            .deploy(id, options, &CancellationToken::new())
            .await
            .expect("deployed");
        assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
        let base = |name: &str| {
            let decky = topology.decky_named(&name.parse().expect("a name")).expect("a decky");
            naming::base(id, decky).to_string()
        };
        // The port that is published leads to the program too.
        drop(greeted(connect((Ipv4Addr::LOCALHOST, 22_822))));
        let lab_base = base("lab");
        inside(&base("gate"), move || {
            let visit = greeted(connect((LAB, 22)));
            // The program's end of the connection, in the kernel's notation: its own port, and the visitor's address.
            let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &lab_base]);
            let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).expect("this machine's daemon");
            let visitor = u32::from_ne_bytes([10, 203, 153, 10]);
            let remote = format!("{visitor:08X}:{:04X}", visit.local_addr().expect("an address").port());
            let own = table
                .lines()
                .find(|line| line.contains(&remote))
                .expect("the visitor's real address");
            assert!(own.contains(":08AE "), "port 2222: {own}");
            assert_eq!(
                refused((LAB, 2222)),
                Some(ErrorKind::ConnectionRefused),
                "the inside port looks closed"
            );
        });
        inside(&base("lab"), || {
            for own in [Ipv4Addr::LOCALHOST, LAB] {
                drop(greeted(connect((own, 22))));
            }
        });
        assert_eq!(verify(lab, id).await.deviations, []);
        let plan = crate::planned(&lab.engine, id, None).await.expect("planned");
        assert!(plan.is_empty(), "{plan:#?}");

        // Live: without the service nothing is redirected any more.
        let json = r#"{"op": "update_decky", "payload": {"decky": "lab", "services": ["ssh"]}}"#;
        let mutation = NewMutation::new(Mutation::from_json(json).expect("a mutation"));
        let prepared = lab
            .engine
            .prepare(id, decnet_engine::Operation::Mutate(mutation))
            .await
            .expect("prepared");
        prepared.execute(&CancellationToken::new()).await.expect("mutated");
        inside(&base("gate"), || {
            let mut banner = [0; 4];
            connect((LAB, 22)).read_exact(&mut banner).expect("its banner");
            assert_eq!(&banner, b"SSH-");
        });
        assert_eq!(verify(lab, id).await.deviations, []);
    })
    .await;
}
