use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// How long one sample should take, so that the clock's own steps do not matter.
const SAMPLE: Duration = Duration::from_micros(200);
/// How long a pair is measured in all.
const BUDGET: Duration = Duration::from_secs(2);
/// The fewest rounds of a pair.
const FEWEST: usize = 9;
/// The most.
const MOST: usize = 301;
/// So many results are kept until the clock stands, before they are dropped.
const HELD: u64 = 32;

/// What can be asked to do something a number of times, and says how long that took.
pub trait Spell: FnMut(u64) -> Duration {}

impl<F: FnMut(u64) -> Duration> Spell for F {}

/// Times some work that is done on this thread alone, by the processor time that it takes, so that it does not matter how busy the
/// machine is. Dropping its results is no part of it.
pub fn repeat<T>(work: impl FnMut() -> T) -> impl Spell {
    timed_by(processor_time, work)
}

/// Times some work by the clock: work that waits, or has other threads do it. Dropping its results is no part of it.
pub fn repeat_on_the_clock<T>(work: impl FnMut() -> T) -> impl Spell {
    let start = Instant::now();
    timed_by(move || start.elapsed(), work)
}

fn timed_by<T>(clock: impl Fn() -> Duration, mut work: impl FnMut() -> T) -> impl Spell {
    move |times| {
        let mut held = Vec::with_capacity(usize::try_from(times.min(HELD)).unwrap_or_default());
        let (mut took, mut left) = (Duration::ZERO, times);
        while left > 0 {
            let now = left.min(HELD);
            let start = clock();
            held.extend((0..now).map(|_| black_box(work())));
            took += clock().saturating_sub(start);
            held.clear();
            left -= now;
        }
        took
    }
}

/// Returns the processor time that this thread has had.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it begins with nothing")
}

/// Measures two things in turn, and returns the median time of each, in nanoseconds.
///
/// Which is first changes with every round.
pub fn alternate(mut one: impl Spell, mut other: impl Spell) -> (f64, f64) {
    let (times, other_times) = (times(&mut one), times(&mut other));
    let (mut found, mut other_found) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while found.len() < FEWEST || found.len() < MOST && start.elapsed() < BUDGET {
        let one_first = found.len() % 2 == 0;
        if one_first {
            found.push(each(&mut one, times));
        }
        other_found.push(each(&mut other, other_times));
        if !one_first {
            found.push(each(&mut one, times));
        }
    }
    (median(found), median(other_found))
}

/// Measures one thing, and returns its median time in nanoseconds.
pub fn median_of(mut work: impl Spell) -> f64 {
    let times = times(&mut work);
    let mut found = Vec::new();
    let start = Instant::now();
    while found.len() < FEWEST || found.len() < MOST && start.elapsed() < BUDGET / 2 {
        found.push(each(&mut work, times));
    }
    median(found)
}

/// Finds how often to do something in one sample. That is its warm-up, too.
fn times(work: &mut impl Spell) -> u64 {
    let mut times = 1;
    loop {
        let took = work(times);
        if took >= SAMPLE || times >= 1 << 20 {
            return times;
        }
        times *= 2;
    }
}

#[expect(clippy::cast_precision_loss, reason = "times of less than weeks")]
fn each(work: &mut impl Spell, times: u64) -> f64 {
    work(times).as_nanos() as f64 / times as f64
}

/// Returns the median of some figures; NaN of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_each_is_by_the_piece() {
        let slow = |times| Duration::from_millis(2) * u32::try_from(times).expect("few");
        let fast = |times| Duration::from_micros(1) * u32::try_from(times).expect("few");
        let (slow, fast) = alternate(slow, fast);
        assert!((slow - 2e6).abs() < 1.0 && (fast - 1e3).abs() < 1.0, "{slow} {fast}");
    }

    #[test]
    fn results_are_made_as_often_as_asked_for() {
        let mut made = 0;
        repeat(|| made += 1)(100);
        assert_eq!(made, 100);
    }
}
