//! The shell after a login: it has the commands that intruders try first, and a few files to read.

use crate::{
    protocol::Os,
    service::{
        context::Context,
        linux::{Hardware, Kernel, cpuinfo, passwd, pretty_name},
    },
};

/// A shell.
#[derive(Debug)]
pub(crate) struct Shell {
    hostname: String,
    user: String,
    is_busybox: bool,
    os: Os,
    kernel: Kernel,
    hardware: Hardware,
    busybox: &'static str,
    folder: String,
    prompt: Option<String>,
}

/// What a line of commands prints.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The text, with LF.
    pub(crate) output: String,
    /// Whether the shell ends.
    pub(crate) is_over: bool,
}

/// The maximum output of a line.
const MOST: usize = 16 * 1024;

impl Shell {
    /// Starts a shell. The field `prompt` of the service is its prompt.
    pub(crate) fn new(context: &Context, user: &[u8], is_busybox: bool) -> Self {
        let persona = context.persona();
        let kernel = context.kernel();
        let busybox = context.pick(
            "busybox",
            &[
                "v1.19.4 (2019-03-11 10:27:51 CST)",
                "v1.22.1 (2018-08-16 07:55:31 UTC)",
                "v1.24.1 (2020-05-26 03:13:46 UTC)",
                "v1.31.1 (2021-09-14 12:02:38 UTC)",
            ],
        );
        let user = String::from_utf8_lossy(user).into_owned();
        Self {
            folder: home(&user),
            hostname: persona.hostname.clone(),
            os: persona.os,
            prompt: context.fields().text("prompt").map(str::to_owned),
            is_busybox,
            kernel,
            hardware: context.hardware(),
            busybox,
            user,
        }
    }

    /// Returns the text after the login.
    pub(crate) fn welcome(&self) -> String {
        match self.os {
            _ if self.is_busybox => format!(
                "\n\nBusyBox {} built-in shell (ash)\nEnter 'help' for a list of built-in commands.\n\n",
                self.busybox
            ),
            Os::Ubuntu2204 | Os::Ubuntu2404 => format!(
                "Welcome to {} (GNU/Linux {} x86_64)\n\n * Documentation:  https://help.ubuntu.com\n * Management:     \
                 https://landscape.canonical.com\n * Support:        https://ubuntu.com/pro\n\n",
                pretty_name(self.os),
                self.kernel.release
            ),
            _ => format!(
                "{}\n\nThe programs included with the Debian GNU/Linux system are free software;\nthe exact distribution terms for \
                 each program are described in the\nindividual files in /usr/share/doc/*/copyright.\n\nDebian GNU/Linux comes with \
                 ABSOLUTELY NO WARRANTY, to the extent\npermitted by applicable law.\n",
                self.uname().replace(" GNU/Linux", "")
            ),
        }
    }

    /// Returns the prompt.
    pub(crate) fn prompt(&self) -> String {
        if let Some(prompt) = &self.prompt {
            return prompt.clone();
        }
        let folder = if self.folder == home(&self.user) {
            "~"
        } else {
            &self.folder
        };
        let sign = if self.is_root() { '#' } else { '$' };
        if self.is_busybox {
            return format!("{folder} {sign} ");
        }
        format!("{}@{}:{folder}{sign} ", self.user, self.hostname)
    }

    /// Runs a line of commands.
    pub(crate) fn run(&mut self, line: &[u8]) -> Answer {
        let line = String::from_utf8_lossy(line);
        let mut answer = Answer::default();
        for command in line.replace("&&", ";").replace("||", ";").split([';', '\n']) {
            // Of a pipeline, the first command decides what is seen here.
            let command = command.split('|').next().unwrap_or_default();
            let words: Vec<String> = words(command);
            let is_redirected = words.iter().any(|word| word.starts_with('>'));
            let arguments: Vec<&str> = words
                .iter()
                .map(String::as_str)
                .take_while(|word| !word.starts_with('>') && !word.starts_with("2>") && *word != "&")
                .collect();
            let Some((name, arguments)) = arguments.split_first() else {
                continue;
            };
            if matches!(*name, "exit" | "logout") {
                if !self.is_busybox {
                    answer.output.push_str("logout\n");
                }
                answer.is_over = true;
                return answer;
            }
            let output = self.command(name, arguments);
            if !is_redirected && answer.output.len().saturating_add(output.len()) <= MOST {
                answer.output.push_str(&output);
            }
        }
        answer
    }

