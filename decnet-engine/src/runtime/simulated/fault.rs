use std::fmt;

use super::{ENDPOINT, Simulated};
use crate::{plan::Action, runtime::RuntimeError};

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Before anything was done.
    Before,
    /// With half of it done: a container made but not started, or stopped but not removed, a base removed without its volume, a
    /// state set but not kept. What has no halves is done.
    Half,
    /// When all was done, but nobody was told.
    After,
}

/// What happens to a call.
pub(super) enum Verdict {
    Go,
    Fail(RuntimeError),
    Hang,
}

enum Trigger {
    /// The perform after so many others.
    Count(usize),
    /// Every perform of which this holds.
    Where(Box<dyn Fn(&Action) -> bool + Send>),
}

enum FaultKind {
    Fail(RuntimeError),
    CutOff,
    Hang,
}

struct Fault {
    trigger: Trigger,
    moment: Moment,
    kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Reach {
    #[default]
    Answers,
    CutOff,
    Hangs,
}

#[derive(Default)]
pub(super) struct Faults {
    ordered: Vec<Fault>,
    reach: Reach,
    met_silence: bool,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl Faults {
    pub(super) fn reachable(&self) -> Verdict {
        match self.reach {
            Reach::Answers => Verdict::Go,
            Reach::CutOff => Verdict::Fail(unreachable()),
            Reach::Hangs => Verdict::Hang,
        }
    }

    /// Says how much of an action is done, and what becomes of the call.
    pub(super) fn judge(&mut self, action: &Action) -> (Moment, Verdict) {
        match self.reachable() {
            Verdict::Go => {}
            verdict => return (Moment::Before, verdict),
        }
        let mut struck = None;
        for (place, fault) in self.ordered.iter_mut().enumerate() {
            let strikes = match &mut fault.trigger {
                Trigger::Count(left) => {
                    *left = left.saturating_sub(1);
                    *left == 0
                }
                Trigger::Where(holds) => holds(action),
            };
            if strikes && struck.is_none() {
                struck = Some(place);
            }
        }
        let Some(place) = struck else {
            return (Moment::After, Verdict::Go);
        };
        let Fault { trigger, moment, kind } = &self.ordered[place];
        let moment = *moment;
        let verdict = match kind {
            FaultKind::Fail(error) => Verdict::Fail(error.clone()),
            FaultKind::CutOff => {
                self.reach = Reach::CutOff;
                Verdict::Fail(unreachable())
            }
            FaultKind::Hang => {
                self.reach = Reach::Hangs;
                Verdict::Hang
            }
        };
        if matches!(trigger, Trigger::Count(_)) {
            self.ordered.remove(place);
        }
        (moment, verdict)
    }

    pub(super) fn meet_silence(&mut self) {
        self.met_silence = true;
    }

    pub(super) fn met_silence(&self) -> bool {
        self.met_silence
    }
}

fn unreachable() -> RuntimeError {
    RuntimeError::Unreachable {
        endpoint: ENDPOINT.into(),
        reason: "the fault that was ordered".into(),
    }
}

/// Faults to order. Those that count begin to count when they are ordered; the first perform is number 1.
impl Simulated {
    /// Fails one perform, counted from now.
    pub fn fail(&self, nth: usize, moment: Moment, error: RuntimeError) {
        self.order(Trigger::Count(nth), moment, FaultKind::Fail(error));
    }

    /// Fails every perform of which something holds, until [`reconnect`](Self::reconnect).
    pub fn fail_where(&self, holds: impl Fn(&Action) -> bool + Send + 'static, moment: Moment, error: RuntimeError) {
        self.order(Trigger::Where(Box::new(holds)), moment, FaultKind::Fail(error));
    }

    /// Lets the daemon die with one perform: that and every later call of any kind says
    /// [`Unreachable`](RuntimeError::Unreachable), until [`reconnect`](Self::reconnect).
    pub fn cut_off(&self, nth: usize, moment: Moment) {
        self.order(Trigger::Count(nth), moment, FaultKind::CutOff);
    }

    /// Lets one perform and every later call of any kind wait for ever, until [`reconnect`](Self::reconnect): drop what
    /// waits, and a process was killed. [`hung`](Self::hung) says when.
    pub fn hang(&self, nth: usize, moment: Moment) {
        self.order(Trigger::Count(nth), moment, FaultKind::Hang);
    }

    /// Lets every call say that nothing answers, from now on.
    pub fn go_away(&self) {
        self.lock().faults.reach = Reach::CutOff;
    }

    /// Answers again and forgets all faults that were ordered.
    pub fn reconnect(&self) {
        self.lock().faults = Faults::default();
    }

    fn order(&self, trigger: Trigger, moment: Moment, kind: FaultKind) {
        let fault = Fault { trigger, moment, kind };
        self.lock().faults.ordered.push(fault);
    }
}
