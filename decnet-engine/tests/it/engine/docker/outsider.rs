//! A visitor from outside: a network namespace that acts as another machine.

use std::process::{Command, Output};

/// A machine with one link to the host: a network namespace.
pub(super) struct Outsider {
    name: String,
}

impl Outsider {
    pub(super) const HOST: &str = "10.203.250.1";
    pub(super) const OWN: &str = "10.203.250.2";

    pub(super) fn on_host_link() -> Self {
        let name = format!("dcn{}", std::process::id());
        let outsider = Self { name };
        let (name, near, far) = (&outsider.name, outsider.near(), format!("{}f", outsider.name));
        for arguments in [
            format!("netns add {name}"),
            format!("link add {near} type veth peer name {far} netns {name}"),
            format!("addr add {}/30 dev {near}", Self::HOST),
            format!("link set {near} up"),
            format!("-n {name} addr add {}/30 dev {far}", Self::OWN),
            format!("-n {name} link set {far} up"),
        ] {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let done = run("ip", &arguments);
            assert!(done.status.success(), "ip {arguments:?}: {done:?}");
        }
        outsider
    }

    fn near(&self) -> String {
        format!("{}n", self.name)
    }

    /// Lets only shorter packets through the link, like a tunnel. Its own end does not know the limit.
    pub(super) fn narrow(&self, mtu: u16) {
        let done = run("ip", &["link", "set", &self.near(), "mtu", &mtu.to_string()]);
        assert!(done.status.success(), "{done:?}");
    }

    /// Connects to a port of the host, reads to the end, and returns the number of bytes.
    pub(super) fn receive_all(&self, port: u16) -> usize {
        let script = format!("exec 3<>/dev/tcp/{}/{port}; cat <&3 | wc -c", Self::HOST);
        let arguments = ["netns", "exec", &self.name, "timeout", "30", "bash", "-c", &script];
        text(&run("ip", &arguments)).trim().parse().expect("a number")
    }

    /// Connects to a port of the host and returns what it receives.
    pub(super) fn receive(&self, port: u16) -> String {
        let script = format!("exec 3<>/dev/tcp/{}/{port}; head -c 12 <&3", Self::HOST);
        text(&run(
            "ip",
            &["netns", "exec", &self.name, "timeout", "10", "bash", "-c", &script],
        ))
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        run("ip", &["link", "delete", &self.near()]);
        run("ip", &["netns", "delete", &self.name]);
    }
}

pub(super) fn run(command: &str, arguments: &[&str]) -> Output {
    Command::new(command).args(arguments).output().expect("the command")
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
