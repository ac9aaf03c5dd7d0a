//! Ordering faults.

use super::{
    Moment, Simulated,
    fault::{Fault, FaultKind, Faults, Reach, Trigger},
};
use crate::{plan::Action, runtime::RuntimeError};

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

    /// Lets one perform and every later call of any kind hang until [`reconnect`](Self::reconnect): drop what
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
