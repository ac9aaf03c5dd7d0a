//! Methods that inject faults.

use std::net::Ipv4Addr;

use super::{
    Moment, Simulated,
    fault::{Fault, FaultKind, Faults, Reach, Trigger},
};
use crate::{
    host::machine::{AddressInterface, MachineFacts},
    plan::Action,
    runtime::RuntimeError,
};

/// Injected faults. A counted fault counts `perform` calls from its injection; the first is number 1.
impl Simulated {
    /// Makes it a member of a fleet, which can have links.
    #[must_use]
    pub fn with_links(self) -> Self {
        self.lock().world.links.get_or_insert_default();
        self
    }

    /// Sets what is on its machine besides containers. Without this call, nobody can read it.
    pub fn set_machine(&self, machine: MachineFacts) {
        self.lock().machine = Some(machine);
    }

    /// Adds an address to its machine, or replaces the interface of one.
    pub fn set_interface(&self, address: Ipv4Addr, interface: AddressInterface) {
        self.lock().info.interfaces.insert(address, interface);
    }

    /// Fails the n-th `perform`.
    pub fn fail(&self, nth: usize, moment: Moment, error: RuntimeError) {
        self.inject(Trigger::Count(nth), moment, FaultKind::Fail(error));
    }

    /// Fails every `perform` whose action fulfils a condition, until [`reconnect`](Self::reconnect).
    pub fn fail_where(&self, holds: impl Fn(&Action) -> bool + Send + 'static, moment: Moment, error: RuntimeError) {
        self.inject(Trigger::Where(Box::new(holds)), moment, FaultKind::Fail(error));
    }

    /// Stops the daemon at the n-th `perform`: it and all later calls fail with [`Unreachable`](RuntimeError::Unreachable)
    /// until [`reconnect`](Self::reconnect).
    pub fn cut_off(&self, nth: usize, moment: Moment) {
        self.inject(Trigger::Count(nth), moment, FaultKind::CutOff);
    }

    /// Makes the n-th `perform` and all later calls hang until [`reconnect`](Self::reconnect). Drop the pending call to
    /// simulate a killed process. [`hung`](Self::hung) waits for the moment.
    pub fn hang(&self, nth: usize, moment: Moment) {
        self.inject(Trigger::Count(nth), moment, FaultKind::Hang);
    }

    /// Makes every call from now on fail with [`Unreachable`](RuntimeError::Unreachable).
    pub fn go_away(&self) {
        self.lock().faults.reach = Reach::cut_off();
    }

    /// Makes every call from now on fail with an error, until [`reconnect`](Self::reconnect).
    pub fn refuse(&self, error: RuntimeError) {
        self.lock().faults.reach = Reach::Fails(error);
    }

    /// Makes every call from now on hang.
    pub fn fall_silent(&self) {
        self.lock().faults.reach = Reach::Hangs;
    }

    /// Removes all injected faults and answers again.
    pub fn reconnect(&self) {
        self.lock().faults = Faults::default();
    }

    /// Removes an image from its registry. An image that was pulled before stays.
    pub fn withhold_image(&self, reference: &str) {
        self.lock().world.withheld.insert(reference.into());
    }

    fn inject(&self, trigger: Trigger, moment: Moment, kind: FaultKind) {
        let fault = Fault { trigger, moment, kind };
        self.lock().faults.injected.push(fault);
    }
}
