use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use criterion::{Criterion, SamplingMode, Throughput};
use decnet_topology::Topology;
use serde::{Deserialize, Serialize};

use crate::{
    machine,
    measure::{Timed, alternate, median_of},
};

/// The limit of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// At most this many times its floor.
    Ratio(f64),
    /// At most this many milliseconds.
    Milliseconds(f64),
    /// At most this many times as much per decky as in the smallest maze.
    Growth(f64),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(ratio) => write!(f, "≤ {ratio} ×"),
            Self::Milliseconds(limit) => write!(f, "≤ {limit} ms"),
            Self::Growth(growth) => write!(f, "≤ {growth} × per part"),
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Time, in nanoseconds.
    #[default]
    Nanoseconds,
    /// Memory.
    Bytes,
    /// A number of things.
    Count,
}

/// The measurement of one maze.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The maze, or the operation on it.
    pub what: String,
    /// The number of parts to divide by: usually deckies.
    pub parts: usize,
    /// The figure.
    pub measured: f64,
    /// The value of the floor in the same run.
    pub floor: Option<f64>,
    /// Its limit.
    pub limits: Vec<Limit>,
}

/// The measurements of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The subject.
    pub subject: String,
    /// Its floor; empty if it has none.
    pub floor: String,
    /// What is measured.
    pub unit: Unit,
    /// The rows, in the order of their measurement.
    pub rows: Vec<Row>,
    /// The load of the machine at that time, from `/proc/loadavg`.
    pub load: String,
    /// The measured commit, and whether there were uncommitted changes.
    #[serde(default)]
    pub commit: String,
    limits: Vec<Limit>,
}

impl Table {
    /// Starts a table of times.
    pub fn new(subject: &str, floor: &str) -> Self {
        Self {
            subject: subject.into(),
            floor: floor.into(),
            unit: Unit::Nanoseconds,
            rows: Vec::new(),
            load: String::new(),
            commit: String::new(),
            limits: Vec::new(),
        }
    }

    /// Sets the unit to bytes.
    #[must_use]
    pub fn bytes(mut self) -> Self {
        self.unit = Unit::Bytes;
        self
    }

    /// Sets the unit to a number of things.
    #[must_use]
    pub fn count(mut self) -> Self {
        self.unit = Unit::Count;
        self
    }

    /// Sets the limit of the following rows.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits = vec![limit];
        self
    }

    /// Measures an operation on a maze against its floor.
    ///
    /// Criterion measures the subject first, and reports its change since the last time.
    pub fn compare(&mut self, criterion: &mut Criterion, maze: &Topology, subject: impl Timed, floor: impl Timed) {
        self.compare_kind(criterion, "", maze, subject, floor);
    }

    /// Measures an operation on a maze of some kind against its floor. The kind is shown unless it is empty.
    pub fn compare_kind(
        &mut self,
        criterion: &mut Criterion,
        kind: &str,
        maze: &Topology,
        mut subject: impl Timed,
        floor: impl Timed,
    ) {
        let (what, deckies) = (of_kind(kind, maze), maze.deckies().len());
        self.look(criterion, &what, deckies, &mut subject);
        let (measured, floor) = alternate(subject, floor);
        self.push(what, deckies, measured, Some(floor));
    }

    /// Measures an operation on a maze without a floor. `what` is shown if it is not the subject itself.
    pub fn measure(&mut self, criterion: &mut Criterion, what: &str, maze: &Topology, mut subject: impl Timed) {
        let (what, deckies) = (of_kind(what, maze), maze.deckies().len());
        self.look(criterion, &what, deckies, &mut subject);
        let measured = median_of(subject);
        self.push(what, deckies, measured, None);
    }

    fn look(&self, criterion: &mut Criterion, what: &str, parts: usize, subject: &mut impl Timed) {
        let mut group = criterion.benchmark_group(&self.subject);
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400));
        group.throughput(Throughput::Elements(parts as u64));
        group.bench_function(what, |bencher| bencher.iter_custom(&mut *subject));
        group.finish();
    }

    /// Adds a row.
    pub fn push(&mut self, what: impl Into<String>, parts: usize, measured: f64, floor: Option<f64>) {
        let row = Row {
            what: what.into(),
            parts,
            measured,
            floor,
            limits: self.limits.clone(),
        };
        let (unit, smallest) = (self.unit, self.rows.first().unwrap_or(&row));
        println!("{}: {}", self.subject, row.in_words(unit, smallest));
        self.rows.push(row);
    }

    /// Adds one more limit to the last row.
    pub fn also(&mut self, limit: Limit) {
        if let Some(last) = self.rows.last_mut() {
            last.limits.push(limit);
        }
    }

    /// Writes the table to the folder of results, for `results`.
    pub fn finish(mut self) -> io::Result<()> {
        self.load = machine::load();
        self.commit = machine::commit();
        let folder = folder()?;
        fs::create_dir_all(&folder)?;
        let file = self.subject.replace([' ', '+', ','], "-");
        fs::write(folder.join(format!("{file}.json")), serde_json::to_vec_pretty(&self)?)
    }

    /// Reads all written tables.
    pub fn all() -> io::Result<Vec<Self>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder()?)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()?;
        paths.sort();
        let read = |path: &PathBuf| Ok(serde_json::from_slice(&fs::read(path)?)?);
        paths.iter().map(read).collect()
    }
}

