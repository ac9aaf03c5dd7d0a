//! The command prompt of Windows, behind OpenSSH for Windows.

use super::{
    host::Host,
    shell::{Reply, Shell},
};

pub(super) fn greeting(host: &Host) -> String {
    let (major, minor, build) = host.persona.windows_version();
    format!(
        "Microsoft Windows [Version {major}.{minor}.{build}.2803]\n(c) Microsoft Corporation. All rights reserved.\n\n"
    )
}

pub(super) fn prompt(shell: &Shell) -> String {
    format!(
        "{}@{} {}>",
        shell.user,
        shell.host.hostname.to_uppercase(),
        shell.directory
    )
}

/// Answers to a line.
pub(super) fn run(shell: &mut Shell, line: &str) -> Reply {
    let mut reply = Reply::default();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = name.to_ascii_lowercase();
    let host = &shell.host;
    shell.status = 0;
    reply.output = match name.trim_end_matches(".exe") {
        "" => return reply,
        "exit" | "logout" => {
            reply.ends = true;
            return reply;
        }
        "whoami" => format!("{}\\{}\n", host.persona.netbios_domain().to_lowercase(), shell.user),
        "hostname" => format!("{}\n", host.hostname.to_uppercase()),
        "ver" => {
            let (major, minor, build) = host.persona.windows_version();
            format!("\nMicrosoft Windows [Version {major}.{minor}.{build}.2803]\n")
        }
        "cd" | "chdir" if rest.trim().is_empty() => format!("{}\n", shell.directory),
        "cd" | "chdir" => "The system cannot find the path specified.\n".into(),
        "echo" => format!("{rest}\n"),
        "cls" | "rem" => String::new(),
        "dir" => format!(
            " Volume in drive C has no label.\n Volume Serial Number is {}\n\n Directory of {}\n\nFile Not Found\n",
            host.volume, shell.directory
        ),
        "ipconfig" => format!(
            "\nWindows IP Configuration\n\n\nEthernet adapter Ethernet0:\n\n   \
             Connection-specific DNS Suffix  . : {}\n   IPv4 Address. . . . . . . . . . . : {}\n   \
             Subnet Mask . . . . . . . . . . . : 255.255.255.0\n   Default Gateway . . . . . . . . . :\n",
            host.persona.domain, host.address
        ),
        _ => {
            shell.status = 1;
            let shown: String = line.split_whitespace().next().unwrap_or_default().into();
            reply.errors = format!(
                "'{shown}' is not recognized as an internal or external command,\noperable program or batch file.\n"
            );
            return reply;
        }
    };
    reply
}
