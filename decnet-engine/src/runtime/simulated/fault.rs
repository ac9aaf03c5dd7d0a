use std::fmt;

use super::world::ENDPOINT;
use crate::{plan::Action, runtime::RuntimeError};

/// The time of a fault within an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Before the action does anything.
    Before,
    /// When half of the action is done: a container is created but not started, or stopped but not removed; a base is removed
    /// without its volume; a state is set but not kept. An action without halves is completed.
    Half,
    /// When the action is done, but the caller gets no result.
    After,
}

/// The outcome of a call.
pub(super) enum Verdict {
    Go,
    Fail(RuntimeError),
    Hang,
}

pub(super) enum Trigger {
    /// The n-th `perform`.
    Count(usize),
    /// Every `perform` whose action fulfils this.
    Where(Box<dyn Fn(&Action) -> bool + Send>),
}

pub(super) enum FaultKind {
    Fail(RuntimeError),
    CutOff,
    Hang,
}

pub(super) struct Fault {
    pub(super) trigger: Trigger,
    pub(super) moment: Moment,
    pub(super) kind: FaultKind,
}

#[derive(Debug, Default)]
pub(super) enum Reach {
    #[default]
    Answers,
    /// Every call fails with this.
    Fails(RuntimeError),
    Hangs,
}

impl Reach {
    pub(super) fn cut_off() -> Self {
        Self::Fails(unreachable())
    }
}

#[derive(Default)]
pub(super) struct Faults {
    pub(super) injected: Vec<Fault>,
    pub(super) reach: Reach,
    has_hung: bool,
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
        match &self.reach {
            Reach::Answers => Verdict::Go,
            Reach::Fails(error) => Verdict::Fail(error.clone()),
            Reach::Hangs => Verdict::Hang,
        }
    }

    /// Decides how much of an action is done, and the outcome of the call.
    pub(super) fn judge(&mut self, action: &Action) -> (Moment, Verdict) {
        match self.reachable() {
            Verdict::Go => {}
            verdict => return (Moment::Before, verdict),
        }
        let mut struck = None;
        for (place, fault) in self.injected.iter_mut().enumerate() {
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
        let Fault { trigger, moment, kind } = &self.injected[place];
        let moment = *moment;
        let verdict = match kind {
            FaultKind::Fail(error) => Verdict::Fail(error.clone()),
            FaultKind::CutOff => {
                self.reach = Reach::cut_off();
                Verdict::Fail(unreachable())
            }
            FaultKind::Hang => {
                self.reach = Reach::Hangs;
                Verdict::Hang
            }
        };
        if matches!(trigger, Trigger::Count(_)) {
            self.injected.remove(place);
        }
        (moment, verdict)
    }

    pub(super) fn record_hang(&mut self) {
        self.has_hung = true;
    }

    pub(super) fn has_hung(&self) -> bool {
        self.has_hung
    }
}

fn unreachable() -> RuntimeError {
    RuntimeError::Unreachable {
        endpoint: ENDPOINT.into(),
        reason: "injected fault".into(),
    }
}