/// Returns the folder of results: `bench-results` in the target folder of this program.
fn folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    // Benches are in `deps` of their profile's folder, programs directly in that folder.
    let profile = program.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    let target = profile.and_then(Path::parent);
    let target = target.ok_or_else(|| io::Error::other("this program is not in a target folder"))?;
    Ok(target.join("bench-results"))
}

/// Formats the size of a maze, after its kind unless that is empty.
pub fn of_kind(kind: &str, maze: &Topology) -> String {
    let comma = if kind.is_empty() { "" } else { ", " };
    format!(
        "{kind}{comma}{} LANs, {} deckies",
        maze.lans().len(),
        maze.deckies().len()
    )
}

impl Row {
    /// Returns the ratio to the floor; none if there is no floor or it is 0.
    pub fn ratio(&self) -> Option<f64> {
        self.floor
            .filter(|floor| *floor > 0.0)
            .map(|floor| self.measured / floor)
    }

    /// Returns the value per part.
    #[expect(clippy::cast_precision_loss, reason = "fewer parts than 2^53")]
    pub fn each(&self) -> f64 {
        self.measured / self.parts.max(1) as f64
    }

    /// Returns whether it is within a limit.
    pub fn keeps(&self, limit: Limit, smallest: &Self) -> bool {
        match limit {
            Limit::Ratio(limit) => self.floor.is_some_and(|floor| self.measured <= limit * floor),
            Limit::Milliseconds(limit) => self.measured <= limit * 1e6,
            Limit::Growth(limit) => self.each() / smallest.each() <= limit,
        }
    }

    /// Returns the cells of its row.
    pub fn cells(&self, unit: Unit, smallest: &Self) -> [String; 7] {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".into());
        let verdicts = self.limits.iter().map(|limit| {
            if self.keeps(*limit, smallest) {
                "hit"
            } else {
                "**miss**"
            }
        });
        let limits = self.limits.iter().map(ToString::to_string);
        [
            self.what.clone(),
            unit.figure(self.measured),
            unit.figure(self.each()),
            or_none(self.floor.map(|floor| unit.figure(floor))),
            or_none(self.ratio().map(|ratio| format!("{ratio:.2}"))),
            limits.collect::<Vec<_>>().join(", "),
            verdicts.collect::<Vec<_>>().join(", "),
        ]
    }

    fn in_words(&self, unit: Unit, smallest: &Self) -> String {
        let [what, measured, each, floor, ratio, limits, verdicts] = self.cells(unit, smallest);
        format!("{what}: {measured} ({each} each), floor {floor}, ratio {ratio} {limits} {verdicts}")
    }
}

impl Unit {
    /// Formats a number with three significant digits.
    pub fn figure(self, value: f64) -> String {
        let names: &[&str] = match self {
            Self::Nanoseconds => &["ns", "µs", "ms", "s"],
            Self::Bytes => &["B", "kB", "MB", "GB"],
            Self::Count => &["", "k", "M", "G"],
        };
        let mut value = value;
        let mut names = names.iter();
        let mut name = names.next();
        while value >= 999.5 {
            let Some(next) = names.next() else { break };
            value /= 1e3;
            name = Some(next);
        }
        let digits = match value {
            0.0..9.995 => 2,
            9.995..99.95 => 1,
            _ => 0,
        };
        format!("{value:.digits$} {}", name.unwrap_or(&""))
            .trim_end()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        for (value, text) in [
            (1.0, "1.00 ns"),
            (1_234.0, "1.23 µs"),
            (99_960.0, "100 µs"),
            (2.5e10, "25.0 s"),
        ] {
            assert_eq!(Unit::Nanoseconds.figure(value), text);
        }
        assert_eq!(Unit::Bytes.figure(999.6), "1.00 kB");
        assert_eq!(Unit::Count.figure(12.0), "12.0");
    }

    #[test]
    fn a_limit_is_kept_or_missed() {
        let row = |parts, measured| Row {
            what: String::new(),
            parts,
            measured,
            floor: Some(1e6),
            limits: Vec::new(),
        };
        let (small, large) = (row(1, 1e6), row(10, 3e7));
        assert!(large.keeps(Limit::Ratio(30.0), &small) && !large.keeps(Limit::Ratio(29.0), &small));
        assert!(large.keeps(Limit::Milliseconds(30.0), &small) && !large.keeps(Limit::Milliseconds(29.0), &small));
        assert!(large.keeps(Limit::Growth(3.0), &small) && !large.keeps(Limit::Growth(2.9), &small));
    }
}
