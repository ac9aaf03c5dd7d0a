use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// The duration of one sample, long enough that the resolution of the clock does not matter.
const SAMPLE: Duration = Duration::from_micros(200);
/// The total duration of measuring a pair.
const BUDGET: Duration = Duration::from_secs(2);
/// The minimum number of rounds of a pair.
const FEWEST: usize = 9;
/// The maximum.
const MOST: usize = 301;
/// How many results are kept until the clock is stopped, before they are dropped.
const HELD: u64 = 32;

/// A function that can be repeated, and returns the duration.
pub trait Timed: FnMut(u64) -> Duration {}

impl<F: FnMut(u64) -> Duration> Timed for F {}

/// Times a function that runs only on this thread, by its processor time, so that other load does not matter. Dropping its
/// results is not included.
pub fn repeat<T>(work: impl FnMut() -> T) -> impl Timed {
    timed_by(processor_time, work)
}

/// Times a function by the clock: it waits, or uses other threads. Dropping its results is not included.
pub fn repeat_on_the_clock<T>(work: impl FnMut() -> T) -> impl Timed {
    let start = Instant::now();
    timed_by(move || start.elapsed(), work)
}

fn timed_by<T>(clock: impl Fn() -> Duration, mut work: impl FnMut() -> T) -> impl Timed {
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

/// Returns the processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it starts at zero")
}

/// Measures two functions alternately, and returns the median time of each, in nanoseconds.
///
/// Their order changes with every round.
pub fn alternate(mut one: impl Timed, mut other: impl Timed) -> (f64, f64) {
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
pub fn median_of(mut work: impl Timed) -> f64 {
    let times = times(&mut work);
    let mut found = Vec::new();
    let start = Instant::now();
    while found.len() < FEWEST || found.len() < MOST && start.elapsed() < BUDGET / 2 {
        found.push(each(&mut work, times));
    }
    median(found)
}

/// Finds the number of repetitions for one sample. This is also the warm-up.
fn times(work: &mut impl Timed) -> u64 {
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
fn each(work: &mut impl Timed, times: u64) -> f64 {
    work(times).as_nanos() as f64 / times as f64
}

/// Returns the median of some numbers; NaN if there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_each_is_per_repetition() {
        let slow = |times| Duration::from_millis(2) * u32::try_from(times).expect("few");
        let fast = |times| Duration::from_micros(1) * u32::try_from(times).expect("few");
        let (slow, fast) = alternate(slow, fast);
        assert!((slow - 2e6).abs() < 1.0 && (fast - 1e3).abs() < 1.0, "{slow} {fast}");
    }

    #[test]
    fn the_function_is_called_as_often_as_requested() {
        let mut made = 0;
        repeat(|| made += 1)(100);
        assert_eq!(made, 100);
    }
}