    fn command(&mut self, name: &str, arguments: &[&str]) -> String {
        let program = name.rsplit('/').next().unwrap_or_default();
        match program {
            "busybox" => match arguments.split_first() {
                None => format!("BusyBox {} multi-call binary.\n", self.busybox),
                Some((applet, rest)) if self.has(applet) => self.command(applet, rest),
                Some((applet, _)) => format!("{applet}: applet not found\n"),
            },
            "echo" => echo(arguments),
            "cat" => arguments.iter().map(|path| self.file(path)).collect(),
            "cd" => self.change_folder(arguments.first().copied()),
            "pwd" => format!("{}\n", self.folder),
            "whoami" => format!("{}\n", self.user),
            "hostname" => format!("{}\n", self.hostname),
            "id" if self.is_root() => "uid=0(root) gid=0(root) groups=0(root)\n".into(),
            "id" => format!("uid=1000({0}) gid=1000({0}) groups=1000({0})\n", self.user),
            "uname" => match arguments.first() {
                Some(&"-a") => format!("{}\n", self.uname()),
                Some(&"-r") => format!("{}\n", self.kernel.release),
                Some(&"-m") => format!("{}\n", self.machine()),
                Some(&"-n") => format!("{}\n", self.hostname),
                _ => "Linux\n".into(),
            },
            "ls" => self.list(arguments),
            "ps" => format!(
                "  PID TTY          TIME CMD\n 1733 pts/0    00:00:00 {}\n 1751 pts/0    00:00:00 ps\n",
                if self.is_busybox { "sh" } else { "bash" }
            ),
            "wget" | "curl" => self.fetch(program, arguments),
            "tftp" | "ftpget" if self.is_busybox => format!("{program}: timeout\n"),
            _ if self.has(program) => String::new(),
            _ if self.is_busybox => format!("sh: {name}: not found\n"),
            _ if name.contains('/') => format!("-bash: {name}: No such file or directory\n"),
            _ => format!("-bash: {name}: command not found\n"),
        }
    }

    /// Returns whether a program exists. Those without an own answer print nothing.
    fn has(&self, program: &str) -> bool {
        const BOTH: &[&str] = &[
            "busybox", "cat", "cd", "chmod", "cp", "curl", "dd", "echo", "export", "false", "grep", "history",
            "hostname", "id", "kill", "killall", "ls", "mkdir", "mv", "ps", "pwd", "rm", "sh", "sleep", "touch",
            "true", "uname", "unset", "wget", "whoami",
        ];
        // Many devices start with a menu that these words leave.
        const DEVICE: &[&str] = &["enable", "ftpget", "linuxshell", "shell", "system", "tftp"];
        BOTH.contains(&program) || if self.is_busybox { DEVICE } else { &["bash", "enable"] }.contains(&program)
    }

    fn is_root(&self) -> bool {
        self.user == "root" || self.is_busybox
    }

