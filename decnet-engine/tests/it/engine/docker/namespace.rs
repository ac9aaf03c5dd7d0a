//! Acting in the network namespace of a container, as root on the daemon's host can.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::fd::AsFd as _,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::docker;

/// Starts a function in the namespace of a container, on a thread of its own.
pub(super) fn spawn_inside<T: Send + 'static>(
    container: &str,
    act: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", container]);
    thread::spawn(move || {
        let namespace = File::open(format!("/proc/{pid}/ns/net")).expect("the daemon's host, as root");
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("as root");
        act()
    })
}

/// Runs a function in the namespace of a container.
pub(super) fn inside<T: Send + 'static>(container: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_inside(container, act).join().expect("done inside")
}

/// Connects to a service. One that was just started listens a moment later.
pub(super) fn connect(to: (Ipv4Addr, u16)) -> TcpStream {
    let connect = || TcpStream::connect_timeout(&SocketAddr::from(to), Duration::from_secs(5));
    let mut tries = std::iter::repeat_with(connect).take(50).inspect(|tried| {
        if tried.is_err() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    tries.find_map(Result::ok).expect("connected")
}
