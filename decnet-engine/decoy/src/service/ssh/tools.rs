//! The commands of Linux that a session answers to.

use jiff::Timestamp;

use super::{
    awk,
    files::tree,
    host::Flavour,
    names::{is_silent, which},
    node::Node,
    outcome::{Own, complaint, failed},
    reading,
    shell::{MOST_DEPTH, Shell},
    sizes,
    words::Redirected,
};
use crate::{protocol::Os, service::linux::Kernel};

/// What `mount` shows.
const MOUNTS: &str = "sysfs on /sys type sysfs (rw,nosuid,nodev,noexec,relatime)\n\
                      proc on /proc type proc (rw,nosuid,nodev,noexec,relatime)\n\
                      udev on /dev type devtmpfs (rw,nosuid,relatime,size=1985544k,nr_inodes=496386,mode=755,inode64)\n\
                      devpts on /dev/pts type devpts (rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=000)\n\
                      tmpfs on /run type tmpfs (rw,nosuid,nodev,noexec,relatime,size=401820k,mode=755,inode64)\n\
                      /dev/sda1 on / type ext4 (rw,relatime,errors=remount-ro)\n\
                      tmpfs on /dev/shm type tmpfs (rw,nosuid,nodev,inode64)\n";

/// Returns the text after the login of Debian and Ubuntu.
pub(super) fn greeting(shell: &Shell, now: Timestamp) -> String {
    let host = &shell.host;
    let Kernel { release, build, .. } = host.kernel;
    let system = format!("Linux {} {release} {build} {}\n\n", host.hostname, host.machine);
    // The last login is that of an administrator in the same LAN.
    let last = host.visited(now).strftime("%a %b %e %H:%M:%S %Y");
    let [one, two, three, _] = host.address.octets();
    let last = format!("Last login: {last} from {one}.{two}.{three}.1\n");
    if matches!(host.persona.os, Os::Ubuntu2204 | Os::Ubuntu2404) {
        let name = tree(shell).remove("/etc/issue");
        let Some(Node::File(issue)) = name else { return last };
        let name = issue.split(" \\n").next().unwrap_or_default();
        return format!(
            "Welcome to {name} (GNU/Linux {release} {})\n\n * Documentation:  https://help.ubuntu.com\n \
             * Management:     https://landscape.canonical.com\n * Support:        https://ubuntu.com/pro\n\n{last}",
            host.machine
        );
    }
    format!(
        "{system}The programs included with the Debian GNU/Linux system are free software;\n\
         the exact distribution terms for each program are described in the\n\
         individual files in /usr/share/doc/*/copyright.\n\n\
         Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\n\
         permitted by applicable law.\n{last}"
    )
}

/// Answers to one command. `input` is the output of the command before it in a pipeline.
pub(super) fn run(shell: &mut Shell, command: &Redirected<'_>, input: Option<&str>, now: Timestamp) -> Own {
    let mut words = &command.words[..];
    // Assignments, and commands that run others.
    while let [first, rest @ ..] = words {
        let is_assignment = first.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        });
        // Of a condition or a loop, each command runs once. The conditions are true.
        let is_reserved = ["if", "then", "elif", "while", "until", "do", "!", "{"].contains(first);
        let runs_another =
            is_reserved || ["sudo", "nohup", "exec", "command", "busybox", "time"].contains(first) && !rest.is_empty();
        if !is_assignment && !runs_another {
            break;
        }
        words = rest;
    }
    // The options of sudo.
    while let [option, rest @ ..] = words
        && option.starts_with('-')
    {
        words = rest;
    }
    shell.status = 0;
    let [first, arguments @ ..] = words else {
        return Own::default();
    };
    if ["else", "elif"].contains(first) {
        shell.is_skipping = true;
    }
    if *first == "fi" {
        shell.is_skipping = false;
    }
    if shell.is_skipping || ["fi", "done", "esac", "}", "for", "case"].contains(first) {
        return Own::default();
    }
    let name = ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"]
        .iter()
        .find_map(|folder| first.strip_prefix(folder))
        .unwrap_or(first);
    if let ["-c", line, ..] = arguments
        && matches!(name, "sh" | "bash")
    {
        return inner(shell, line, now);
    }
    if is_silent(name) {
        reading::touch(shell, name, arguments);
        return Own::default();
    }
    if let Some(output) = answer_of(shell, name, arguments, now) {
        return Own {
            output,
            ..Own::default()
        };
    }
    match name {
        "exit" | "logout" => {
            if let Some(status) = arguments.first().and_then(|status| status.parse::<u8>().ok()) {
                shell.status = status.into();
            }
            Own {
                output: shell.farewell().into(),
                ends: true,
                ..Own::default()
            }
        }
        "false" => failed(shell, 1, String::new()),
        "which" => which(shell, arguments),
        "awk" => awk::run(shell, arguments, input),
        "cd" => reading::cd(shell, arguments),
        "ls" | "dir" => reading::ls(shell, arguments),
        "cat" | "head" | "tail" | "grep" | "egrep" | "wc" | "sort" | "uniq" | "tee" | "more" | "less" => {
            reading::text(shell, name, arguments, input, command.file)
        }
        name => {
            let message = match shell.host.flavour {
                Flavour::Bash => format!("{}{name}: command not found\n", complaint(shell)),
                _ => format!("-sh: {name}: not found\n"),
            };
            failed(shell, 127, message)
        }
    }
}

