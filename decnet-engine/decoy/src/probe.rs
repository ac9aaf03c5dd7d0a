//! Reports which targets answer.

use std::{
    io,
    net::SocketAddrV4,
    os::fd::OwnedFd,
    process::ExitCode,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send, sendto,
        socket_with,
        sockopt::{set_socket_broadcast, socket_error},
    },
};

use crate::{
    failure::Failure,
    lines::print_line,
    protocol::{Answer, EXIT_DONE, Probe, ProbeResult, Target, TargetResult},
};

/// The number of targets that are tried at once. Each has a file descriptor.
const AT_A_TIME: usize = 256;

const ECHO_REQUEST: u8 = 8;

/// The content for a UDP port: long enough that a service that limits its answer to the size of the request can send its
/// banner.
const DATAGRAM: [u8; 512] = [0; 512];

/// Tries all targets and prints the results.
pub(crate) fn run(json: &str) -> Result<ExitCode, Failure> {
    let probe: Probe = serde_json::from_str(json).map_err(|error| Failure::usage("the probe cannot be read", error))?;
    print_line(&try_all(&probe));
    Ok(ExitCode::from(EXIT_DONE))
}

fn try_all(probe: &Probe) -> ProbeResult {
    let timeout = Duration::from_millis(probe.timeout_ms);
    let mut targets: Vec<TargetResult> = probe
        .targets
        .iter()
        .map(|target| TargetResult {
            target: *target,
            reached: false,
            detail: Answer::TimedOut,
            rtt_us: None,
        })
        .collect();
    for chunk in targets.chunks_mut(AT_A_TIME) {
        for attempt in 0..probe.attempts.max(1) {
            let open: Vec<&mut TargetResult> = chunk.iter_mut().filter(|result| wants_another(result)).collect();
            if open.is_empty() {
                break;
            }
            attempt_once(open, attempt, timeout);
        }
    }
    ProbeResult { targets }
}

/// Returns whether to try again. A refusal is final: the host exists and the port is closed.
fn wants_another(result: &TargetResult) -> bool {
    !matches!(result.detail, Answer::Answered | Answer::Refused)
}

/// Asks every target once and waits until all have answered or the time is up.
fn attempt_once(open: Vec<&mut TargetResult>, attempt: u16, timeout: Duration) {
    let mut waiting = Vec::new();
    for result in open {
        result.detail = Answer::TimedOut;
        let began = Instant::now();
        match ask(result.target, attempt) {
            Ok(socket) => waiting.push((socket, result, began)),
            Err(errno) => result.detail = answer(errno),
        }
    }
    let deadline = Instant::now() + timeout;
    while !waiting.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let mut fds: Vec<PollFd<'_>> = waiting
            .iter()
            .map(|(socket, result, _)| PollFd::new(socket, interest(result.target)))
            .collect();
        let wait = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 60, tv_nsec: 0 });
        if let Err(errno) = poll(&mut fds, Some(&wait))
            && errno != Errno::INTR
        {
            for (_, result, _) in &mut waiting {
                result.detail = answer(errno);
            }
            return;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        waiting.retain_mut(|(socket, result, began)| {
            let Some(detail) = ready
                .next()
                .filter(|ready| *ready)
                .and_then(|_| heard(socket, result.target, attempt))
            else {
                return true;
            };
            if detail == Answer::Answered {
                result.reached = true;
                result.rtt_us = u64::try_from(began.elapsed().as_micros()).ok();
            }
            result.detail = detail;
            false
        });
    }
}

/// Sends an echo request or a datagram, or starts to connect.
fn ask(target: Target, attempt: u16) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    match target {
        Target::Icmp { address } => {
            let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, Some(ipproto::ICMP))?;
            // Connected, so that only replies and errors of this address arrive.
            connect(&socket, &SocketAddrV4::new(address, 0))?;
            send(&socket, &echo_request(attempt), SendFlags::empty())?;
            Ok(socket)
        }
        Target::Tcp { address, port } => {
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
            match connect(&socket, &SocketAddrV4::new(address, port)) {
                Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
                Err(errno) => Err(errno),
            }
        }
        Target::Udp { address, port } => {
            let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
            // Connected, so that the error of a closed port arrives.
            connect(&socket, &SocketAddrV4::new(address, port))?;
            send(&socket, &DATAGRAM, SendFlags::empty())?;
            Ok(socket)
        }
        Target::Broadcast { address, port } => {
            let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
            set_socket_broadcast(&socket, true)?;
            sendto(
                &socket,
                &DATAGRAM,
                SendFlags::empty(),
                &SocketAddrV4::new(address, port),
            )?;
            Ok(socket)
        }
    }
}

