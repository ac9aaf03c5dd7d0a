//! A decky under load: many connections, many attempts, floods, and requests whose sender is forged. Also its memory and descriptors.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use decnet_decoy::protocol::{Action, BuiltinService, Listen, Protocol, Record, ServiceState};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::lab::{Lab, docker, eventually, leaf, own_service, try_docker};

const LONG: Duration = Duration::from_secs(10);

/// Returns built-in services of one process, which know the user `bob` with the password `right`.
fn builtins(services: &[(&str, &[(u16, Protocol)])]) -> ServiceState {
    let services = services.iter().map(|(name, ports)| BuiltinService {
        name: (*name).into(),
        listen: ports
            .iter()
            .map(|(port, protocol)| Listen {
                port: *port,
                protocol: *protocol,
            })
            .collect(),
        fields: [("user", "bob"), ("password", "right")]
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .into_iter()
            .collect(),
    });
    ServiceState {
        services: services.collect(),
        ..own_service("web", Vec::new(), None)
    }
}

/// Creates bases with these names on a network, from `.10` on.
fn create_bases(lab: &Lab, net: &str, names: &[&str]) {
    lab.inner("a", &format!("{net}.0/24"));
    for (name, at) in names.iter().zip(10..) {
        let address = format!("{net}.{at}");
        lab.base(name, &leaf(&[&address], &[]), &[("a", &address)]);
    }
    for name in names {
        lab.settled(name);
    }
}

fn at(net: &str, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(format!("{net}.10").parse::<Ipv4Addr>().unwrap(), port)
}

fn connect(to: SocketAddrV4) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&to.into(), LONG).ok()?;
    stream.set_read_timeout(Some(LONG)).ok()?;
    Some(stream)
}

/// Logs in over FTP. Returns whether it succeeded.
fn logs_in(to: SocketAddrV4) -> bool {
    let Some(mut stream) = connect(to) else {
        return false;
    };
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut next = || lines.next().and_then(Result::ok).unwrap_or_default();
    let greeted = next().starts_with("220");
    let _ = stream.write_all(b"USER bob\r\n");
    let asked = next().starts_with("331");
    let _ = stream.write_all(b"PASS right\r\n");
    greeted && asked && next().starts_with("230")
}

/// Allows this process as many open files as possible.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
#[ignore = "needs Docker"]
fn a_thousand_idle_connections_do_not_prevent_a_login() {
    const NET: &str = "10.201.41";
    const VISITORS: [&str; 4] = ["one", "two", "three", "four"];
    allow_many_files();
    let lab = Lab::new("idle");
    create_bases(&lab, NET, &["web", "one", "two", "three", "four", "newcomer"]);
    lab.service("ftp", "web", &builtins(&[("ftp", &[(21, Protocol::Tcp)])]));
    let to = at(NET, 21);
    eventually("the service answers", || lab.inside("newcomer", move || logs_in(to)));

    let held: Vec<TcpStream> = VISITORS
        .iter()
        .flat_map(|visitor| {
            lab.inside(visitor, move || {
                (0..250).filter_map(|_| connect(to)).collect::<Vec<_>>()
            })
        })
        .collect();
    assert_eq!(held.len(), 1000);
    for visitor in ["newcomer", "one"] {
        assert!(lab.inside(visitor, move || logs_in(to)), "{visitor}");
    }
    drop(held);
    assert_eq!(lab.inspect("ftp", "{{.State.Running}} {{.RestartCount}}"), "true 0");
}

#[test]
#[ignore = "needs Docker"]
fn each_of_ten_thousand_password_attempts_is_logged_or_counted() {
    const NET: &str = "10.201.42";
    const CONNECTIONS: usize = 100;
    const OF_EACH: usize = 100;
    let lab = Lab::new("guessing");
    create_bases(&lab, NET, &["web", "guesser"]);
    lab.service("redis", "web", &builtins(&[("redis", &[(6379, Protocol::Tcp)])]));
    let to = at(NET, 6379);
    eventually("the service answers", || {
        lab.inside("guesser", move || connect(to).is_some())
    });
    let answered = lab.inside("guesser", move || {
        let answers = (0..CONNECTIONS).map(|connection| {
            let mut stream = connect(to).unwrap();
            let guesses = (0..OF_EACH).map(|guess| format!("AUTH bob guess-{connection}-{guess}\r\n"));
            stream.write_all(guesses.collect::<String>().as_bytes()).unwrap();
            let lines = BufReader::new(stream).lines().take(OF_EACH);
            lines
                .filter(|line| line.as_ref().is_ok_and(|line| line.starts_with('-')))
                .count()
        });
        answers.sum::<usize>()
    });
    assert_eq!(answered, CONNECTIONS * OF_EACH);
    docker(&["stop", "--time", "30", &lab.name("redis")]);

    let records = lab.records("redis");
    let attempts: Vec<&Record> = records
        .iter()
        .filter(|record| record.event.action == Action::AuthAttempt)
        .collect();
    let left_out = records
        .iter()
        .filter_map(|record| record.decnet.left_out.get(&Action::AuthAttempt));
    assert!(attempts.iter().all(|record| record.decnet.password.is_some()));
    assert!(!attempts.is_empty());
    assert_eq!(
        attempts.len() as u64 + left_out.sum::<u64>(),
        (CONNECTIONS * OF_EACH) as u64
    );
}

