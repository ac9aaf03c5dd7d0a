//! What the engine shows of itself, its containers and its images.

use jiff::Timestamp;

use super::{API, Answer, Engine};
use crate::service::{
    linux::{Hardware, pretty_name},
    wire::http::{hex, quoted},
};

impl Engine {
    /// Returns the build of the version: commit and date.
    fn build(&self) -> (&'static str, &'static str, &'static str) {
        match self.version.as_str() {
            "20.10.17" => ("a89b842", "2022-06-06T23:01:03.000000000+00:00", "go1.17.11"),
            "20.10.21" => ("3056208", "2022-10-25T18:00:04.000000000+00:00", "go1.18.7"),
            "20.10.23" => ("6051f14", "2023-01-19T17:34:14.000000000+00:00", "go1.18.10"),
            _ => ("5d6db84", "2023-04-04T18:18:43.000000000+00:00", "go1.19.7"),
        }
    }

    pub(super) fn kernel(&self) -> &'static str {
        self.context.kernel().release
    }

    pub(super) fn show_version(&self) -> String {
        let (commit, time, go) = self.build();
        let (version, kernel) = (quoted(&self.version), self.kernel());
        let (api, least) = API;
        format!(
            "{{\"Platform\":{{\"Name\":\"Docker Engine - Community\"}},\"Components\":[{{\"Name\":\"Engine\",\
            \"Version\":{version},\"Details\":{{\"ApiVersion\":\"{api}\",\"Arch\":\"amd64\",\"BuildTime\":\"{time}\",\
            \"Experimental\":\"false\",\"GitCommit\":\"{commit}\",\"GoVersion\":\"{go}\",\"KernelVersion\":\"{kernel}\",\
            \"MinAPIVersion\":\"{least}\",\"Os\":\"linux\"}}}},{{\"Name\":\"containerd\",\"Version\":\"1.6.20\",\
            \"Details\":{{\"GitCommit\":\"2806fc1057397dbaeefbea0e4e17bddfbd388f38\"}}}},{{\"Name\":\"runc\",\
            \"Version\":\"1.1.5\",\"Details\":{{\"GitCommit\":\"v1.1.5-0-gf19387a\"}}}},{{\"Name\":\"docker-init\",\
            \"Version\":\"0.19.0\",\"Details\":{{\"GitCommit\":\"de40ad0\"}}}}],\"Version\":{version},\
            \"ApiVersion\":\"{api}\",\"MinAPIVersion\":\"{least}\",\"GitCommit\":\"{commit}\",\"GoVersion\":\"{go}\",\
            \"Os\":\"linux\",\"Arch\":\"amd64\",\"KernelVersion\":\"{kernel}\",\"BuildTime\":\"{time}\"}}"
        )
    }

    pub(super) fn show_info(&self, now: Timestamp) -> String {
        let words: [u8; 48] = self.context.stable("engine id");
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letter = |byte: &u8| char::from(alphabet[usize::from(byte % 32)]);
        let id: Vec<String> = words.chunks(4).map(|four| four.iter().map(letter).collect()).collect();
        let (running, images) = (self.containers.len(), self.image_names().len());
        let Hardware { cores, memory } = self.context.hardware();
        let memory = memory * 1024;
        let system = pretty_name(self.context.persona().os);
        format!(
            "{{\"ID\":\"{}\",\"Containers\":{running},\"ContainersRunning\":{running},\"ContainersPaused\":0,\
            \"ContainersStopped\":0,\"Images\":{images},\"Driver\":\"overlay2\",\"DriverStatus\":[[\"Backing Filesystem\",\
            \"extfs\"],[\"Supports d_type\",\"true\"],[\"Native Overlay Diff\",\"true\"],[\"userxattr\",\"false\"]],\
            \"Plugins\":{{\"Volume\":[\"local\"],\"Network\":[\"bridge\",\"host\",\"ipvlan\",\"macvlan\",\"null\",\
            \"overlay\"],\"Authorization\":null,\"Log\":[\"awslogs\",\"fluentd\",\"gcplogs\",\"gelf\",\"journald\",\
            \"json-file\",\"local\",\"logentries\",\"splunk\",\"syslog\"]}},\"MemoryLimit\":true,\"SwapLimit\":true,\
            \"KernelMemory\":false,\"KernelMemoryTCP\":false,\"CpuCfsPeriod\":true,\"CpuCfsQuota\":true,\"CPUShares\":true,\
            \"CPUSet\":true,\"PidsLimit\":true,\"IPv4Forwarding\":true,\"BridgeNfIptables\":true,\
            \"BridgeNfIp6tables\":true,\"Debug\":false,\"NFd\":{},\"OomKillDisable\":false,\"NGoroutines\":{},\
            \"SystemTime\":\"{now}\",\"LoggingDriver\":\"json-file\",\"CgroupDriver\":\"systemd\",\
            \"CgroupVersion\":\"2\",\"NEventsListener\":0,\"KernelVersion\":\"{}\",\"OperatingSystem\":\"{system}\",\
            \"OSVersion\":\"\",\"OSType\":\"linux\",\"Architecture\":\"x86_64\",\
            \"IndexServerAddress\":\"https://index.docker.io/v1/\",\"RegistryConfig\":{{\
            \"AllowNondistributableArtifactsCIDRs\":[],\"AllowNondistributableArtifactsHostnames\":[],\
            \"InsecureRegistryCIDRs\":[\"127.0.0.0/8\"],\"IndexConfigs\":{{\"docker.io\":{{\"Name\":\"docker.io\",\
            \"Mirrors\":[],\"Secure\":true,\"Official\":true}}}},\"Mirrors\":[]}},\"NCPU\":{cores},\"MemTotal\":{memory},\
            \"GenericResources\":null,\"DockerRootDir\":\"/var/lib/docker\",\"HttpProxy\":\"\",\"HttpsProxy\":\"\",\
            \"NoProxy\":\"\",\"Name\":{},\"Labels\":[],\"ExperimentalBuild\":false,\"ServerVersion\":{},\
            \"Runtimes\":{{\"io.containerd.runc.v2\":{{\"path\":\"runc\"}},\"io.containerd.runtime.v1.linux\":{{\
            \"path\":\"runc\"}},\"runc\":{{\"path\":\"runc\"}}}},\"DefaultRuntime\":\"runc\",\"Swarm\":{{\"NodeID\":\"\",\
            \"NodeAddr\":\"\",\"LocalNodeState\":\"inactive\",\"ControlAvailable\":false,\"Error\":\"\",\
            \"RemoteManagers\":null}},\"LiveRestoreEnabled\":false,\"Isolation\":\"\",\"InitBinary\":\"docker-init\",\
            \"ContainerdCommit\":{{\"ID\":\"2806fc1057397dbaeefbea0e4e17bddfbd388f38\",\
            \"Expected\":\"2806fc1057397dbaeefbea0e4e17bddfbd388f38\"}},\"RuncCommit\":{{\"ID\":\"v1.1.5-0-gf19387a\",\
            \"Expected\":\"v1.1.5-0-gf19387a\"}},\"InitCommit\":{{\"ID\":\"de40ad0\",\"Expected\":\"de40ad0\"}},\
            \"SecurityOptions\":[\"name=apparmor\",\"name=seccomp,profile=default\"],\"Warnings\":[\"WARNING: API is \
            accessible on http://0.0.0.0:2375 without encryption.\\n         Access to the remote API is equivalent to root \
            access on the host. Refer\\n         to the 'Docker daemon attack surface' section in the documentation for\\n     \
            \x20   more information: https://docs.docker.com/go/attack-surface/\"]}}",
            id.join(":"),
            22 + running * 8,
            35 + running * 9,
            self.kernel(),
            quoted(&self.context.persona().hostname),
            quoted(&self.version),
        )
    }

    pub(super) fn show_containers(&self, now: Timestamp) -> String {
        let shown = self.containers.iter().enumerate().map(|(at, name)| {
            let (image, id) = (image_of(name), self.id_of(name));
            let days = 3 + i64::from(self.context.stable::<1>(&format!("age {name}"))[0] % 60);
            let created = self.started(name, now);
            let number = 2 + at % 250;
            format!(
                "{{\"Id\":\"{id}\",\"Names\":[{}],\"Image\":{},\"ImageID\":\"sha256:{}\",\"Command\":{},\
                \"Created\":{created},\"Ports\":[],\"Labels\":{{}},\"State\":\"running\",\"Status\":\"Up {}\",\
                \"HostConfig\":{{\"NetworkMode\":\"default\"}},\"NetworkSettings\":{{\"Networks\":{{\"bridge\":{{\
                \"IPAMConfig\":null,\"Links\":null,\"Aliases\":null,\"NetworkID\":\"{}\",\"EndpointID\":\"{}\",\
                \"Gateway\":\"172.17.0.1\",\"IPAddress\":\"172.17.0.{number}\",\"IPPrefixLen\":16,\"IPv6Gateway\":\"\",\
                \"GlobalIPv6Address\":\"\",\"GlobalIPv6PrefixLen\":0,\"MacAddress\":\"02:42:ac:11:00:{number:02x}\",\
                \"DriverOpts\":null}}}}}},\"Mounts\":[]}}",
                quoted(&format!("/{name}")),
                quoted(&image),
                self.hash(&format!("image {image}")),
                quoted(command(name)),
                up(days),
                self.hash("bridge"),
                self.hash(&format!("endpoint {name}")),
            )
        });
        format!("[{}]", shown.collect::<Vec<_>>().join(","))
    }

    pub(super) fn show_container(&self, id: &str, name: &str, now: Timestamp) -> String {
        let image = image_of(name);
        let started = Timestamp::from_second(self.started(name, now)).unwrap_or(now);
        format!(
            "{{\"Id\":\"{id}\",\"Created\":\"{started}\",\"Path\":\"/docker-entrypoint.sh\",\"Args\":[],\"State\":{{\
            \"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Restarting\":false,\"OOMKilled\":false,\"Dead\":false,\
            \"Pid\":2314,\"ExitCode\":0,\"Error\":\"\",\"StartedAt\":\"{started}\",\"FinishedAt\":\"0001-01-01T00:00:00Z\"}},\
            \"Image\":\"sha256:{}\",\"Name\":{},\"RestartCount\":0,\"Driver\":\"overlay2\",\"Platform\":\"linux\",\
            \"MountLabel\":\"\",\"ProcessLabel\":\"\",\"AppArmorProfile\":\"docker-default\",\"ExecIDs\":null,\
            \"HostConfig\":{{\"Binds\":null,\"NetworkMode\":\"default\",\"Privileged\":false}},\"Mounts\":[],\
            \"Config\":{{\"Hostname\":\"{}\",\"User\":\"\",\"Tty\":false,\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:\
            /usr/sbin:/usr/bin:/sbin:/bin\"],\"Image\":{},\"WorkingDir\":\"\",\"Labels\":{{}}}}}}",
            self.hash(&format!("image {image}")),
            quoted(&format!("/{name}")),
            id.get(..12).unwrap_or_default(),
            quoted(&image),
        )
    }

    pub(super) fn show_images(&self) -> String {
        let names = self.image_names();
        let shown = names.iter().map(|image| {
            let [size, more]: [u8; 2] = self.context.stable(&format!("size {image}"));
            let size = 25_000_000 + u64::from(size) * 1_000_003 + u64::from(more) * 977;
            let repository = image
                .rsplit_once(':')
                .map_or(image.as_str(), |(repository, _)| repository);
            format!(
                "{{\"Containers\":-1,\"Created\":{},\"Id\":\"sha256:{}\",\"Labels\":null,\"ParentId\":\"\",\
                \"RepoDigests\":[{}],\"RepoTags\":[{}],\"SharedSize\":-1,\"Size\":{size},\"VirtualSize\":{size}}}",
                1_680_000_000 + u64::from(more) * 71_993,
                self.hash(&format!("image {image}")),
                quoted(&format!(
                    "{repository}@sha256:{}",
                    self.hash(&format!("digest {image}"))
                )),
                quoted(image),
            )
        });
        format!("[{}]", shown.collect::<Vec<_>>().join(","))
    }

    pub(super) fn show_image(&self, name: &str) -> Answer {
        let tagged = if name.contains(':') {
            name.to_owned()
        } else {
            format!("{name}:latest")
        };
        if !self.image_names().contains(&tagged) {
            return Answer::error("404 Not Found", &format!("No such image: {tagged}"));
        }
        let text = format!(
            "{{\"Id\":\"sha256:{}\",\"RepoTags\":[{}],\"RepoDigests\":[],\"Parent\":\"\",\"Comment\":\"\",\
            \"DockerVersion\":\"20.10.23\",\"Author\":\"\",\"Architecture\":\"amd64\",\"Os\":\"linux\"}}",
            self.hash(&format!("image {tagged}")),
            quoted(&tagged)
        );
        Answer::json("200 OK", text)
    }

    pub(super) fn show_networks(&self) -> String {
        let shown = [("bridge", "bridge"), ("host", "host"), ("none", "null")].map(|(name, driver)| {
            let config = if name == "bridge" {
                "[{\"Subnet\":\"172.17.0.0/16\",\"Gateway\":\"172.17.0.1\"}]"
            } else {
                "[]"
            };
            format!(
                "{{\"Name\":\"{name}\",\"Id\":\"{}\",\"Created\":\"2023-06-12T08:14:51.361946521Z\",\"Scope\":\"local\",\
                \"Driver\":\"{driver}\",\"EnableIPv6\":false,\"IPAM\":{{\"Driver\":\"default\",\"Options\":null,\
                \"Config\":{config}}},\"Internal\":false,\"Attachable\":false,\"Ingress\":false,\"ConfigFrom\":{{\
                \"Network\":\"\"}},\"ConfigOnly\":false,\"Containers\":{{}},\"Options\":{{}},\"Labels\":{{}}}}",
                self.hash(name)
            )
        });
        format!("[{}]", shown.join(","))
    }

    pub(super) fn image_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.containers.iter().map(|name| image_of(name)).collect();
        names.extend(BASES.map(str::to_owned));
        names.extend(self.images.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// The second in which a container of the decky was created.
    fn started(&self, name: &str, now: Timestamp) -> i64 {
        let [days, minutes]: [u8; 2] = self.context.stable(&format!("age {name}"));
        let age = (3 + i64::from(days % 60)) * 86_400 + i64::from(minutes) * 60;
        now.as_second().saturating_sub(age)
    }

    fn hash(&self, label: &str) -> String {
        hex(&self.context.stable::<32>(label))
    }

    /// The id of a container of the decky.
    pub(super) fn id_of(&self, name: &str) -> String {
        self.hash(&format!("container {name}"))
    }
}

