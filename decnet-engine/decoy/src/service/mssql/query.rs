//! Answers to SQL.

use jiff::Timestamp;

use super::{super::context::Context, login::Login, token::Tokens};

/// The server as one visitor sees it.
pub(super) struct Server {
    /// Its name, with the instance if it is not the default one.
    pub(super) name: String,
    pub(super) major: u8,
    pub(super) build: u16,
    /// The version of TDS that the client speaks.
    pub(super) tds: u32,
    version: String,
    host: String,
    service: String,
    database: String,
    /// Whether the visitor allowed `xp_cmdshell`.
    has_shell: bool,
}

/// What a statement gives.
enum Answer {
    Done,
    Table(Vec<String>, Vec<Vec<Option<String>>>),
    Info(i32, String),
    Error(i32, u8, u8, String),
    Use(String),
}

const DATABASES: &[&str] = &["master", "tempdb", "model", "msdb"];

impl Server {
    pub(super) fn new(context: &Context, version: &str, instance: &str) -> Self {
        // Numbers and texts of the releases.
        let (major, build, release, number, date) = match version {
            "2012" => (11, 7001, "(SP4) (KB4018073)", "11.0.7001.0", "Aug 15 2017 10:23:29"),
            "2014" => (12, 6024, "(SP3) (KB4022619)", "12.0.6024.0", "Sep  7 2018 01:37:51"),
            "2016" => (13, 6300, "(SP3) (KB5003279)", "13.0.6300.2", "Aug  7 2021 01:20:37"),
            "2017" => (14, 1000, "(RTM)", "14.0.1000.169", "Aug 22 2017 17:04:49"),
            "2022" => (16, 1000, "(RTM)", "16.0.1000.6", "Oct  8 2022 05:58:25"),
            _ => (15, 2000, "(RTM)", "15.0.2000.5", "Sep 24 2019 13:48:23"),
        };
        let year = if matches!(version, "2012" | "2014" | "2016" | "2017" | "2022") {
            version
        } else {
            "2019"
        };
        let persona = context.persona();
        let system = if persona.is_windows() {
            let (_, _, number) = persona.windows_version();
            let name = match number {
                14393 => "Windows Server 2016 Standard",
                17763 => "Windows Server 2019 Standard",
                20348 => "Windows Server 2022 Standard",
                _ => "Windows 10 Pro",
            };
            format!("{name} 10.0 <X64> (Build {number}: ) (Hypervisor)")
        } else {
            "Linux (Ubuntu 20.04.6 LTS) <X64>".to_owned()
        };
        let copyright = match version {
            "2012" | "2014" => "(c)",
            "2016" => "(C)",
            "2017" => "(C) 2017",
            "2022" => "(C) 2022",
            _ => "(C) 2019",
        };
        let host = persona.netbios();
        let is_default = instance.eq_ignore_ascii_case("MSSQLSERVER");
        Self {
            name: if is_default {
                host.clone()
            } else {
                format!("{host}\\{}", instance.to_uppercase())
            },
            major,
            build,
            tds: 0x7400_0004,
            version: format!(
                "Microsoft SQL Server {year} {release} - {number} (X64) \n\t{date} \n\tCopyright {copyright} Microsoft Corporation\n\tStandard Edition (64-bit) on {system}\n"
            ),
            host,
            service: if is_default {
                "nt service\\mssqlserver".into()
            } else {
                format!("nt service\\mssql${}", instance.to_lowercase())
            },
            database: "master".into(),
            has_shell: false,
        }
    }

    /// Starts the session of a login. Returns false if its database does not exist.
    pub(super) fn start(&mut self, login: &Login) -> bool {
        self.tds = match login.version {
            0x7400_0000.. => 0x7400_0004,
            0x730b_0003.. => 0x730b_0003,
            0x730a_0003.. => 0x730a_0003,
            0x7209_0002.. => 0x7209_0002,
            0x7100_0001.. => 0x7100_0001,
            other => other,
        };
        let wanted = login.database.to_lowercase();
        let is_known = wanted.is_empty() || DATABASES.contains(&wanted.as_str());
        if !wanted.is_empty() {
            self.database = wanted;
        }
        is_known
    }