/// Runs a line in another shell.
fn inner(shell: &mut Shell, line: &str, now: Timestamp) -> Own {
    if shell.depth >= MOST_DEPTH {
        return Own::default();
    }
    shell.depth += 1;
    let reply = shell.run(line, shell.is_command, now);
    shell.depth -= 1;
    Own {
        output: reply.output,
        errors: reply.errors,
        upload: reply.upload,
        ..Own::default()
    }
}

/// Answers to commands that only show something.
fn answer_of(shell: &Shell, name: &str, arguments: &[&str], now: Timestamp) -> Option<String> {
    let host = &shell.host;
    let user = &shell.user;
    let number = if user == "root" { 0 } else { 1000 };
    Some(match name {
        "id" if arguments.contains(&"-u") => format!("{number}\n"),
        "id" => format!("uid={number}({user}) gid={number}({user}) groups={number}({user})\n"),
        "whoami" | "groups" => format!("{user}\n"),
        "hostname" if arguments.contains(&"-f") => format!("{}.{}\n", host.hostname, host.persona.domain),
        "hostname" if arguments.contains(&"-I") => format!("{} \n", host.address),
        "hostname" => format!("{}\n", host.hostname),
        "pwd" => format!("{}\n", shell.directory),
        "tty" if shell.is_interactive => "/dev/pts/0\n".into(),
        "tty" => "not a tty\n".into(),
        "lscpu" => sizes::lscpu(host.machine, host.hardware.cores),
        "ss" => format!(
            "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n\
             LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:((\"sshd\",pid=574,fd=3))\n\
             ESTAB  0      0      {}:22   {}    users:((\"sshd\",pid=1186,fd=4),(\"sshd\",pid=1172,fd=4))\n",
            host.address, shell.remote
        ),
        "nproc" => format!("{}\n", host.hardware.cores),
        "arch" => format!("{}\n", host.machine),
        "echo" => echo(arguments),
        "uname" => uname(shell, arguments),
        "date" => format!("{}\n", now.strftime("%a %b %e %H:%M:%S UTC %Y")),
        "uptime" => format!("{}\n", uptime(shell, now)),
        "w" => format!(
            "{}\nUSER     TTY      FROM             LOGIN@   IDLE   JCPU   PCPU WHAT\n\
             {user:<8} pts/0    {:<16} {}    0.00s  0.02s  0.00s w\n",
            uptime(shell, now),
            shell.remote.ip().to_string(),
            now.strftime("%H:%M")
        ),
        "last" => {
            let boot = host.started(now);
            format!(
                "{user:<8} pts/0        {:<16} {}   still logged in\nreboot   system boot  {:<16} {}   still running\n\n\
                 wtmp begins {}\n",
                shell.remote.ip().to_string(),
                now.strftime("%a %b %e %H:%M"),
                host.kernel.release.chars().take(16).collect::<String>(),
                boot.strftime("%a %b %e %H:%M"),
                boot.strftime("%a %b %e %H:%M:%S %Y"),
            )
        }
        "who" => format!(
            "{user:<8} pts/0        {} ({})\n",
            now.strftime("%Y-%m-%d %H:%M"),
            shell.remote.ip()
        ),
        "ps" => ps(shell, arguments, now),
        "ip" if arguments.first().is_some_and(|object| "address".starts_with(object)) => ip_address(shell),
        "ip" => format!("default via {0} dev ens18\n", gateway(shell)),
        "ifconfig" => ifconfig(shell),
        "df" => sizes::df(arguments),
        "free" => sizes::free(host.hardware.memory, arguments),
        "env" | "printenv" => format!(
            "SHELL=/bin/bash\nPWD={}\nLOGNAME={user}\nHOME={}\nUSER={user}\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:\
             /usr/bin:/sbin:/bin\n",
            shell.directory,
            shell.home()
        ),
        "history" | "lsof" | "jobs" => String::new(),
        "mount" => MOUNTS.into(),
        "crontab" => format!("no crontab for {user}\n"),
        _ => return None,
    })
}

fn echo(arguments: &[&str]) -> String {
    match arguments {
        ["-n", rest @ ..] => rest.join(" "),
        ["-e" | "-ne" | "-en", rest @ ..] => rest.join(" ").replace("\\n", "\n").replace("\\t", "\t"),
        all => format!("{}\n", all.join(" ")),
    }
}