    fn machine(&self) -> &'static str {
        if self.is_busybox { "mips" } else { "x86_64" }
    }

    fn uname(&self) -> String {
        let Self { hostname, kernel, .. } = self;
        let end = match self.os {
            _ if self.is_busybox => "mips GNU/Linux",
            Os::Ubuntu2204 | Os::Ubuntu2404 => "x86_64 x86_64 x86_64 GNU/Linux",
            _ => "x86_64 GNU/Linux",
        };
        format!("Linux {hostname} {} {} {end}", kernel.release, kernel.build)
    }

    fn file(&self, path: &str) -> String {
        match path {
            "/etc/passwd" if self.is_busybox => {
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/var:/bin/false\n".into()
            }
            "/etc/passwd" => passwd(&self.user),
            "/etc/hostname" | "/proc/sys/kernel/hostname" => format!("{}\n", self.hostname),
            "/proc/version" => self.kernel.version(),
            "/proc/mounts" => {
                "/dev/root / ext4 rw,relatime 0 0\nproc /proc proc rw,relatime 0 0\nsysfs /sys sysfs rw,relatime 0 0\n\
                               tmpfs /tmp tmpfs rw,relatime 0 0\ndevpts /dev/pts devpts rw,relatime,mode=600 0 0\n"
                    .into()
            }
            "/proc/cpuinfo" => cpuinfo(self.os, self.hardware),
            "/etc/shadow" if !self.is_root() => "cat: /etc/shadow: Permission denied\n".into(),
            "/dev/null" => String::new(),
            path if self.is_busybox => format!("cat: can't open '{path}': No such file or directory\n"),
            path => format!("cat: {path}: No such file or directory\n"),
        }
    }

    fn change_folder(&mut self, path: Option<&str>) -> String {
        let path = match path {
            None | Some("~") => home(&self.user),
            Some("." | "-") => return String::new(),
            Some("..") => self
                .folder
                .rsplit_once('/')
                .map_or(String::new(), |(parent, _)| parent.to_owned()),
            Some(path) => path.to_owned(),
        };
        let path = if path.len() > 1 {
            path.trim_end_matches('/')
        } else {
            &path
        };
        let path = if path.is_empty() { "/" } else { path };
        if path == home(&self.user)
            || path == "/"
            || ROOT.contains(&path.trim_start_matches('/'))
            || NESTED.contains(&path)
        {
            path.clone_into(&mut self.folder);
            return String::new();
        }
        if self.is_busybox {
            return format!("sh: cd: can't cd to {path}: No such file or directory\n");
        }
        format!("-bash: cd: {path}: No such file or directory\n")
    }

    fn list(&self, arguments: &[&str]) -> String {
        let path = arguments.iter().find(|argument| !argument.starts_with('-'));
        match path.copied().unwrap_or(&self.folder) {
            "/" if self.is_busybox => format!("{}\n", ROOT.join("  ")),
            "/" => format!("{}\n", ROOT.join("\n")),
            path if path == home(&self.user) || path == "." || NESTED.contains(&path) => String::new(),
            path if ROOT.contains(&path.trim_start_matches('/')) => String::new(),
            path if self.is_busybox => format!("ls: {path}: No such file or directory\n"),
            path => format!("ls: cannot access '{path}': No such file or directory\n"),
        }
    }

    /// The decky has no way out, as a host behind a strict firewall.
    fn fetch(&self, program: &str, arguments: &[&str]) -> String {
        let address = arguments.iter().find(|argument| argument.contains('.'));
        let address = address.map_or("", |address| address.trim_start_matches("http://"));
        let host = address.split(['/', ':']).next().unwrap_or_default();
        match program {
            _ if host.is_empty() => format!("{program}: missing URL\n"),
            "curl" => format!("curl: (28) Failed to connect to {host} port 80: Connection timed out\n"),
            _ if self.is_busybox => {
                format!("Connecting to {host} ({host}:80)\nwget: can't connect to remote host: Connection timed out\n")
            }
            _ => format!("Connecting to {host}:80... failed: Connection timed out.\n"),
        }
    }
}

const ROOT: &[&str] = &[
    "bin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "sbin", "sys", "tmp", "usr", "var",
];

const NESTED: &[&str] = &[
    "/var/run",
    "/var/tmp",
    "/var/log",
    "/usr/bin",
    "/dev/shm",
    "/etc/init.d",
    "/var/www",
];

fn home(user: &str) -> String {
    if user == "root" {
        "/root".into()
    } else {
        format!("/home/{user}")
    }
}

/// Splits a command into words. Quotes keep spaces; a word that is not quoted loses its backslashes.
fn words(command: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = command.trim().chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '\\') => word.get_or_insert_default().extend(characters.next()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Prints words as `echo` does, with the escapes of `-e`. Bots recognise a shell by what it makes of them.
fn echo(arguments: &[&str]) -> String {
    let flags = arguments
        .iter()
        .take_while(|word| matches!(**word, "-e" | "-n" | "-ne" | "-en"))
        .count();
    let (flags, words) = arguments.split_at(flags);
    let flags = flags.concat();
    let mut text = words.join(" ");
    if flags.contains('e') {
        text = unescape(&text);
    }
    if !flags.contains('n') {
        text.push('\n');
    }
    text
}

fn unescape(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        result.push_str(before);
        let mut characters = after.chars();
        rest = match characters.next() {
            Some('n') => {
                result.push('\n');
                characters.as_str()
            }
            Some('x') => {
                let digits = after.bytes().skip(1).take(2).take_while(u8::is_ascii_hexdigit).count();
                let (code, left) = characters.as_str().split_at(digits);
                result.extend(u8::from_str_radix(code, 16).ok().filter(u8::is_ascii).map(char::from));
                left
            }
            Some('\\') => {
                result.push('\\');
                characters.as_str()
            }
            _ => {
                result.push('\\');
                after
            }
        };
    }
    result + rest
}
