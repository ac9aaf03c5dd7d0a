//! Lines that are random, and recorded lines that are changed: a bounded run of what the fuzzer does.

use std::{fs, path::Path};

use decnet_topology::RandomStream;

use super::oracle::log_formats;

/// What ends lines and fields in one of the formats, also in parts of characters.
const MARKS: [&[u8]; 24] = [
    b"\n",
    b"\r\n",
    b"\0",
    b"\"",
    b"\\",
    b"\\\"",
    b"|",
    b"]",
    b"=",
    b" src=10.0.0.1",
    b"\"] <133>1 forged",
    b" CEF:0|a|b|",
    b"\x1b[2J",
    b"\\u001b[2J",
    b"\\n<133>1 ",
    b"\\u2028",
    b"\\ud83e\\udd80",
    b"\xff",
    b"\xe2\x80",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xae",
    b"\xf3\xa0\x81\x81",
    b"\xc2\x9b",
    b"{}",
];

/// Returns the recorded lines of services and of other programs.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("decoy/fuzz/seeds");
    let files = ["log_line", "log_formats"].map(|target| fs::read_dir(folder.join(target)).unwrap());
    let mut files: Vec<_> = files.into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn draw(name: &'static str) -> RandomStream {
    RandomStream::new(7, name, 0)
}

#[test]
fn recorded_lines_are_read_back_whatever_is_changed() {
    let mut draw = draw("changes");
    for seed in seeds() {
        log_formats(&seed);
        for _ in 0..60 {
            let mut changed = seed.clone();
            for _ in 0..=draw.below(3) {
                let place = draw.index(changed.len());
                match draw.below(4) {
                    0 => changed[place] = draw.between(0, 255),
                    1 => changed.truncate(place.max(1)),
                    _ => {
                        let mark = MARKS[draw.index(MARKS.len())];
                        drop(changed.splice(place..place, mark.iter().copied()));
                    }
                }
            }
            log_formats(&changed);
        }
    }
}

#[test]
fn random_lines_are_read_back() {
    let mut draw = draw("lines");
    for _ in 0..400 {
        let mut line = Vec::new();
        for _ in 0..draw.below(6) {
            line.extend(MARKS[draw.index(MARKS.len())]);
            line.extend((0..draw.below(8)).map(|_| draw.between(0, 255)));
        }
        log_formats(&line);
    }
}