/// A service, its port, and a request over UDP.
type Request = (&'static str, u16, Vec<u8>);

/// Returns requests that ask for as much as possible.
fn requests() -> Vec<Request> {
    // An id, one question for `version.bind` in the class CHAOS, and one for all records of the own domain.
    let question = |name: &[&str], kind: u8, class: u8| {
        let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, kind, 0, class]);
        query
    };
    let sip = "OPTIONS sip:100@x SIP/2.0\r\nVia: SIP/2.0/UDP x:5060;branch=z9hG4bK1;rport\r\nFrom: <sip:100@x>;tag=1\r\n\
               To: <sip:100@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    let long = format!("User-Agent: {}\r\nMax-Forwards", "x".repeat(300));
    // GetBulk of 100 values from 1.3.6.1.2.1, community `public`.
    let bulk = b"\x30\x26\x02\x01\x01\x04\x06public\xa5\x19\x02\x04\x01\x02\x03\x04\x02\x01\x00\x02\x01\x64\x30\x0b\x30\x09\x06\x05\x2b\x06\x01\x02\x01\x05\x00";
    // Get of 1.3.6.1.2.1.1.1.0, community `public`.
    let get = b"\x30\x29\x02\x01\x01\x04\x06public\xa0\x1c\x02\x04\x01\x02\x03\x04\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00";
    vec![
        ("dns", 53, question(&["version", "bind"], 16, 3)),
        ("dns", 53, question(&["corp", "local"], 255, 1)),
        ("dns", 53, question(&["corp", "local"], 6, 1)),
        ("snmp", 161, bulk.to_vec()),
        ("snmp", 161, get.to_vec()),
        ("sip", 5060, sip.into()),
        // The answer to the short one is too long.
        ("sip", 5060, sip.replace("Max-Forwards", &long).into()),
        ("tftp", 69, b"\0\x01startup-config\0octet\0blksize\x0065464\0".to_vec()),
        ("llmnr", 5355, question(&["web"], 1, 1)),
        (
            "llmnr",
            5353,
            question(&["_services", "_dns-sd", "_udp", "local"], 12, 1),
        ),
        ("own", 9000, b"x".to_vec()),
    ]
}

#[test]
#[ignore = "needs Docker"]
fn no_service_sends_more_than_twice_what_an_unknown_source_sent() {
    const NET: &str = "10.201.43";
    let lab = Lab::new("forged");
    create_bases(&lab, NET, &["web", "victim"]);
    let udp = |port| (port, Protocol::Udp);
    let mut state = builtins(&[
        ("dns", &[udp(53)]),
        ("snmp", &[udp(161)]),
        ("sip", &[udp(5060)]),
        ("tftp", &[udp(69)]),
        ("llmnr", &[udp(5355), udp(5353)]),
        ("own", &[udp(9000)]),
    ]);
    let banner = "banner ".repeat(100);
    if let Some(own) = state.services.last_mut() {
        own.fields.insert("banner".into(), json!(banner));
    }
    lab.service("all", "web", &state);
    let asks = |port: u16, request: Vec<u8>| {
        lab.inside("victim", move || {
            // Each request has a new source, like a forged one.
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.send_to(&request, at(NET, port)).unwrap();
            let (mut heard, deadline) = (0, Instant::now() + Duration::from_secs(2));
            let mut buffer = vec![0; 65_536];
            // Later answers, for instance repeated ones, count too.
            while let Some(left) = deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            {
                socket.set_read_timeout(Some(left)).unwrap();
                heard += socket.recv(&mut buffer).unwrap_or(0);
            }
            heard
        })
    };
    eventually("the services answer", || asks(9000, b"x".to_vec()) > 0);
    let mut answered: BTreeMap<&str, bool> = BTreeMap::new();
    for (service, port, request) in requests() {
        let sent = request.len();
        let heard = asks(port, request);
        assert!(heard <= 2 * sent, "{service}: {heard} bytes for {sent}");
        *answered.entry(service).or_default() |= heard > 0;
    }
    for service in ["dns", "snmp", "sip", "own"] {
        assert!(answered[service], "{answered:?}");
    }
}