/// Type, code, checksum, identifier (the kernel sets the latter two), sequence, and a payload of ping's size.
fn echo_request(attempt: u16) -> Vec<u8> {
    let [high, low] = attempt.to_be_bytes();
    let mut request = vec![ECHO_REQUEST, 0, 0, 0, 0, 0, high, low];
    request.resize(8 + 56, 0);
    request
}

fn interest(target: Target) -> PollFlags {
    match target {
        Target::Icmp { .. } | Target::Udp { .. } | Target::Broadcast { .. } => PollFlags::IN,
        Target::Tcp { .. } => PollFlags::OUT,
    }
}

/// Reads the answer from a ready socket. Returns `None` if it is not the answer.
fn heard(socket: &OwnedFd, target: Target, attempt: u16) -> Option<Answer> {
    match target {
        Target::Icmp { .. } => {
            let mut reply = [0; 256];
            match recv(socket, &mut reply, RecvFlags::empty()) {
                Ok((_, length)) => {
                    let is_reply = length >= 8 && reply[0] == 0 && reply[6..8] == attempt.to_be_bytes();
                    is_reply.then_some(Answer::Answered)
                }
                Err(Errno::AGAIN | Errno::INTR) => None,
                Err(errno) => Some(answer(errno)),
            }
        }
        Target::Udp { .. } | Target::Broadcast { .. } => match recv(socket, &mut [0; 1], RecvFlags::empty()) {
            Ok(_) => Some(Answer::Answered),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(errno) => Some(answer(errno)),
        },
        Target::Tcp { .. } => Some(match socket_error(socket) {
            Ok(Ok(())) => Answer::Answered,
            Ok(Err(errno)) | Err(errno) => answer(errno),
        }),
    }
}

fn answer(errno: Errno) -> Answer {
    match errno {
        Errno::CONNREFUSED => Answer::Refused,
        Errno::NETUNREACH | Errno::HOSTUNREACH => Answer::Unreachable,
        Errno::TIMEDOUT => Answer::TimedOut,
        errno => Answer::Failed(io::Error::from(errno).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn a_udp_port_answers_stays_silent_or_refuses() {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (echo, mute, closed) = (bind(), bind(), bind());
        let target = |socket: &UdpSocket| Target::Udp {
            address: Ipv4Addr::LOCALHOST,
            port: socket.local_addr().unwrap().port(),
        };
        let targets = vec![target(&echo), target(&mute), target(&closed)];
        drop(closed);
        let answering = std::thread::spawn(move || {
            let (length, from) = echo.recv_from(&mut [0; 600]).unwrap();
            echo.send_to(b"here", from).unwrap();
            length
        });
        let result = try_all(&Probe {
            targets,
            timeout_ms: 2000,
            attempts: 1,
        });
        let details: Vec<_> = result.targets.iter().map(|target| &target.detail).collect();
        assert_eq!(details, [&Answer::Answered, &Answer::TimedOut, &Answer::Refused]);
        assert_eq!(answering.join().unwrap(), DATAGRAM.len());
    }

    #[test]
    fn any_answer_to_a_broadcast_counts_and_silence_does_not() {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (there, other, mute) = (bind(), bind(), bind());
        let target = |socket: &UdpSocket| Target::Broadcast {
            address: Ipv4Addr::new(127, 255, 255, 255),
            port: socket.local_addr().unwrap().port(),
        };
        // Sockets bound to a single address do not receive broadcasts.
        let everybody = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let targets = vec![target(&everybody), target(&mute), target(&there)];
        let answering = std::thread::spawn(move || {
            let (_, from) = everybody.recv_from(&mut [0; 600]).unwrap();
            other.send_to(b"!", from).unwrap();
        });
        let result = try_all(&Probe {
            targets,
            timeout_ms: 2000,
            attempts: 1,
        });
        answering.join().unwrap();
        let details: Vec<_> = result.targets.iter().map(|target| &target.detail).collect();
        assert_eq!(details, [&Answer::Answered, &Answer::TimedOut, &Answer::TimedOut]);
    }

    #[test]
    fn a_listening_port_answers_and_a_closed_one_refuses() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let (open, shut) = (port(&listener), port(&closed));
        drop(closed);
        let target = |port| Target::Tcp {
            address: Ipv4Addr::LOCALHOST,
            port,
        };
        let result = try_all(&Probe {
            targets: vec![target(open), target(shut)],
            timeout_ms: 5000,
            attempts: 2,
        });
        assert_eq!(result.targets[0].detail, Answer::Answered);
        assert!(result.targets[0].reached && result.targets[0].rtt_us.is_some());
        assert_eq!(result.targets[1].detail, Answer::Refused);
        assert!(!result.targets[1].reached);
    }
}
