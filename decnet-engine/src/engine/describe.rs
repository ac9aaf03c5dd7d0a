//! Text about deckies, plans and remains for people.

use decnet_topology::{DrawnState, shown::count};

use super::{DeckyState, InterfaceState, ReapReport, ServiceState};
use crate::{
    event::{deleted_logs_text, timeline::role},
    observe::Activity,
    plan::Plan,
};

impl DeckyState {
    /// Returns its role: gateway, router, bridge or host.
    pub fn role(&self) -> &'static str {
        role(self.gateway, self.router, self.addresses.len())
    }

    /// Lists its addresses for people, with the differences from the maze. Without a base, lists the addresses of the maze.
    pub fn address_text(&self) -> String {
        if self.base.is_none() {
            let meant = self.addresses.iter().map(|(lan, ip)| format!("{lan} {ip}"));
            return meant.collect::<Vec<_>>().join(", ");
        }
        let found = self.interfaces.iter().map(InterfaceState::describe);
        found.collect::<Vec<_>>().join(", ")
    }

    /// Lists its addresses like [`address_text`](Self::address_text), with the names of its interfaces.
    pub fn interface_text(&self) -> String {
        if self.base.is_none() {
            return self.address_text();
        }
        let named = self.interfaces.iter().map(|interface| match &interface.name {
            Some(name) => format!("{} {name}", interface.describe()),
            None => interface.describe(),
        });
        named.collect::<Vec<_>>().join(", ")
    }

    /// Returns its state in a picture: gone if its base does not run, and degraded if one of its services does not run, or if its
    /// interfaces are not those of the maze.
    pub fn drawn(&self) -> DrawnState {
        let is_as_meant = |interface: &InterfaceState| interface.found == interface.expected;
        let runs = |state: &ServiceState| state.activity == Some(Activity::Running) && !state.crash_loop;
        if self.base != Some(Activity::Running) {
            DrawnState::Gone
        } else if !self.base_crash_loop && self.interfaces.iter().all(is_as_meant) && self.services.iter().all(runs) {
            DrawnState::Running
        } else {
            DrawnState::Degraded
        }
    }

    /// Describes its state in a few words: the state of its base, and the services that do not run.
    pub fn state_text(&self) -> String {
        let Some(base) = self.base else {
            return if self.unseen { "host unseen" } else { "absent" }.into();
        };
        let down: Vec<_> = self
            .services
            .iter()
            .filter(|state| state.crash_loop || state.activity != Some(Activity::Running))
            .collect();
        if base != Activity::Running || self.base_crash_loop {
            return condition(Some(base), self.base_crash_loop, self.base_exit_code);
        }
        if down.is_empty() {
            return "running".into();
        }
        let word = |state: &&ServiceState| format!("{} {}", state.service, state.state_text());
        let down: Vec<_> = down.iter().map(word).collect();
        format!("running, but {}", down.join(", "))
    }
}

impl ServiceState {
    /// Describes its state in a few words.
    pub fn state_text(&self) -> String {
        condition(self.activity, self.crash_loop, self.exit_code)
    }
}

impl InterfaceState {
    fn describe(&self) -> String {
        let network = &self.network;
        match (self.expected, self.found) {
            (Some(expected), Some(found)) if expected == found => format!("{network} {found}"),
            (Some(expected), Some(found)) => format!("{network} {found} (not {expected})"),
            (Some(expected), None) => format!("{network} lost (was {expected})"),
            (None, Some(found)) => format!("{network} {found} (foreign)"),
            (None, None) => network.clone(),
        }
    }
}

impl Plan {
    /// Describes the size of the plan in a few words.
    pub fn summary(&self) -> String {
        let destructive = self.steps().iter().filter(|step| step.destructive).count();
        match (self.steps().len(), destructive) {
            (0, _) => "nothing to do".into(),
            (steps, 0) => count(steps, "step", "steps"),
            (steps, some) => format!("{}, {some} of them destructive", count(steps, "step", "steps")),
        }
    }

    /// Warns about logs that the plan deletes with their containers. Returns none if there are none.
    pub fn deleted_logs_text(&self) -> Option<String> {
        let containers: Vec<_> = self.deleted_logs().into_iter().cloned().collect();
        deleted_logs_text(&containers)
    }
}