fn uname(shell: &Shell, arguments: &[&str]) -> String {
    let Kernel { release, build, .. } = shell.host.kernel;
    let letters: String = arguments.concat();
    let all = letters.contains('a');
    let wanted = |letter| all || letters.contains(letter);
    let (name, machine) = (shell.host.hostname.as_str(), shell.host.machine);
    let mut parts = Vec::new();
    let is_plain = !letters.starts_with('-') || wanted('s');
    parts.extend(is_plain.then_some("Linux"));
    parts.extend(wanted('n').then_some(name));
    parts.extend(wanted('r').then_some(release));
    parts.extend(wanted('v').then_some(build));
    parts.extend((wanted('m') || wanted('p')).then_some(machine));
    // Ubuntu's also names the processor and the platform.
    let is_ubuntu = matches!(shell.host.persona.os, Os::Ubuntu2204 | Os::Ubuntu2404);
    parts.extend([machine, machine].into_iter().filter(|_| all && is_ubuntu));
    parts.extend((all || letters.contains('o')).then_some("GNU/Linux"));
    format!("{}\n", parts.join(" "))
}

fn uptime(shell: &Shell, now: Timestamp) -> String {
    let running = now.as_second().saturating_sub(shell.host.started(now).as_second());
    let (days, hours, minutes) = (running / 86_400, running / 3600 % 24, running / 60 % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".into(),
        days => format!("{days} days, "),
    };
    format!(
        " {} up {days}{hours:2}:{minutes:02},  1 user,  load average: 0.08, 0.03, 0.01",
        now.strftime("%H:%M:%S")
    )
}

fn ps(shell: &Shell, arguments: &[&str], now: Timestamp) -> String {
    let letters = arguments.concat();
    if letters.is_empty() {
        return "    PID TTY          TIME CMD\n   1187 pts/0    00:00:00 bash\n   1203 pts/0    00:00:00 ps\n".into();
    }
    let day = shell.host.started(now).strftime("%b%d").to_string();
    let time = now.strftime("%H:%M").to_string();
    let user = &shell.user;
    let processes = [
        ("root", 1, "/sbin/init"),
        ("root", 2, "[kthreadd]"),
        ("root", 3, "[rcu_gp]"),
        ("root", 12, "[ksoftirqd/0]"),
        ("root", 241, "/lib/systemd/systemd-journald"),
        ("root", 262, "/lib/systemd/systemd-udevd"),
        ("root", 498, "/usr/sbin/cron -f"),
        (
            "message+",
            499,
            "/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile",
        ),
        ("root", 505, "/lib/systemd/systemd-logind"),
        ("root", 561, "/sbin/agetty -o -p -- \\u --noclear - linux"),
        ("root", 574, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"),
        ("root", 1172, &format!("sshd: {user} [priv]")),
        (user, 1186, &format!("sshd: {user}@pts/0")),
        (user, 1187, "-bash"),
        (user, 1203, &format!("ps {}", arguments.join(" "))),
    ];
    let is_full = letters.starts_with("-e") || letters.starts_with("-f");
    let mut output = String::from(if is_full {
        "UID          PID    PPID  C STIME TTY          TIME CMD\n"
    } else {
        "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n"
    });
    for (owner, number, command) in processes {
        let terminal = if number > 1186 { "pts/0" } else { "?" };
        let start = if number > 1100 { &time } else { &day };
        let size = if command.starts_with('[') { 0 } else { 4096 + number * 7 };
        let line = if is_full {
            format!(
                "{owner:<8} {number:>7} {:>7}  0 {start} {terminal:<8} 00:00:00 {command}\n",
                number.min(2) - 1
            )
        } else {
            format!(
                "{owner:<8} {number:>7}  0.0  0.1 {:>6} {size:>5} {terminal:<8} Ss   {start}   0:00 {command}\n",
                size * 3
            )
        };
        output.push_str(&line);
    }
    output
}

fn gateway(shell: &Shell) -> String {
    let [one, two, three, _] = shell.host.address.octets();
    format!("{one}.{two}.{three}.1")
}

fn broadcast(shell: &Shell) -> String {
    let [one, two, three, _] = shell.host.address.octets();
    format!("{one}.{two}.{three}.255")
}

fn ip_address(shell: &Shell) -> String {
    let host = &shell.host;
    format!(
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000\n    \
         link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n    inet 127.0.0.1/8 scope host lo\n       \
         valid_lft forever preferred_lft forever\n\
         2: ens18: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000\n    \
         link/ether {} brd ff:ff:ff:ff:ff:ff\n    inet {}/24 brd {} scope global ens18\n       \
         valid_lft forever preferred_lft forever\n",
        host.mac,
        host.address,
        broadcast(shell)
    )
}

fn ifconfig(shell: &Shell) -> String {
    let host = &shell.host;
    format!(
        "ens18: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n        \
         inet {}  netmask 255.255.255.0  broadcast {}\n        ether {}  txqueuelen 1000  (Ethernet)\n\n\
         lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536\n        inet 127.0.0.1  netmask 255.0.0.0\n\n",
        host.address,
        broadcast(shell),
        host.mac
    )
}
