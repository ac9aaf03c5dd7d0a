use super::*;

const FLOOD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn number(of: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0b00_0000 + of)
}

/// The number of contacts with lines, and the counts of the summaries.
#[derive(Default)]
struct Totals {
    lines: u64,
    summaries: u64,
    counted: u64,
}

impl Totals {
    fn of_contact(&mut self, bounds: &mut Bounds, from: Ipv4Addr, now: Instant) {
        if bounds.admit(from, now) {
            self.lines += 1;
        } else {
            bounds.count(from, &Tally::connection(SystemTime::UNIX_EPOCH), now);
        }
    }

    fn of_summaries(&mut self, due: Vec<(Option<Ipv4Addr>, Tally)>) {
        for (_, tally) in due {
            self.summaries += 1;
            self.counted += tally.connections;
        }
    }
}

#[test]
fn a_long_flood_has_few_lines_and_every_contact_is_counted() {
    let start = Instant::now();
    let (mut bounds, mut totals) = (Bounds::new(start), Totals::default());
    let hours = 12;
    for second in 0..hours * 3600 {
        let now = start + Duration::from_secs(second);
        for _ in 0..10 {
            totals.of_contact(&mut bounds, FLOOD, now);
        }
        totals.of_summaries(bounds.due(now));
    }
    totals.of_summaries(bounds.close(start + Duration::from_secs(hours * 3600)));
    assert_eq!(totals.lines + totals.counted, hours * 36_000);
    assert!(totals.lines <= 32 + hours * 360, "{}", totals.lines);
    assert!(totals.summaries <= 20 + hours * 13, "{}", totals.summaries);
}

#[test]
fn a_new_source_gets_a_line_during_a_flood() {
    let start = Instant::now();
    let (mut bounds, mut totals) = (Bounds::new(start), Totals::default());
    for of in 0..200_u32 {
        for _ in 0..1000 {
            totals.of_contact(&mut bounds, number(of % 40), start);
        }
    }
    assert!(totals.lines <= 552, "{}", totals.lines);
    assert!(bounds.admit(FLOOD, start));
}

#[test]
fn many_forged_sources_fill_neither_the_memory_nor_the_log() {
    let start = Instant::now();
    let (mut bounds, mut totals) = (Bounds::new(start), Totals::default());
    let mut of = 0;
    for second in 0..600 {
        let now = start + Duration::from_secs(second);
        for _ in 0..1000 {
            of += 1;
            totals.of_contact(&mut bounds, number(of), now);
        }
        totals.of_summaries(bounds.due(now));
        assert!(bounds.sources.len() <= SOURCES);
    }
    totals.of_summaries(bounds.close(start + Duration::from_mins(10)));
    assert_eq!(totals.lines + totals.counted, 600_000);
    assert!(
        totals.lines + totals.summaries < 1000,
        "{} {}",
        totals.lines,
        totals.summaries
    );
}

#[test]
fn summaries_become_rarer_and_are_frequent_again_after_a_pause() {
    let start = Instant::now();
    let mut waiting = Waiting::new(start);
    let tally = Tally::datagram(3, SystemTime::UNIX_EPOCH);
    let mut written = Vec::new();
    for second in 0..1300 {
        let now = start + Duration::from_secs(second);
        waiting.add(&tally, now);
        written.extend(waiting.take(now).map(|_| second));
    }
    assert_eq!(written, [1, 4, 9, 18, 35, 68, 133, 262, 519, 820, 1121]);
    let later = start + Duration::from_hours(1);
    waiting.add(&tally, later);
    let counted = waiting.take(later + LONGEST).expect("the count since the last summary");
    assert_eq!(counted.datagrams, 1300 - 1122 + 1);
    let even_later = later + Duration::from_hours(1);
    waiting.add(&tally, even_later);
    assert!(waiting.take(even_later + SHORTEST).is_some());
}
