use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    sync::Arc,
};

use decnet_engine::{ContainerName, DecoyImage, Docker, DockerHost, DockerOptions, NetworkName, naming};
use decnet_topology::{InstanceId, TopologyId};
use tempfile::TempDir;

use decnet_engine::testing::contract::{Lab, Outside};

/// The label of a test's resources that are not ours.
const OUTSIDER: &str = "decnet-test";

pub(crate) fn docker_host() -> DockerHost {
    DockerHost::from_env(|name| std::env::var(name).ok()).expect("DOCKER_HOST")
}

/// Packs a decoy that no other test has, so that parallel tests do not remove each other's image.
pub(crate) fn own_decoy(instance: InstanceId) -> DecoyImage {
    let mut program = DecoyImage::embedded_program().expect("built on Linux").to_vec();
    program.extend_from_slice(instance.to_string().as_bytes());
    DecoyImage::pack(&program)
}

pub(crate) async fn connect(decoy: &DecoyImage) -> Docker {
    let options = DockerOptions::default()
        .host(docker_host())
        .decoy(Arc::new(decoy.clone()));
    Docker::connect(options).await.expect("these tests need Docker")
}

pub(crate) async fn docker_lab(block: u8) -> Lab {
    docker_lab_with(block).await.0
}

/// Returns a lab, and its decoy for other connections.
pub(crate) async fn docker_lab_with(block: u8) -> (Lab, DecoyImage) {
    let instance = InstanceId::new_v4();
    let decoy = own_decoy(instance);
    let runtime = connect(&decoy).await;
    let lab = Lab {
        runtime: Box::new(runtime),
        outside: Box::new(Outsider {
            mark: instance.to_string(),
            image: decoy.reference.clone(),
            folder: tempfile::tempdir().expect("folder"),
        }),
        instance,
        topology: TopologyId::new_v4(),
        decoy: decoy.reference.clone(),
        block,
    };
    (lab, decoy)
}

/// Another user of the daemon, with Docker's command. Dropping it removes everything that the test created.
#[derive(Debug)]
struct Outsider {
    mark: String,
    image: String,
    folder: TempDir,
}

pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("the docker command");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn succeeds(arguments: &[&str]) -> bool {
    let output = Command::new("docker").args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

impl Outsider {
    fn label(&self) -> String {
        format!("{OUTSIDER}={}", self.mark)
    }
}

impl Outside for Outsider {
    fn add_network(&self, name: &NetworkName, subnet: &str) {
        docker(&[
            "network",
            "create",
            "--label",
            &self.label(),
            "--subnet",
            subnet,
            name.as_str(),
        ]);
    }

    fn add_container(&self, name: &ContainerName) {
        let label = self.label();
        docker(&[
            "create",
            "--label",
            &label,
            "--name",
            name.as_str(),
            "--network",
            "none",
            &self.image,
            "base",
        ]);
    }

    fn stop(&self, name: &ContainerName) {
        docker(&["kill", name.as_str()]);
    }

    fn print(&self, name: &ContainerName, text: &str) {
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", name.as_str()]);
        let mut output = File::options()
            .append(true)
            .open(format!("/proc/{pid}/fd/1"))
            .expect("the daemon's host, as root");
        output.write_all(format!("{text}\n").as_bytes()).expect("printed");
    }

    fn has_network(&self, name: &NetworkName) -> bool {
        succeeds(&["network", "inspect", name.as_str()])
    }

    fn has_container(&self, name: &ContainerName) -> bool {
        succeeds(&["container", "inspect", name.as_str()])
    }

    fn build_context(&self) -> PathBuf {
        let program = self.folder.path().join("decnet-decoy");
        fs::write(&program, DecoyImage::embedded_program().expect("built on Linux")).expect("written");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("set");
        let dockerfile = "FROM scratch\nCOPY decnet-decoy /sbin/init\nENTRYPOINT [\"/sbin/init\"]\n";
        fs::write(self.folder.path().join("Dockerfile"), dockerfile).expect("written");
        self.folder.path().into()
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        clear(&self.label());
        clear(&format!("{}={}", naming::INSTANCE, self.mark));
        let built = format!("reference=decnet-built:*{}", self.mark);
        for image in docker(&["image", "ls", "--quiet", "--filter", &built]).lines() {
            succeeds(&["rmi", "--force", image]);
        }
        succeeds(&["rmi", &self.image]);
    }
}

/// Removes everything with a label.
pub(crate) fn clear(label: &str) {
    let filter = format!("label={label}");
    for id in docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines() {
        succeeds(&["rm", "--force", "--volumes", id]);
    }
    for id in docker(&["network", "ls", "--quiet", "--filter", &filter]).lines() {
        succeeds(&["network", "rm", id]);
    }
}
