//! The commands of Linux that a session answers to.

use jiff::Timestamp;

use super::{
    files::{Node, tree},
    host::Flavour,
    outcome::{Own, complaint, failed},
    reading,
    shell::Shell,
    words::Redirected,
};

/// Commands that write nothing.
const SILENT: &[&str] = &[
    "true", ":", "export", "unset", "set", "alias", "umask", "sleep", "touch", "mkdir", "chmod", "chown", "sync",
    "disown", "trap", "ulimit", "clear", "rm", "mv", "cp", "ln", "kill", "pkill", "killall",
];

/// Returns the text after the login of Debian and Ubuntu.
pub(super) fn greeting(shell: &Shell, now: Timestamp) -> String {
    let host = &shell.host;
    let (release, build) = host.kernel;
    let system = format!("Linux {} {release} {build} {}\n\n", host.hostname, host.machine);
    // The last login is that of an administrator in the same LAN.
    let last = host.visited(now).strftime("%a %b %e %H:%M:%S %Y");
    let [one, two, three, _] = host.address.octets();
    let last = format!("Last login: {last} from {one}.{two}.{three}.1\n");
    if host.persona.os == crate::protocol::Os::Ubuntu2204 || host.persona.os == crate::protocol::Os::Ubuntu2404 {
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
        let runs_another = ["sudo", "nohup", "exec", "command", "busybox", "time"].contains(first) && !rest.is_empty();
        if !is_assignment && !runs_another {
            break;
        }
        words = rest;
    }
    shell.status = 0;
    let [first, arguments @ ..] = words else {
        return Own::default();
    };
    let name = ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"]
        .iter()
        .find_map(|folder| first.strip_prefix(folder))
        .unwrap_or(first);
    if SILENT.contains(&name) {
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
        "nproc" => "2\n".into(),
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
        "who" | "last" => format!(
            "{user:<8} pts/0        {} ({})\n",
            now.strftime("%Y-%m-%d %H:%M"),
            shell.remote.ip()
        ),
        "ps" => ps(shell, arguments, now),
        "ip" if arguments.first().is_some_and(|object| "address".starts_with(object)) => ip_address(shell),
        "ip" => format!("default via {0} dev ens18\n", gateway(shell)),
        "ifconfig" => ifconfig(shell),
        "df" => "Filesystem     1K-blocks    Used Available Use% Mounted on\n\
                 udev             1985544       0   1985544   0% /dev\n\
                 tmpfs             401820     604    401216   1% /run\n\
                 /dev/sda1       30786468 4120988  25076060  15% /\n"
            .into(),
        "free" => "               total        used        free      shared  buff/cache   available\n\
                   Mem:         4018188     1100568      612344        1844     2305276     2917620\n\
                   Swap:         998396           0      998396\n"
            .into(),
        "env" | "printenv" => format!(
            "SHELL=/bin/bash\nPWD={}\nLOGNAME={user}\nHOME={}\nUSER={user}\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:\
             /usr/bin:/sbin:/bin\n",
            shell.directory,
            shell.home()
        ),
        "history" | "mount" | "lsof" | "jobs" => String::new(),
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
    let (release, build) = shell.host.kernel;
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
