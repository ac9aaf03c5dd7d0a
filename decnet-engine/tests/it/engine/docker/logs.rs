//! Visits are collected from the logs of real containers.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    time::Duration,
};

use decnet_decoy::protocol::Action;
use decnet_engine::{ContainerName, LogContent, LogItem, LogOptions, Logs};
use decnet_topology::{Name, ServiceName};

use super::{
    namespace::{connect, inside},
    *,
};

/// How many passwords are tried at once. A conversation with more has lines that are left out.
const ATTEMPTS: usize = 40;

fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.203.70.0/24")
        .lan("inner", "10.203.71.0/24")
        .decky("web-01", |decky| {
            decky.on("dmz", "10.203.70.10").on("inner", "10.203.71.10")
        })
        .decky("db-03", |decky| {
            let decky = decky.on("inner", "10.203.71.11").services(["redis"]);
            decky.config("redis", "password", "right")
        })
        .build()
        .expect("a topology")
}

/// Tries passwords from inside a decky.
fn guess(from: &ContainerName, passwords: std::ops::Range<usize>) {
    inside(from.as_str(), move || {
        let mut stream = connect((Ipv4Addr::new(10, 203, 71, 11), 6379));
        for password in passwords {
            let guess = format!("AUTH wrong-{password}\r\n");
            stream.write_all(guess.as_bytes()).expect("sent");
            let mut answer = [0; 256];
            assert!(stream.read(&mut answer).expect("an answer") > 0);
        }
    });
}

/// Returns the passwords of the lines until no more comes for a while, and where they came from.
async fn passwords(logs: &mut Logs, expected: usize) -> Vec<(String, Option<Name>)> {
    let mut found = Vec::new();
    while found.len() < expected {
        let next = tokio::time::timeout(Duration::from_secs(30), logs.next()).await;
        let Ok(Some(item)) = next else {
            break;
        };
        let LogItem::Entry(entry) = item.expect("an item") else {
            continue;
        };
        if let LogContent::Record(record) = entry.content
            && let Some(password) = record.decnet.password
        {
            found.push((password, entry.from));
        }
    }
    found
}

fn names(passwords: std::ops::Range<usize>) -> Vec<(String, Option<Name>)> {
    let from = "web-01".parse().ok();
    passwords.map(|at| (format!("wrong-{at}"), from.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn no_line_is_lost_or_doubled_when_the_collector_and_a_service_restart() {
    on_docker(async |lab| {
        let topology = maze();
        let id = lab.store("logged", topology.clone()).await;
        lab.deploy(id).await;
        let decky = |name: &str| topology.decky_named(&name.parse().expect("a name")).expect("a decky");
        let web = naming::base(id, decky("web-01"));
        let redis = naming::service(id, decky("db-03"), &ServiceName::new("redis"));
        let follow = || LogOptions::default().topology(id).follow(true);

        let mut logs = lab.engine.logs(follow()).await.expect("logs");
        guess(&web, 0..ATTEMPTS);
        assert_eq!(passwords(&mut logs, ATTEMPTS).await, names(0..ATTEMPTS));
        let cursor = logs.cursor().clone();
        drop(logs);

        // The collector is down while the service restarts.
        guess(&web, ATTEMPTS..ATTEMPTS + 10);
        docker(&["restart", "--time", "0", redis.as_str()]);
        let mut logs = lab.engine.logs(follow().cursor(cursor)).await.expect("logs");
        guess(&web, ATTEMPTS + 10..ATTEMPTS + 20);
        let expected = names(ATTEMPTS..ATTEMPTS + 20);
        assert_eq!(passwords(&mut logs, 20).await, expected);
        // And while it is followed.
        docker(&["restart", "--time", "0", redis.as_str()]);
        guess(&web, ATTEMPTS + 20..ATTEMPTS + 30);
        assert_eq!(passwords(&mut logs, 10).await, names(ATTEMPTS + 20..ATTEMPTS + 30));
        drop(logs);

        let mut logs = lab.engine.logs(LogOptions::default()).await.expect("logs");
        let all = passwords(&mut logs, usize::MAX).await;
        assert_eq!(all, names(0..ATTEMPTS + 30), "the whole log");

        let paths = lab.engine.paths(LogOptions::default()).await.expect("paths").paths;
        let [path] = paths.as_slice() else {
            panic!("{paths:#?}");
        };
        let places: Vec<_> = path.longest_path().iter().map(ToString::to_string).collect();
        assert_eq!(places, ["web-01", "db-03"], "nobody was on web-01 before");
        assert_eq!(path.moves[0].sessions.len(), 4);
        assert_eq!(path.open_sessions, 0, "{path:#?}");
    })
    .await;
}

/// Waits until the log has this many packets to each of these addresses.
async fn wait_for_drops(logs: &mut Logs, expected: &[(Ipv4Addr, u64)]) {
    let mut found: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
    while found
        .iter()
        .map(|(address, packets)| (*address, *packets))
        .ne(expected.iter().copied())
    {
        let next = tokio::time::timeout(Duration::from_secs(30), logs.next()).await;
        let item = next.unwrap_or_else(|_| panic!("{found:?}"));
        let Some(Ok(LogItem::Entry(entry))) = item else {
            panic!("{item:?}");
        };
        let LogContent::Record(record) = entry.content else {
            continue;
        };
        if record.event.action == Action::ContainmentDrop {
            let target = record.destination.and_then(|target| target.ip).expect("a target");
            *found.entry(target).or_default() += record.decnet.packets.expect("a count");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn packets_that_the_containment_drops_are_counted_for_each_target() {
    on_docker(async |lab| {
        let topology = maze();
        let id = lab.store("contained", topology.clone()).await;
        lab.deploy(id).await;
        let web = topology
            .decky_named(&"web-01".parse().expect("a name"))
            .expect("a decky");
        let web = naming::base(id, web);
        let (host, resolver) = (Ipv4Addr::new(10, 203, 70, 1), Ipv4Addr::new(127, 0, 0, 11));
        inside(web.as_str(), move || {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
            for target in [(host, 22), (host, 9), (host, 22), (resolver, 53)] {
                assert!(socket.send_to(b"anyone?", target).is_err(), "it was dropped");
            }
            assert!(socket.send_to(b"hello", (Ipv4Addr::new(10, 203, 71, 11), 9)).is_ok());
        });
        let mut logs = lab.engine.logs(LogOptions::default().follow(true)).await.expect("logs");
        wait_for_drops(&mut logs, &[(host, 3), (resolver, 1)]).await;
        drop(logs);
        let paths = lab.engine.paths(LogOptions::default()).await.expect("paths").paths;
        assert!(
            paths
                .iter()
                .all(|path| path.moves.iter().all(|one| one.to.as_str() == "db-03")),
            "{paths:#?}"
        );
    })
    .await;
}