/// Returns how long a container runs, in the words of the engine.
fn up(days: i64) -> String {
    match days {
        0..14 => format!("{days} days"),
        14..60 => format!("{} weeks", days / 7),
        _ => format!("{} months", days / 30),
    }
}

/// Images that containers are built from.
const BASES: [&str; 3] = ["alpine:latest", "busybox:latest", "ubuntu:latest"];

/// The images of well-known names.
const IMAGES: &[(&str, &str, &str)] = &[
    ("nginx", "nginx:1.23", "/docker-entrypoint.sh nginx -g 'daemon off;'"),
    ("web", "nginx:1.23", "/docker-entrypoint.sh nginx -g 'daemon off;'"),
    ("proxy", "nginx:1.23", "/docker-entrypoint.sh nginx -g 'daemon off;'"),
    ("redis", "redis:6.2", "docker-entrypoint.sh redis-server"),
    ("cache", "redis:6.2", "docker-entrypoint.sh redis-server"),
    ("postgres", "postgres:14", "docker-entrypoint.sh postgres"),
    ("mysql", "mysql:8.0", "docker-entrypoint.sh mysqld"),
    ("mongo", "mongo:5.0", "docker-entrypoint.sh mongod"),
    ("db", "postgres:14", "docker-entrypoint.sh postgres"),
    (
        "registry",
        "registry:2",
        "/entrypoint.sh /etc/docker/registry/config.yml",
    ),
    ("portainer", "portainer/portainer-ce:2.16.2", "/portainer"),
    (
        "gitlab-runner",
        "gitlab/gitlab-runner:alpine",
        "/usr/bin/dumb-init /entrypoint run --user=gitlab-runner --working-directory=/home/gitlab-runner",
    ),
];

/// Returns the image of a container of the decky.
pub(super) fn image_of(name: &str) -> String {
    let known = IMAGES.iter().find(|(part, ..)| name.contains(part));
    known.map_or_else(
        || format!("{}:latest", name.to_lowercase()),
        |(_, image, _)| (*image).to_owned(),
    )
}

fn command(name: &str) -> &'static str {
    let known = IMAGES.iter().find(|(part, ..)| name.contains(part));
    known.map_or("/entrypoint.sh", |(.., command)| command)
}
