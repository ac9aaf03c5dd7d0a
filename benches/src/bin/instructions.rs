//! A regression check without noise: counts instructions under callgrind, and compares them with the record.
//!
//! `instructions check` fails if a subject takes more than 3 % more instructions than the record for this compiler, C library and
//! processor; without such a record it prints the counts. `instructions record` writes the record. Both run `counted`, which must
//! be next to this program.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use decnet_benches::machine;

type Counts = BTreeMap<String, u64>;

const SUBJECTS: [&str; 5] = ["generate", "validate", "hash", "parse", "apply"];
/// The records, one file for each compiler, C library and processor.
const RECORDS: &str = "benches/instructions";
/// The tolerated increase, in percent.
const TOLERATED: u64 = 3;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let command = std::env::args().nth(1);
    let command = command
        .as_deref()
        .filter(|command| ["check", "record"].contains(command));
    let Some(command) = command else {
        return Err("usage: instructions check|record".into());
    };
    if machine::line_of("valgrind", &["--version"]).is_none() {
        println!("nothing is counted: valgrind is not installed");
        return Ok(if command == "check" {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let counts = count_all()?;
    let record = Path::new(RECORDS).join(file_name());
    if command == "record" {
        fs::create_dir_all(RECORDS)?;
        fs::write(&record, serde_json::to_string_pretty(&counts)? + "\n")?;
        println!("recorded in {}", record.display());
        return Ok(ExitCode::SUCCESS);
    }
    if !record.exists() {
        println!("{} does not exist: `make bench-record` creates it", record.display());
        return Ok(ExitCode::SUCCESS);
    }
    let recorded: Counts = serde_json::from_slice(&fs::read(&record)?)?;
    let worse = worse(&counts, &recorded);
    for line in &worse {
        eprintln!("{line}");
    }
    Ok(if worse.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn count_all() -> Result<Counts, Box<dyn Error>> {
    let counted = std::env::current_exe()?.with_file_name("counted");
    let mut counts = Counts::new();
    for subject in SUBJECTS {
        // The first call may fill caches of the allocator; it is in both runs.
        let (one, three) = (run(&counted, subject, 1)?, run(&counted, subject, 3)?);
        let count = three.saturating_sub(one) / 2;
        println!("{subject:<9} {count:>12} instructions");
        counts.insert(subject.into(), count);
    }
    Ok(counts)
}

fn run(counted: &PathBuf, subject: &str, times: u32) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(counted)
        .args([subject, &times.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(collected).filter(|_| output.status.success());
    count.ok_or_else(|| format!("valgrind could not run {}: {said}", counted.display()).into())
}

/// Parses callgrind's last output: `==1234== Collected : 5678`.
fn collected(line: &str) -> Option<u64> {
    line.split_once("Collected : ")?.1.trim().parse().ok()
}

/// Returns a line for each subject that exceeds its record.
fn worse(counts: &Counts, recorded: &Counts) -> Vec<String> {
    let lines = counts.iter().filter_map(|(subject, now)| {
        let before = recorded.get(subject)?;
        let is_worse = now * 100 > before * (100 + TOLERATED);
        is_worse
            .then(|| format!("{subject} takes {now} instructions, more than {TOLERATED} % above the recorded {before}"))
    });
    lines.collect()
}

fn file_name() -> String {
    let rustc = machine::line_of("rustc", &["--version"]).unwrap_or_default();
    let rustc: Vec<&str> = rustc.split_whitespace().take(2).collect();
    let libc = machine::line_of("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_else(|| "other libc".into());
    let (processor, _) = machine::processor();
    let name = format!("{} {libc} {processor}", rustc.join(" "));
    let words = name.split(|character: char| !character.is_ascii_alphanumeric() && character != '.');
    let words: Vec<_> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    format!("{}.json", words.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_increase_of_more_than_three_percent_fails() {
        let counts = |count| Counts::from([("hash".to_owned(), count)]);
        assert_eq!(worse(&counts(1_030), &counts(1_000)), Vec::<String>::new());
        assert_eq!(
            worse(&counts(1_031), &counts(1_000)),
            ["hash takes 1031 instructions, more than 3 % above the recorded 1000"]
        );
    }

    #[test]
    fn a_subject_without_a_record_passes() {
        assert!(worse(&Counts::from([("hash".to_owned(), 1)]), &Counts::new()).is_empty());
    }

    #[test]
    fn the_count_is_parsed_from_callgrinds_output() {
        assert_eq!(collected("==1234== Collected : 5678"), Some(5_678));
        assert_eq!(collected("==1234== Events    : Ir"), None);
    }
}
