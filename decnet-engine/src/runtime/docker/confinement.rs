//! Limits of what a container may use of its host.

use std::{collections::HashMap, fs};

use bollard::models::{
    HostConfig, Mount, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig, ResourcesUlimits,
};
use decnet_topology::is_root;
use rustix::process::{Resource as Limit, getrlimit};

use super::{images::Wishes, labels, storage::SIZE_OPTION};
use crate::{
    desired::{
        Limits, NO_CORE, NOBODY, OOM_SCORE, PER_USER, RunAs, SCRATCH, Seccomp, ServiceSpec, VolumeSpec, folder_options,
        in_memory,
    },
    naming,
    runtime::{Resource, RuntimeInfo},
};

/// Returns the security options for the system calls of a container. Empty if the daemon cannot limit them.
pub(super) fn security(info: &RuntimeInfo, seccomp: &Seccomp, profile: &str) -> Vec<String> {
    let seccomp = match seccomp {
        Seccomp::Profile(_) if info.seccomp => Some(format!("seccomp={profile}")),
        Seccomp::Unconfined if info.seccomp || info.podman => Some("seccomp=unconfined".into()),
        _ => None,
    };
    [Some("no-new-privileges".into()), seccomp]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the limits of shared resources of a container.
pub(super) fn bounded(info: &RuntimeInfo, limits: &Limits) -> HostConfig {
    let mut ulimits: Vec<_> = PER_USER.map(|(name, value)| ulimit(name, value)).into();
    ulimits.push(ulimit("nofile", limits.open_files));
    if info.podman && info.local {
        ulimits.extend(processes().map(|most| ulimit("nproc", most)));
    }
    // A rootless daemon may only lower a limit, and may have 0 already.
    ulimits.push(ulimit("core", if info.rootless { 0 } else { NO_CORE }));
    // A daemon without the controller refuses a limit of processor time, and ignores the other two.
    let limited = |resource, limit| (!info.unlimited.contains(&resource)).then_some(limit);
    HostConfig {
        pids_limit: limited(Resource::Processes, limits.pids),
        memory: limited(Resource::Memory, limits.memory),
        // Equal to the memory, so that nothing is swapped.
        memory_swap: limited(Resource::Memory, limits.memory),
        nano_cpus: limited(Resource::Cpu, limits.nano_cpus),
        ulimits: Some(ulimits),
        oom_score_adj: Some(OOM_SCORE),
        ..HostConfig::default()
    }
}

/// Returns the limit of processes per user of this machine.
///
/// Without an explicit limit, Podman requests 1 048 576, which fails if it runs without `CAP_SYS_RESOURCE`.
fn processes() -> Option<i64> {
    let own = getrlimit(Limit::Nproc).maximum;
    let most: u64 = fs::read_to_string("/proc/sys/kernel/pid_max")
        .ok()?
        .trim()
        .parse()
        .ok()?;
    own.map_or(most, |own| own.min(most)).try_into().ok()
}

/// Returns the user that a service runs as. `wishes` are the settings of its image.
pub(super) fn user(run_as: &RunAs, wishes: &Wishes) -> String {
    match run_as {
        RunAs::User(user) => user.clone(),
        RunAs::ImageUserUnlessRoot if is_root(&wishes.user) => NOBODY.into(),
        RunAs::ImageUserUnlessRoot => wishes.user.clone(),
    }
}

/// Gives a service its writable folders outside the root: its named volumes, and others in memory.
///
/// The image's volumes (`VOLUME`) are among them: by default, Docker creates a volume on the host's disk for each, without a
/// limit and without a label of its owner. A volume is removed with its container. It is empty and writable for every user,
/// regardless of the content in the image.
pub(super) fn add_folders(host: &mut HostConfig, spec: &ServiceSpec, wishes: &Wishes, podman: bool) {
    let (scratch, options) = SCRATCH;
    let mut folders = HashMap::new();
    if spec.writable_root.is_none() && spec.volumes.iter().all(|volume| volume.path != scratch) {
        folders.insert(scratch.to_owned(), options.to_owned());
    }
    let own = spec.tmpfs.iter();
    folders.extend(own.map(|folder| (folder.path.clone(), folder_options(folder, spec.limits.memory))));
    let kept = wishes.volumes.iter().map(|folder| folder.trim_end_matches('/'));
    let kept: Vec<_> = kept
        .filter(|folder| !folder.is_empty() && !folders.contains_key(*folder))
        .filter(|folder| spec.volumes.iter().all(|volume| volume.path != *folder))
        .collect();
    let mut mounts: Vec<_> = spec.volumes.iter().map(mount).collect();
    if podman {
        // Podman ignores the options of an unnamed volume and creates it on the disk.
        let kept = kept.iter().map(|folder| (*folder).to_owned());
        folders.extend(kept.map(|folder| (folder, in_memory(spec.limits.memory))));
    } else {
        mounts.extend(kept.into_iter().map(|folder| volume(folder, spec)));
    }
    host.mounts = Some(mounts);
    host.tmpfs = Some(folders).filter(|folders| !folders.is_empty());
}

/// Returns the mount of a service's volume. If the volume is new, the engine copies the folder of the image into it.
fn mount(spec: &VolumeSpec) -> Mount {
    Mount {
        target: Some(spec.path.clone()),
        source: Some(spec.name.as_str().into()),
        typ: Some(MountType::VOLUME),
        // If the volume is missing, the engine creates it with these labels.
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels::write(&spec.labels)),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// An anonymous volume in memory. Its content counts as the container's memory, whose limit applies to all of them together.
fn volume(folder: &str, spec: &ServiceSpec) -> Mount {
    let options = format!("size={},nosuid,nodev,noexec", spec.limits.memory / 2);
    let options = [("type", "tmpfs".into()), ("device", "tmpfs".into()), ("o", options)];
    Mount {
        target: Some(folder.into()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels::write(&naming::volume_labels(&spec.labels))),
            driver_config: Some(MountVolumeOptionsDriverConfig {
                name: Some("local".into()),
                options: Some(options.map(|(key, value)| (key.into(), value)).into()),
            }),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// Limits the writable root of a service: the size of each file, and the total if the storage driver can.
pub(super) fn limit_root(host: &mut HostConfig, bytes: i64) {
    host.ulimits.get_or_insert_default().push(ulimit("fsize", bytes));
    host.storage_opt = Some(HashMap::from([(SIZE_OPTION.into(), bytes.to_string())]));
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(name.into()),
        soft: Some(value),
        hard: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::ApiVersion, runtime::simulated::described};

    fn info(unlimited: &[Resource]) -> RuntimeInfo {
        RuntimeInfo {
            local: true,
            unlimited: unlimited.to_vec(),
            ..described(ApiVersion::v1(51), "unix:///docker.sock")
        }
    }

    #[test]
    fn podman_gets_the_process_limit_of_the_user_and_docker_does_not() {
        let limits = Limits {
            pids: 64,
            memory: 1 << 20,
            nano_cpus: 500_000_000,
            open_files: 1_024,
        };
        let limit_of = |podman: bool, local: bool| {
            let info = RuntimeInfo {
                podman,
                local,
                ..info(&[])
            };
            let ulimits = bounded(&info, &limits).ulimits.unwrap_or_default();
            let mut limits = ulimits
                .into_iter()
                .filter(|limit| limit.name.as_deref() == Some("nproc"));
            limits.next().and_then(|limit| limit.hard)
        };
        assert_eq!((limit_of(false, true), limit_of(true, false)), (None, None));
        let most = limit_of(true, true).expect("a limit on this machine");
        assert!(
            most > 0 && most <= 4_194_304,
            "{most} is at most a kernel's largest pid_max"
        );
    }

    #[test]
    fn unsupported_limits_are_left_out_and_the_rest_is_limited() {
        let limits = Limits {
            pids: 64,
            memory: 1 << 20,
            nano_cpus: 500_000_000,
            open_files: 1_024,
        };
        let limited = |unlimited: &[Resource]| {
            let host = bounded(&info(unlimited), &limits);
            (host.pids_limit, host.memory, host.memory_swap, host.nano_cpus)
        };
        let (pids, memory, cpus) = (Some(64), Some(1 << 20), Some(500_000_000));
        assert_eq!(limited(&[]), (pids, memory, memory, cpus));
        assert_eq!(limited(&[Resource::Cpu]), (pids, memory, memory, None));
        assert_eq!(limited(&[Resource::Memory]), (pids, None, None, cpus));
        assert_eq!(limited(&[Resource::Processes]), (None, memory, memory, cpus));
    }
}
