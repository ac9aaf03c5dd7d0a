//! The server, with visitors on many loopback addresses.

use super::*;

#[test]
fn fifty_visitors_are_served_while_one_holds_all_connections_that_it_can() {
    let running = Running::start(Protocol::Tcp);
    let greedy = Ipv4Addr::new(127, 0, 1, 1);
    let mut held: Vec<_> = (0..256).map(|_| running.visit(greedy)).collect();
    // The last of them is connected, so all earlier ones were accepted; they keep sending.
    assert_eq!(greeting(&mut held[255]), BANNER);
    for stream in &mut held {
        let _ = stream.write(b"x");
    }
    for of in 0..50 {
        let mut visitor = running.visit(Ipv4Addr::new(127, 0, 2, of));
        assert_eq!(greeting(&mut visitor), BANNER, "visitor {of}");
    }
    let log = running.end();
    let connected = |from: Ipv4Addr| {
        let opened = log.of(Action::SessionOpen);
        opened.iter().filter(|record| source(record) == from).count()
    };
    assert!((0..50).all(|of| connected(Ipv4Addr::new(127, 0, 2, of)) == 1));
    let displaced = closed(&log, EndReason::Displaced);
    assert!(displaced.iter().all(|record| source(record) == greedy), "{displaced:?}");
    assert!(!displaced.is_empty());
    let summaries = log.of(Action::Summary).into_iter();
    let counted: u64 = summaries
        .filter_map(|record| record.decnet.summary)
        .map(|summary| summary.connections)
        .sum();
    assert_eq!(connected(greedy) as u64 + counted, 256);
}

fn source(record: &Record) -> Ipv4Addr {
    record.source.and_then(|source| source.ip).expect("an address")
}

/// Returns the ends of conversations for this reason.
fn closed(log: &Log, reason: EndReason) -> Vec<Record> {
    let ends = log.of(Action::SessionClose).into_iter();
    ends.filter(|record| record.decnet.reason == Some(reason)).collect()
}

#[test]
fn visitors_are_served_while_many_sources_hold_all_connections() {
    let running = Running::start(Protocol::Tcp);
    let held = (0..256).map(|of| {
        let mut stream = running.visit(Ipv4Addr::new(127, 0, 3, u8::try_from(of / 8).unwrap()));
        greeting(&mut stream);
        stream
    });
    let held: Vec<_> = held.collect();
    let mut visitor = running.visit(Ipv4Addr::new(127, 0, 4, 1));
    assert_eq!(greeting(&mut visitor), BANNER);
    drop(held);
    let log = running.end();
    let displaced = closed(&log, EndReason::Displaced);
    assert_eq!(displaced.len(), 1, "{displaced:?}");
    assert_eq!(source(&displaced[0]), Ipv4Addr::new(127, 0, 3, 0));
}

#[test]
fn a_connection_has_a_line_for_its_start_one_for_its_input_and_one_for_its_end() {
    let running = Running::start(Protocol::Tcp);
    let mut visitor = running.visit(Ipv4Addr::new(127, 0, 5, 1));
    greeting(&mut visitor);
    // A connection that is open when the service is killed has this line.
    let open = running.log.records();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].event.action, open[0].event.sequence), (Action::SessionOpen, 1));
    assert_eq!(open[0].destination.unwrap().ip, Some(Ipv4Addr::LOCALHOST));
    visitor.write_all(b"hello").unwrap();
    drop(visitor);
    // A stop signal is handled first, so the end of the first connection must be logged before.
    while running.log.of(Action::SessionClose).is_empty() {
        thread::yield_now();
    }
    let mut other = running.visit(Ipv4Addr::new(127, 0, 5, 2));
    greeting(&mut other);
    let records = running.end().records();
    let actions: Vec<_> = records.iter().map(|record| record.event.action).collect();
    assert_eq!(
        actions,
        [
            Action::SessionOpen,
            Action::Probe,
            Action::SessionClose,
            Action::SessionOpen,
            Action::SessionClose
        ]
    );
    assert_eq!(records[1].decnet.input.as_deref(), Some("hello"));
    assert_eq!(records[2].decnet.session, records[0].decnet.session);
    assert_eq!(records[2].decnet.bytes, Some(5));
    assert_eq!(records[2].decnet.reason, Some(EndReason::Closed));
    assert_eq!(records[2].source, records[0].source);
    assert!(records[2].event.duration.is_some());
    assert_ne!(records[3].decnet.session, records[0].decnet.session);
    assert_eq!(records[4].decnet.reason, Some(EndReason::Stopped));
}

#[test]
fn a_service_whose_base_ends_continues_with_the_sockets_of_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let port = free();
    let listen = vec![Listen {
        port,
        protocol: Protocol::Tcp,
    }];
    let log = Log::default();
    let mut server = server(own(listen), path.to_str().unwrap(), &log);
    let (stop_end, mut stop) = UnixStream::pair().unwrap();
    // The service starts before its base.
    let thread = thread::spawn(move || server.run(&stop_end).unwrap_or(EXIT_FAILED));
    let visit = || loop {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        match &mut stream {
            Ok(stream) => {
                assert_eq!(greeting(stream), BANNER);
                return stream.try_clone().unwrap();
            }
            Err(_) => thread::yield_now(),
        }
    };
    let first = Base::start(&path);
    let mut visitor = visit();
    drop(first);
    // Connections and ports of the old namespace end.
    assert!(!matches!(visitor.read(&mut [0]), Ok(1..)));
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
        thread::yield_now();
    }
    // The port closes before the line is written.
    let reasons = loop {
        let reasons = log.records().into_iter().filter_map(|record| record.decnet.reason);
        let reasons: Vec<_> = reasons.collect();
        if !reasons.is_empty() {
            break reasons;
        }
        thread::yield_now();
    };
    assert_eq!(reasons, [EndReason::Broken]);

    let _second = Base::start(&path);
    visit();
    stop.write_all(b"x").unwrap();
    assert_eq!(thread.join().unwrap(), EXIT_DONE);
}

#[test]
fn an_answer_has_at_most_twice_the_size_of_the_request() {
    let running = Running::start(Protocol::Udp);
    let visitor = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect((Ipv4Addr::LOCALHOST, running.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    };
    let ask = |socket: &UdpSocket, question: &[u8]| {
        socket.send(question).unwrap();
        let mut answer = [0; 1024];
        let length = socket.recv(&mut answer).unwrap();
        answer[..length].to_vec()
    };
    // The server answers, so the kernel reports the addresses of all later datagrams.
    ask(&visitor(), b"hello");
    let socket = visitor();
    // An empty datagram has no answer, so the next answer is for the one after it.
    socket.send(b"").unwrap();
    assert_eq!(ask(&socket, b"x"), &BANNER.as_bytes()[..2]);
    assert_eq!(ask(&socket, &[0; 15]), &BANNER.as_bytes()[..30]);
    assert_eq!(ask(&socket, &[0; 100]), BANNER.as_bytes());
    let port = socket.local_addr().unwrap().port();
    let log = running.end();
    let of_socket = |action| {
        let records = log.of(action).into_iter();
        records
            .filter(|record| record.source.and_then(|source| source.port) == Some(port))
            .collect::<Vec<_>>()
    };
    assert_eq!(of_socket(Action::Probe).len(), 4);
    let ends = of_socket(Action::SessionClose);
    assert_eq!(ends.len(), 1, "one source is one conversation");
    assert_eq!(ends[0].decnet.bytes, Some(116));
    assert_eq!(ends[0].destination.and_then(|end| end.ip), Some(Ipv4Addr::LOCALHOST));
}
