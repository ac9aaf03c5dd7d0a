//! The limits of a container, as seen from the host.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use decnet_engine::{Action, ContainerName, DecoyImage, ImageSpec, RunAs, Seccomp, ServiceSpec};

use super::lab::{docker, docker_lab};
use decnet_engine::testing::contract::{Lab, create_service};

fn inspect(name: &ContainerName, format: &str) -> String {
    docker(&["inspect", "--format", format, name.as_str()])
}

/// Builds another owner's image with the decoy's program and more instructions.
async fn build(lab: &Lab, name: &str, says: &str) -> ImageSpec {
    build_of(lab, name, says, DecoyImage::embedded_program().expect("built on Linux")).await
}

async fn build_of(lab: &Lab, name: &str, says: &str, program: &[u8]) -> ImageSpec {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("program");
    fs::write(&path, program).expect("written");
    let mut mode = fs::metadata(&path).expect("there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    fs::set_permissions(&path, mode).expect("set");
    let dockerfile = format!("FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\n{says}\n");
    fs::write(folder.path().join("Dockerfile"), dockerfile).expect("written");
    let image = ImageSpec::Built {
        reference: format!("decnet-built:{name}-{}", lab.instance),
        context: folder.path().into(),
    };
    lab.change(&Action::EnsureImage {
        image: image.clone(),
        host: None,
    })
    .await;
    image
}

/// A service that runs another owner's image.
fn foreign(lab: &Lab, service: &str, image: &ImageSpec) -> ServiceSpec {
    ServiceSpec {
        image: image.reference().into(),
        user: RunAs::ImageUserUnlessRoot,
        ..lab.sharing("web", service)
    }
}

async fn remove(lab: &Lab, images: impl IntoIterator<Item = ImageSpec>) {
    for image in images {
        let reference = image.reference().into();
        lab.perform(&Action::RemoveImage { reference, host: None })
            .await
            .expect("removed");
    }
}

/// Reads a file in `/proc` of the first process of a container.
fn of_process(name: &ContainerName, file: &str) -> String {
    let pid = inspect(name, "{{.State.Pid}}");
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a container that runs on this machine")
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_image_runs_as_its_own_user_but_as_root_only_if_the_entry_allows_it() {
    let lab = docker_lab(208).await;
    lab.create_base("near", "web").await;
    let mut images = Vec::new();
    for (at, (says, user, expected)) in [
        ("", None, "65534:65534"),
        ("USER root", None, "65534:65534"),
        ("USER 0:1000", None, "65534:65534"),
        ("USER 1000", None, "1000"),
        ("USER 1000", Some("0:0"), "0:0"),
        ("USER 1000", Some("7:8"), "7:8"),
    ]
    .into_iter()
    .enumerate()
    {
        let image = build(&lab, &format!("user-{at}"), says).await;
        let mut spec = foreign(&lab, &format!("service-{at}"), &image);
        if let Some(user) = user {
            spec.user = RunAs::User(user.into());
        }
        lab.perform(&create_service(&spec)).await.expect("made");
        assert_eq!(inspect(&spec.name, "{{.Config.User}}"), expected, "{says:?} {user:?}");
        let create = create_service(&spec);
        lab.change(&create.inverse().expect("inverse")).await;
        images.push(image);
    }
    remove(&lab, images).await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn volumes_of_an_image_are_in_memory_and_removed_with_their_container() {
    let lab = docker_lab(216).await;
    lab.create_base("near", "web").await;
    let image = build(&lab, "volume", "VOLUME /data /var/lib/much /tmp").await;
    let spec = foreign(&lab, "telnet", &image);
    lab.change(&create_service(&spec)).await;
    let mounts = of_process(&spec.name, "mountinfo");
    for folder in ["/data", "/var/lib/much", "/tmp"] {
        let line = mounts.lines().find(|line| line.split(' ').nth(4) == Some(folder));
        let line = line.unwrap_or_else(|| panic!("{folder} is not mounted: {mounts}"));
        assert!(line.contains(" - tmpfs ") && line.contains("size=16384k"), "{line}");
        assert!(
            ["nosuid", "nodev", "noexec"].iter().all(|option| line.contains(option)),
            "{line}"
        );
    }
    let owned = format!("label=decnet.instance={}", lab.instance);
    let volumes = || docker(&["volume", "ls", "--quiet", "--filter", &owned]);
    // One is the base's.
    assert_eq!(volumes().lines().count(), 3, "{}", volumes());
    assert_eq!(
        inspect(&spec.name, "{{len .Mounts}}"),
        "2",
        "no volume without an owner"
    );
    lab.change(&create_service(&spec).inverse().expect("inverse")).await;
    assert_eq!(volumes().lines().count(), 1, "{}", volumes());
    remove(&lab, [image]).await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn resources_counted_per_user_are_limited_in_every_container() {
    let lab = docker_lab(224).await;
    let base = lab.create_base("near", "web").await;
    let service = lab.service("web", "telnet");
    lab.change(&create_service(&service)).await;
    for name in [&base.name, &service.name] {
        let limits = of_process(name, "limits");
        let limits: BTreeMap<_, _> = limits
            .lines()
            .map(|line| (line[..26].trim().to_owned(), line[26..].split_whitespace().nth(1)))
            .collect();
        for (limit, hard) in [
            ("Max open files", "256"),
            ("Max core file size", "1"),
            ("Max locked memory", "65536"),
            ("Max pending signals", "1024"),
            ("Max msgqueue size", "262144"),
        ] {
            assert_eq!(limits[limit], Some(hard), "{limit} of {name}");
        }
        assert_eq!(of_process(name, "oom_score_adj").trim(), "500");
    }
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_writable_root_is_limited_if_the_storage_driver_can_and_created_anyway() {
    let lab = docker_lab(232).await;
    lab.create_base("near", "web").await;
    let spec = ServiceSpec {
        writable_root: Some(64 << 20),
        ..lab.service("web", "telnet")
    };
    lab.change(&create_service(&spec)).await;
    assert_eq!(inspect(&spec.name, "{{.HostConfig.ReadonlyRootfs}}"), "false");
    let limits = of_process(&spec.name, "limits");
    let size = limits.lines().find(|line| line.starts_with("Max file size"));
    assert!(size.is_some_and(|line| line.contains(" 67108864 ")), "{limits}");
    let info = lab.runtime.info().await.expect("info");
    let asked = inspect(&spec.name, "{{.HostConfig.StorageOpt}}");
    let expected = if info.limits_roots {
        "map[size:67108864]"
    } else {
        "map[]"
    };
    assert_eq!(asked, expected, "{}", info.storage);
}

/// Tries system calls, prints one letter for each that differs from the profile, or `@` if none does, and waits.
const TRY: &str = r#"
#include <errno.h>
#include <sys/syscall.h>
static long call(long number, long a, long b, long c) {
    long result;
#if defined(__x86_64__)
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    result = x0;
#endif
    return result;
}
void _start(void) {
    char said[2] = "@\n";
    said[0] |= call(SYS_io_uring_setup, 1, 0, 0) != -ENOSYS;
    said[0] |= (call(SYS_unshare, 0x10000000, 0, 0) != -EPERM) << 1;
    said[0] |= (call(SYS_userfaultfd, 1, 0, 0) != -EPERM) << 2;
    said[0] |= (call(SYS_socket, 38, 5, 0) != -EPERM) << 3;
    said[0] |= (call(SYS_socket, 2, 2, 0) < 0) << 4;
    call(SYS_write, 1, (long)said, 2);
    for (;;) call(SYS_ppoll, 0, 0, 0);
}
"#;

/// Waits for the first output of a container.
async fn first_word(name: &ContainerName) -> String {
    for _ in 0..100 {
        let said = docker(&["logs", name.as_str()]);
        if !said.is_empty() {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name} prints nothing");
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn system_calls_outside_the_profile_fail_unless_the_entry_opts_out() {
    let lab = docker_lab(240).await;
    lab.create_base("near", "web").await;
    let folder = tempfile::tempdir().expect("folder");
    let (source, program) = (folder.path().join("try.c"), folder.path().join("try"));
    fs::write(&source, TRY).expect("written");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-static", "-nostdlib", "-fno-stack-protector", "-o"]);
    let built = compiler.arg(&program).arg(&source).status().expect("a C compiler");
    assert!(built.success());
    let image = build_of(&lab, "try", "", &fs::read(&program).expect("built")).await;
    let spec = foreign(&lab, "confined", &image);
    lab.change(&create_service(&spec)).await;
    assert_eq!(first_word(&spec.name).await, "@");
    let spec = ServiceSpec {
        seccomp: Seccomp::Unconfined,
        ..foreign(&lab, "unconfined", &image)
    };
    lab.change(&create_service(&spec)).await;
    let said = first_word(&spec.name).await;
    let bits = said.as_bytes()[0] - b'@';
    assert_eq!(
        bits & 0b1_1011,
        0b1011,
        "all except sockets of the internet must differ: {said}"
    );
    remove(&lab, [image]).await;
}