    /// Returns the tokens after a login.
    pub(super) fn greeting(&self, login: &Login) -> Vec<u8> {
        let mut tokens = Tokens::new(self.tds, &self.name);
        let _ = login;
        tokens.change(1, &self.database, "master");
        tokens.info(5701, 2, 0, &format!("Changed database context to '{}'.", self.database));
        tokens.collation();
        tokens.change(2, "us_english", "");
        tokens.info(5703, 1, 0, "Changed language setting to us_english.");
        tokens.login(self.tds, self.major, self.build);
        tokens.change(4, "4096", "4096");
        tokens.done(0, 0, 0);
        tokens.bytes
    }

    /// Answers a batch. Returns the tokens, and the number of the error or zero.
    pub(super) fn answer(&mut self, text: &str, now: Timestamp) -> (Vec<u8>, i32) {
        let mut tokens = Tokens::new(self.tds, &self.name);
        let statements: Vec<&str> = text
            .split([';', '\n'])
            .map(str::trim)
            .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("go"))
            .take(32)
            .collect();
        let mut error = 0;
        for (at, statement) in statements.iter().enumerate() {
            let more = u16::from(at + 1 < statements.len());
            match self.run(statement, now) {
                Answer::Done => tokens.done(more, 0, 0),
                Answer::Table(columns, rows) => {
                    tokens.table(&columns, &rows);
                    tokens.done(0x10 | more, 0xc1, u32::try_from(rows.len()).unwrap_or_default());
                }
                Answer::Info(number, text) => {
                    tokens.info(number, 1, 0, &text);
                    tokens.done(more, 0, 0);
                }
                Answer::Use(name) => {
                    tokens.change(1, &name, &self.database);
                    tokens.info(5701, 2, 0, &format!("Changed database context to '{name}'."));
                    tokens.done(more, 0, 0);
                    self.database = name;
                }
                Answer::Error(number, state, class, text) => {
                    tokens.error(number, state, class, &text);
                    tokens.done(2, 0, 0);
                    error = number;
                    break;
                }
            }
        }
        if statements.is_empty() {
            tokens.done(0, 0, 0);
        }
        (tokens.bytes, error)
    }

    fn run(&mut self, statement: &str, now: Timestamp) -> Answer {
        let lower = statement.to_lowercase();
        let without = lower
            .strip_prefix("exec ")
            .or_else(|| lower.strip_prefix("execute "))
            .unwrap_or(&lower)
            .trim();
        let words: Vec<&str> = without
            .split([' ', '\t', '\r', ',', '(', '\''])
            .filter(|word| !word.is_empty())
            .collect();
        let bare = |word: &str| word.replace(['[', ']', '"'], "");
        match words.as_slice() {
            ["use", name, ..] if DATABASES.contains(&bare(name).as_str()) => Answer::Use(bare(name)),
            ["use", ..] => {
                let name = bare(statement.split_whitespace().nth(1).unwrap_or_default());
                Answer::Error(
                    911,
                    1,
                    16,
                    format!("Database '{name}' does not exist. Make sure that the name is entered correctly."),
                )
            }
            ["select", ..] => self.select(statement, &lower, now),
            []
            | [
                "set" | "declare" | "begin" | "commit" | "rollback" | "print" | "if" | "waitfor" | "reconfigure",
                ..,
            ] => Answer::Done,
            [procedure, rest @ ..] if procedure.ends_with("sp_configure") => self.configure(rest),
            [procedure, ..] if procedure.ends_with("xp_cmdshell") => self.shell(&lower),
            ["sp_databases" | "sp_helpdb", ..] => databases("DATABASE_NAME"),
            [procedure, ..] if procedure.starts_with("sp_") || procedure.contains("xp_") => Answer::Done,
            [
                "create" | "alter" | "drop" | "grant" | "backup" | "restore" | "dbcc" | "kill" | "shutdown",
                ..,
            ] => Answer::Error(
                262,
                1,
                14,
                format!(
                    "{} permission denied in database '{}'.",
                    words.join(" ").to_uppercase().chars().take(30).collect::<String>(),
                    self.database
                ),
            ),
            ["insert", "into", table, ..] | ["insert" | "update" | "delete", table, ..] => invalid(&bare(table)),
            [_] => Answer::Error(2812, 62, 16, format!("Could not find stored procedure '{statement}'.")),
            [first, ..] => Answer::Error(102, 1, 15, format!("Incorrect syntax near '{first}'.")),
        }
    }

    fn configure(&mut self, rest: &[&str]) -> Answer {
        let (Some(name), value) = (rest.first(), rest.get(1)) else {
            return Answer::Done;
        };
        let new = i32::from(value == Some(&"1"));
        let mut old = 0;
        if *name == "xp_cmdshell" {
            old = i32::from(self.has_shell);
            self.has_shell = new == 1;
        }
        let text = format!(
            "Configuration option '{}' changed from {old} to {new}. Run the RECONFIGURE statement to install.",
            if *name == "show" { "show advanced options" } else { name }
        );
        Answer::Info(15457, text)
    }

    fn shell(&self, lower: &str) -> Answer {
        if !self.has_shell {
            let text = "SQL Server blocked access to procedure 'sys.xp_cmdshell' of component 'xp_cmdshell' because this component is turned off as part of the security configuration for this server. A system administrator can enable the use of 'xp_cmdshell' by using sp_configure. For more information about enabling 'xp_cmdshell', search for 'xp_cmdshell' in SQL Server Books Online.";
            return Answer::Error(15281, 1, 16, text.into());
        }
        let mut rows = Vec::new();
        if lower.contains("whoami") {
            rows.push(vec![Some(self.service.clone())]);
        } else if lower.contains("hostname") {
            rows.push(vec![Some(self.host.clone())]);
        }
        rows.push(vec![None]);
        Answer::Table(vec!["output".into()], rows)
    }

    fn select(&self, statement: &str, lower: &str, now: Timestamp) -> Answer {
        if let Some((_, rest)) = lower.split_once(" from ") {
            let table = rest
                .split([' ', '(', ')'])
                .next()
                .unwrap_or_default()
                .replace(['[', ']'], "");
            return match table.as_str() {
                "sys.databases"
                | "master.sys.databases"
                | "master..sysdatabases"
                | "sysdatabases"
                | "master.dbo.sysdatabases" => databases("name"),
                table
                    if table.starts_with("sys.")
                        || table.starts_with("information_schema.")
                        || table.contains("..sys") =>
                {
                    Answer::Table(vec!["name".into()], Vec::new())
                }
                table => invalid(table),
            };
        }
        let list = statement.get(6..).unwrap_or_default();
        let (mut columns, mut row) = (Vec::new(), Vec::new());
        for part in list.split(',').take(32) {
            let end = part.to_lowercase().find(" as ");
            let expression = part.get(..end.unwrap_or(part.len())).unwrap_or_default().trim();
            columns.push(
                end.and_then(|end| part.get(end + 4..))
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            );
            let Some(value) = self.value(expression, now) else {
                let name = expression.split(['(', ' ']).next().unwrap_or_default();
                return if expression.ends_with(')') {
                    Answer::Error(
                        195,
                        10,
                        15,
                        format!("'{name}' is not a recognized built-in function name."),
                    )
                } else {
                    Answer::Error(207, 1, 16, format!("Invalid column name '{name}'."))
                };
            };
            row.push(Some(value));
        }
        Answer::Table(columns, vec![row])
    }

    fn value(&self, expression: &str, now: Timestamp) -> Option<String> {
        let lower = expression.to_lowercase();
        Some(match lower.as_str() {
            "@@version" => self.version.clone(),
            "@@servername" => self.name.clone(),
            "@@spid" => "52".into(),
            "@@language" => "us_english".into(),
            "@@max_precision" => "38".into(),
            "@@trancount" | "@@rowcount" | "@@error" => "0".into(),
            "db_name()" => self.database.clone(),
            "user_name()" | "current_user" | "user" => "dbo".into(),
            "system_user" | "suser_sname()" | "suser_name()" | "original_login()" => "sa".into(),
            "host_name()" => self.host.clone(),
            "getdate()" | "sysdatetime()" | "getutcdate()" => now.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string(),
            call if call.starts_with("is_srvrolemember(") || call.starts_with("is_member(") => "1".into(),
            call if call.starts_with("serverproperty(") => {
                let property = call.split('\'').nth(1).unwrap_or_default();
                match property {
                    "edition" => "Standard Edition (64-bit)".into(),
                    "servername" => self.name.clone(),
                    "machinename" => self.host.clone(),
                    _ => format!("{}.0.{}", self.major, self.build),
                }
            }
            number if number.parse::<i64>().is_ok() => number.into(),
            _ => expression
                .trim_start_matches('N')
                .strip_prefix('\'')?
                .strip_suffix('\'')?
                .to_owned(),
        })
    }
}

fn databases(column: &str) -> Answer {
    Answer::Table(
        vec![column.into()],
        DATABASES.iter().map(|name| vec![Some((*name).to_owned())]).collect(),
    )
}

fn invalid(table: &str) -> Answer {
    Answer::Error(208, 1, 16, format!("Invalid object name '{table}'."))
}