#[test]
#[ignore = "needs Docker"]
fn a_flood_on_one_decky_does_not_hold_up_the_log_of_another() {
    const NET: &str = "10.201.44";
    let lab = Lab::new("flood");
    create_bases(&lab, NET, &["web", "flooder", "quiet", "visitor"]);
    let state = builtins(&[("ftp", &[(21, Protocol::Tcp)])]);
    lab.service("flooded", "web", &state);
    lab.service("other", "quiet", &state);
    let (flooded, quiet) = (at(NET, 21), SocketAddrV4::new(format!("{NET}.12").parse().unwrap(), 21));
    eventually("both answer", || {
        lab.inside("visitor", move || logs_in(flooded) && logs_in(quiet))
    });
    let attempts = |lab: &Lab| {
        let records = lab.records("other").into_iter();
        records
            .filter(|record| record.event.action == Action::AuthAttempt)
            .count()
    };
    let before = attempts(&lab);

    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let flood = {
        let (over, made) = (Arc::clone(&over), Arc::clone(&made));
        let pid = lab.inspect("flooder", "{{.State.Pid}}");
        thread::spawn(move || {
            super::lab::enter(&pid);
            while !over.load(Ordering::Relaxed) {
                if let Some(mut stream) = connect(flooded) {
                    let _ = stream.write_all(b"USER bob\r\nPASS wrong\r\n");
                    made.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    eventually("the flood runs", || made.load(Ordering::Relaxed) > 500);
    assert!(lab.inside("visitor", move || logs_in(quiet)));
    eventually("the login is in the log while the flood goes on", || {
        attempts(&lab) > before
    });
    let during = made.load(Ordering::Relaxed);
    eventually("the flood goes on", || made.load(Ordering::Relaxed) > during);
    over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    assert_eq!(lab.inspect("flooded", "{{.State.Running}} {{.RestartCount}}"), "true 0");
}

#[test]
#[ignore = "needs Docker"]
fn an_idle_process_has_less_than_four_megabytes_in_memory_and_the_image_less_than_eight() {
    const NET: &str = "10.201.45";
    const SERVICES: [(&str, u16); 6] = [
        ("ssh", 22),
        ("https", 443),
        ("ldap", 389),
        ("mysql", 3306),
        ("k8s", 6443),
        ("smb", 445),
    ];
    let lab = Lab::new("idles");
    create_bases(&lab, NET, &["web", "visitor"]);
    for (name, port) in SERVICES {
        lab.service(name, "web", &builtins(&[(name, &[(port, Protocol::Tcp)])]));
        eventually("it listens", || {
            lab.inside("visitor", move || connect(at(NET, port)).is_some())
        });
    }
    for (name, _) in SERVICES {
        // `VmRSS` in `status` is off by up to 32 pages for each processor (proc(5)). Pages of the program count in part: all processes
        // share them, and the kernel maps more or fewer of them in advance.
        let pid = lab.inspect(name, "{{.State.Pid}}");
        let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let share = memory.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
        let kib: u64 = share.trim().trim_end_matches(" kB").parse().unwrap();
        println!("{name}: {kib} KiB");
        assert!(kib < 4 * 1024, "{name}: {kib} KiB");
    }
    let bytes: u64 = lab.inspect_image("{{.Size}}").parse().unwrap();
    println!("image: {bytes} bytes");
    assert!(bytes < 8_000_000, "{bytes}");
}

#[test]
#[ignore = "needs Docker"]
fn hidden_passwords_are_nowhere_in_the_output_of_a_process() {
    const NET: &str = "10.201.46";
    let lab = Lab::new("hidden");
    create_bases(&lab, NET, &["web", "visitor"]);
    let state = ServiceState {
        passwords: false,
        ..builtins(&[("ftp", &[(21, Protocol::Tcp)]), ("redis", &[(6379, Protocol::Tcp)])])
    };
    lab.service("all", "web", &state);
    let (ftp, redis) = (at(NET, 21), at(NET, 6379));
    eventually("it answers", || lab.inside("visitor", move || logs_in(ftp)));
    lab.inside("visitor", move || {
        let mut stream = connect(redis).unwrap();
        stream.write_all(b"AUTH right\r\nQUIT\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let attempts = || {
        let records = lab.records("all").into_iter();
        records
            .filter(|record| record.event.action == Action::AuthAttempt)
            .collect::<Vec<_>>()
    };
    eventually("both attempts are logged", || attempts().len() >= 2);
    assert!(attempts().iter().all(|record| record.decnet.password.is_none()));
    let logs = try_docker(&["logs", &lab.name("all")], b"");
    assert!(
        !logs.stdout.contains("right") && !logs.stderr.contains("right"),
        "{}",
        logs.stdout
    );
}
