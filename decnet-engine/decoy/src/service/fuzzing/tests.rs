//! Every service survives random, truncated, split and changed input, and recorded input that arrives in pieces.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::{
    input::{PORTS, encode, pieces},
    *,
};
use crate::service::{
    context::Context,
    registry::services,
    testing::{Draw, ports},
};

/// The recorded input of the tests of each service: the start of the fuzzer's corpus.
///
/// `DECNET_SEEDS=1 cargo nextest run --package decnet-decoy --all-features` writes it.
fn seeds() -> Vec<(String, Vec<u8>)> {
    recorded("converse")
}

fn recorded(target: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder().with_file_name(target))
        .expect("the recorded input")
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("a file"))
        });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

/// Writes the messages of a test as an input of the fuzzer, in a file that is named after the service and the bytes.
pub(in crate::service) fn record(context: &Context, messages: &[&[u8]]) {
    let (service, session) = (&context.service.name, &context.session);
    let own = (service.as_str(), session.port, session.transport);
    let Some(port) = PORTS.iter().position(|port| *port == own) else {
        return;
    };
    let surroundings = u8::from(service == "vnc" || service == "rdp") * 5;
    let input = encode(u8::try_from(port).unwrap(), surroundings, messages);
    let name = format!("{service}-{}-{:08x}", session.port, checksum(&input));
    fs::create_dir_all(folder()).unwrap();
    fs::write(folder().join(name), input).unwrap();
}

/// A checksum of bytes (FNV-1a).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/converse")
}

#[test]
fn the_fuzzer_knows_every_port_of_every_service() {
    let known: BTreeSet<_> = PORTS.iter().copied().filter(|(name, ..)| *name != "own").collect();
    let declared = services().flat_map(|name| {
        ports(name)
            .into_iter()
            .map(move |(port, transport)| (name, port, transport))
    });
    assert_eq!(known, declared.collect());
}

#[test]
fn every_service_has_recorded_input() {
    let recorded: BTreeSet<String> = seeds()
        .into_iter()
        .map(|(_, seed)| PORTS[usize::from(seed[0])].0.to_owned())
        .collect();
    let all: BTreeSet<String> = services().map(ToOwned::to_owned).collect();
    assert_eq!(all.difference(&recorded).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn pieces_are_read_as_they_were_written() {
    let input = encode(3, 4, &[b"one", &[7; 5000], b""]);
    let read: Vec<_> = pieces(&input[2..]).iter().map(|(_, piece)| piece.len()).collect();
    assert_eq!((input[0], input[1], read), (3, 4, vec![3, 4095, 905]));
}

#[test]
fn every_service_survives_random_input() {
    let mut draw = Draw::new(1);
    for port in 0..PORTS.len() {
        for round in 0..60 {
            let length = draw.below(400);
            let random: Vec<u8> = (0..length).map(|_| draw.byte()).collect();
            let messages: Vec<&[u8]> = random.chunks(1 + round).collect();
            converse(&encode(u8::try_from(port).unwrap(), draw.byte(), &messages));
            converse(&[&[u8::try_from(port).unwrap(), draw.byte()], &random[..]].concat());
        }
    }
}

#[test]
fn every_port_survives_recorded_input_that_is_split_cut_off_or_changed() {
    let mut draw = Draw::new(2);
    for (name, seed) in seeds() {
        println!("{name}");
        let (service, _, transport) = PORTS[usize::from(seed[0])];
        let own = |port: &(&str, u16, _)| port.0 == service && port.2 == transport;
        let whole: Vec<&[u8]> = pieces(&seed[2..]).iter().map(|(_, piece)| *piece).collect();
        let bytes = whole.concat();
        for port in (0..PORTS.len()).filter(|port| own(&PORTS[*port])) {
            let port = u8::try_from(port).unwrap();
            for surroundings in 0..15 {
                converse(&encode(port, surroundings, &whole));
            }
            converse(&encode(port, seed[1], &bytes.chunks(1).collect::<Vec<_>>()));
            for _ in 0..40 {
                converse(&encode(port, draw.byte(), &[&bytes[..draw.below(bytes.len() + 1)]]));
                let mut changed = seed.clone();
                changed[0] = port;
                for _ in 0..=draw.below(6) {
                    let place = (2 + draw.below(changed.len() - 2)).min(changed.len() - 1);
                    match draw.below(3) {
                        0 => changed[place] = draw.byte(),
                        1 => changed.truncate(place.max(3)),
                        _ => {
                            let copy = changed[place..].to_vec();
                            changed.extend(copy);
                        }
                    }
                }
                converse(&changed);
            }
        }
    }
}

#[test]
fn recorded_lines_of_the_log_and_hellos_survive_changes() {
    let mut draw = Draw::new(4);
    for (target, read) in [("log_line", log_line as fn(&[u8])), ("client_hello", client_hello)] {
        for (_, seed) in recorded(target) {
            read(&seed);
            for _ in 0..500 {
                let mut changed = seed.clone();
                let place = draw.below(changed.len());
                match draw.below(3) {
                    0 => changed[place] = draw.byte(),
                    1 => changed.truncate(place),
                    _ => drop(changed.splice(place..place, [0x7f, draw.byte()])),
                }
                read(&changed);
            }
        }
    }
}

/// Returns the most memory that this process had so far, in KiB.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn a_long_conversation_does_not_fill_the_memory() {
    for (name, seed) in seeds() {
        let recorded: Vec<&[u8]> = pieces(&seed[2..]).iter().map(|(_, piece)| *piece).collect();
        let bytes = recorded.concat();
        if bytes.is_empty() {
            continue;
        }
        // A megabyte of what was recorded, and one of a message that does not end.
        let many: Vec<&[u8]> = recorded.iter().copied().cycle().take(4000).collect();
        let repeated = bytes.repeat(1_000_000 / bytes.len() + 1);
        let before = peak();
        converse(&encode(seed[0], seed[1], &many));
        converse(&encode(seed[0], seed[1], &repeated.chunks(4000).collect::<Vec<_>>()));
        converse(&encode(
            seed[0],
            seed[1],
            &vec![bytes[0]; 1_000_000].chunks(4000).collect::<Vec<_>>(),
        ));
        // The kernel counts in batches, so a later number can be smaller.
        let grown = peak().saturating_sub(before);
        assert!(grown < 32 * 1024, "{name}: {grown} KiB");
    }
}

#[test]
fn the_shared_formats_and_the_log_survive_random_input() {
    let mut draw = Draw::new(3);
    for _ in 0..20_000 {
        let length = draw.below(120);
        let random: Vec<u8> = (0..length).map(|_| draw.byte()).collect();
        formats(&random);
        client_hello(&[b"\x16\x03\x01", &random[..]].concat());
        client_hello(&random);
        log_line(&random);
    }
}
