//! The system calls that a container may make.

use decnet_topology::SeccompMode;
use serde::{Deserialize, Serialize};

use super::digest::digest;

/// The profile: a list of allowed calls in Docker's format (<https://docs.docker.com/engine/security/seccomp/>). It lists no
/// sub-architectures: on a 64-bit machine, all 32-bit calls are blocked.
const PROFILE: &str = include_str!("seccomp.json");

/// The system calls that a container may make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Seccomp {
    /// The calls of [`seccomp_profile`]. This is its digest, so a container with another profile has another spec.
    Profile(String),
    /// The default profile of the engine.
    Engine,
    /// All calls.
    Unconfined,
}

impl Seccomp {
    /// Allows the calls of this program's profile.
    pub fn profile() -> Self {
        Self::Profile(digest(&PROFILE))
    }

    /// Allows the calls that a catalogue entry requests.
    pub(super) fn of(asked: SeccompMode, profile: &Self) -> Self {
        match asked {
            SeccompMode::Engine => Self::Engine,
            SeccompMode::Unconfined => Self::Unconfined,
            _ => profile.clone(),
        }
    }
}

/// Returns the profile as JSON in one line without its comments.
#[expect(clippy::missing_panics_doc, reason = "the text is embedded, and a test parses it")]
pub fn seccomp_profile() -> String {
    let mut profile: serde_json::Value = serde_json::from_str(PROFILE).expect("embedded and tested");
    let calls = profile["syscalls"].as_array_mut();
    for call in calls.into_iter().flatten() {
        call.as_object_mut().map(|call| call.remove("comment"));
    }
    profile.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn rules() -> Vec<Value> {
        let profile: Value = serde_json::from_str(&seccomp_profile()).expect("JSON");
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        // Where the architecture is named, calls newer than the engine's libseccomp return ENOSYS.
        let architectures = profile["archMap"].as_array().expect("a list");
        assert!(
            architectures
                .iter()
                .all(|one| one["subArchitectures"] == serde_json::json!([]))
        );
        profile["syscalls"].as_array().expect("a list").clone()
    }

    fn names(rules: &[Value]) -> BTreeSet<&str> {
        let names = rules.iter().flat_map(|rule| rule["names"].as_array().expect("names"));
        names.map(|name| name.as_str().expect("a name")).collect()
    }

    /// Returns the rules that allow a call, regardless of capabilities.
    fn allowed() -> Vec<Value> {
        let allowed = rules().into_iter();
        let allowed = allowed.filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule["includes"]["caps"].is_null());
        allowed.collect()
    }

    #[test]
    fn calls_that_reach_the_host_or_use_shared_resources_are_blocked() {
        let allowed = allowed();
        let allowed = names(&allowed);
        for call in [
            "add_key",
            "bpf",
            "clone3",
            "fanotify_init",
            "io_setup",
            "io_uring_enter",
            "io_uring_register",
            "io_uring_setup",
            "keyctl",
            "mount",
            "perf_event_open",
            "ptrace",
            "request_key",
            "setns",
            "socketcall",
            "syslog",
            "unshare",
            "userfaultfd",
        ] {
            assert!(!allowed.contains(call), "{call}");
        }
        for call in ["clone", "execve", "futex", "openat", "recvmsg", "rseq", "statx"] {
            assert!(allowed.contains(call), "{call}");
        }
        assert!(
            names(&rules()).is_disjoint(&["bpf", "keyctl", "userfaultfd"].into()),
            "not even with a capability"
        );
    }

    #[test]
    fn only_unix_internet_netlink_and_packet_sockets_are_allowed() {
        let rules = allowed();
        let sockets = rules
            .iter()
            .filter(|rule| names(std::slice::from_ref(rule)).contains("socket"));
        let families: BTreeSet<_> = sockets
            .map(|rule| {
                assert_eq!(rule["names"].as_array().map(Vec::len), Some(1));
                let test = &rule["args"][0];
                assert_eq!((&test["index"], &test["op"]), (&0.into(), &"SCMP_CMP_EQ".into()));
                test["value"].as_u64().expect("a family")
            })
            .collect();
        // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET; AF_ALG is 38, AF_VSOCK is 40.
        assert_eq!(families, [1, 2, 10, 16, 17].into());
    }

    #[test]
    fn a_process_in_a_new_namespace_is_blocked() {
        const NAMESPACES: u64 = 0x7e02_0000;
        let rules = allowed();
        let clones: Vec<_> = rules
            .iter()
            .filter(|rule| rule["names"] == serde_json::json!(["clone"]))
            .collect();
        assert_eq!(clones.len(), 2);
        for rule in clones {
            let test = &rule["args"][0];
            assert_eq!((&test["value"], &test["valueTwo"]), (&NAMESPACES.into(), &0.into()));
            assert_eq!(test["op"], "SCMP_CMP_MASKED_EQ");
        }
    }

    #[test]
    fn calls_with_a_fallback_in_libraries_return_enosys() {
        let rules = rules();
        let refused: Vec<_> = rules
            .iter()
            .filter(|rule| rule["action"] == "SCMP_ACT_ERRNO")
            .cloned()
            .collect();
        assert!(refused.iter().all(|rule| rule["errnoRet"] == 38), "ENOSYS: {refused:?}");
        assert!(names(&refused).is_superset(&["clone3", "io_uring_setup", "io_setup"].into()));
    }
}