impl ReapReport {
    /// Lists the found resources and, if the reap was executed, the result for each. One line for each topology and resource.
    pub fn lines(&self, executed: bool) -> Vec<String> {
        let live = self.live.iter().map(|live| format!("live     {live}"));
        let orphans = self.orphans.iter().flat_map(|orphan| {
            let prefix = if orphan.prefix.is_empty() {
                "(no id)"
            } else {
                &orphan.prefix
            };
            let found = orphan.found.iter().map(move |found| {
                let word = match (executed, orphan.left.contains(found)) {
                    (true, true) => "left   ",
                    (true, false) => "removed",
                    (false, _) if orphan.kept => "keep   ",
                    (false, _) => "found  ",
                };
                format!("  {word} {found}")
            });
            let errors = orphan.errors.iter().map(|error| format!("  error   {error}"));
            [format!("orphan   {prefix}")].into_iter().chain(found).chain(errors)
        });
        let kept = self.kept_volumes.iter();
        let kept = kept.map(|volume| format!("kept     volume {volume}; `docker volume rm {volume}` removes it"));
        live.chain(orphans).chain(kept).collect()
    }
}

fn condition(activity: Option<Activity>, crash_loop: bool, exit_code: Option<i64>) -> String {
    let word = match activity {
        None => "absent",
        Some(_) if crash_loop => "in a crash loop",
        Some(Activity::Running) => "running",
        Some(Activity::Restarting) => "restarting",
        Some(Activity::Created) => "never started",
        Some(Activity::Paused) => "paused",
        Some(_) => "exited",
    };
    match exit_code {
        Some(code) if code != 0 => format!("{word} (code {code})"),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::Reaped, naming::VolumeName};

    fn decky(interfaces: &[(&str, Option<u8>, Option<u8>)], services: Vec<ServiceState>) -> DeckyState {
        let ip = |last| [10, 0, 0, last].into();
        DeckyState {
            decky: "web".parse().expect("a name"),
            addresses: vec![("dmz".parse().expect("a name"), ip(2))],
            interfaces: interfaces
                .iter()
                .map(|(network, expected, found)| InterfaceState {
                    network: (*network).into(),
                    expected: expected.map(ip),
                    found: found.map(ip),
                    name: None,
                })
                .collect(),
            router: false,
            gateway: false,
            base: Some(Activity::Running),
            unseen: false,
            base_crash_loop: false,
            base_exit_code: None,
            services,
        }
    }

    #[test]
    fn found_addresses_are_listed_with_their_differences() {
        let strange = decky(
            &[
                ("dmz", Some(2), None),
                ("office", Some(3), Some(9)),
                ("bridge", None, Some(7)),
            ],
            Vec::new(),
        );
        assert_eq!(
            strange.address_text(),
            "dmz lost (was 10.0.0.2), office 10.0.0.9 (not 10.0.0.3), bridge 10.0.0.7 (foreign)"
        );
        let mut named = strange.clone();
        named.interfaces[1].name = Some("eth1".into());
        assert_eq!(
            named.interface_text(),
            "dmz lost (was 10.0.0.2), office 10.0.0.9 (not 10.0.0.3) eth1, bridge 10.0.0.7 (foreign)"
        );
        let absent = DeckyState { base: None, ..strange };
        assert_eq!(
            (absent.address_text(), absent.state_text()),
            ("dmz 10.0.0.2".into(), "absent".into())
        );
    }

    #[test]
    fn a_crash_loop_is_shown_even_while_the_service_runs() {
        let looping = ServiceState {
            service: "ssh".into(),
            activity: Some(Activity::Running),
            restarts: 9,
            crash_loop: true,
            exit_code: None,
        };
        let ended = ServiceState {
            service: "http".into(),
            activity: Some(Activity::Exited),
            restarts: 0,
            crash_loop: false,
            exit_code: Some(2),
        };
        assert_eq!(
            decky(&[], vec![looping, ended]).state_text(),
            "running, but ssh in a crash loop, http exited (code 2)"
        );
    }

    #[test]
    fn an_empty_plan_has_nothing_to_do_and_deletes_no_logs() {
        let plan = Plan::empty();
        assert_eq!(
            (plan.summary(), plan.deleted_logs_text()),
            ("nothing to do".into(), None)
        );
    }

    #[test]
    fn each_resource_of_a_reap_has_a_line() {
        let orphan = Reaped {
            prefix: "0e7a1c52".into(),
            found: vec!["container a".into(), "network b".into()],
            plan: Plan::empty(),
            left: vec!["network b".into()],
            errors: vec!["network b: in use".into()],
            running: Vec::new(),
            kept: false,
        };
        let report = ReapReport {
            live: vec!["11111111".into()],
            orphans: vec![orphan],
            kept_volumes: vec![VolumeName::from_docker("d")],
        };
        assert_eq!(
            report.lines(true),
            [
                "live     11111111",
                "orphan   0e7a1c52",
                "  removed container a",
                "  left    network b",
                "  error   network b: in use",
                "kept     volume d; `docker volume rm d` removes it",
            ]
        );
        assert_eq!(report.lines(false)[2], "  found   container a");
    }
}
