//! Standard clients talk to the built-in services from the namespace of a decky, and every attempt comes out of the log.
//!
//! `scripts/clients-up` installs the clients. A visit whose client is missing is skipped, and the test says so.

use std::{process::Command, time::Duration};

use serde_json::Value;

use super::{namespace::inside, *};

/// A visit with a client.
struct Visit {
    /// The decky and the service whose log has the event.
    to: (&'static str, &'static str),
    /// The command, for a shell; `WEB`, `MAIL`, `DB`, `WIN`, `MISC` and `PLC` are addresses.
    command: &'static str,
    /// A part of what the client prints.
    prints: &'static str,
    /// The action of the event, the place of a value in its line, and the value.
    event: (&'static str, &'static str, &'static str),
}

const VISITS: &[Visit] = &[
    Visit {
        to: ("web", "http"),
        command: "curl -sS -D - http://WEB/",
        prints: "Server: nginx/",
        event: ("request", "/url/original", "/"),
    },
    Visit {
        to: ("web", "https"),
        command: "curl -sSk -D - https://WEB/login -d user=bob",
        prints: "Server: nginx/",
        event: ("request", "/http/request/method", "POST"),
    },
    Visit {
        to: ("web", "ssh"),
        command: "sshpass -p wrong ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
                  -o NumberOfPasswordPrompts=1 root@WEB id",
        prints: "Permission denied (publickey,password).",
        event: ("auth.attempt", "/decnet/password", "wrong"),
    },
    Visit {
        to: ("web", "ssh"),
        command: "sshpass -p hunter2 ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@WEB id",
        prints: "uid=0(root)",
        event: ("command", "/process/command_line", "id"),
    },
    Visit {
        to: ("web", "ftp"),
        command: "curl -sS --user ftp:secret ftp://WEB/",
        prints: "drwx",
        event: ("auth.attempt", "/decnet/password", "secret"),
    },
    Visit {
        to: ("web", "ftp"),
        command: "echo hello | curl -sS -T - --user ftp:secret ftp://WEB/up.txt; echo status $?",
        prints: "status 0",
        event: ("file", "/file/size", "6"),
    },
    Visit {
        to: ("mail", "smtp"),
        command: "echo hello | curl -sSk --ssl-reqd --user a:b --mail-from a@x.org --mail-rcpt b@y.org -T - smtp://MAIL",
        prints: "Login denied",
        event: ("auth.attempt", "/decnet/password", "b"),
    },
    Visit {
        to: ("mail", "pop3"),
        command: "curl -sS --user bob:bad pop3://MAIL",
        prints: "Login denied",
        event: ("auth.attempt", "/decnet/password", "bad"),
    },
    Visit {
        to: ("mail", "imap"),
        command: "curl -sSk --user bob:pw1 imaps://MAIL",
        prints: "INBOX",
        event: ("auth.attempt", "/decnet/password", "pw1"),
    },
    Visit {
        to: ("mail", "dns"),
        command: "dig +short @MAIL version.bind ch txt",
        prints: "9.18.",
        event: ("request", "/decnet/target", "version.bind"),
    },
    Visit {
        to: ("mail", "snmp"),
        command: "snmpget -v2c -c public MAIL 1.3.6.1.2.1.1.5.0",
        prints: "\"mail\"",
        event: ("auth.attempt", "/decnet/password", "public"),
    },
    Visit {
        to: ("db", "redis"),
        command: "redis-cli -h DB -a r3 --no-auth-warning set a b",
        prints: "OK",
        event: ("command", "/process/command_line", "set a b"),
    },
    Visit {
        to: ("db", "mysql"),
        command: "mariadb -h DB -u root -ptest --skip-ssl -e 'select 1'",
        prints: "ERROR 1045 (28000): Access denied for user 'root'@'10.203.61.99' (using password: YES)",
        event: ("auth.attempt", "/decnet/method", "mysql_native_password"),
    },
    Visit {
        to: ("db", "postgres"),
        command: "PGPASSWORD=pg psql -h DB -U postgres -c 'select version()'",
        prints: "PostgreSQL 15.",
        event: ("auth.attempt", "/decnet/password", "pg"),
    },
    Visit {
        to: ("db", "mqtt"),
        command: "mosquitto_pub -h DB -t a/b -m hi -u u -P p -V mqttv5; echo status $?",
        prints: "status 0",
        event: ("auth.attempt", "/decnet/password", "p"),
    },
    Visit {
        to: ("win", "ldap"),
        command: "ldapsearch -x -D cn=admin -w pw -H ldap://WIN -b dc=corp,dc=local",
        prints: "Invalid credentials (49)",
        event: ("auth.attempt", "/decnet/password", "pw"),
    },
    Visit {
        to: ("win", "smb"),
        command: "smbclient -N -L WIN",
        prints: "finance",
        event: ("request", "/decnet/target", "NetrShareEnum"),
    },
    Visit {
        to: ("win", "smb"),
        command: "smbclient -U 'CORP\\bob%pw' -L WIN; true",
        prints: "",
        event: ("auth.attempt", "/decnet/method", "ntlmv2"),
    },
    Visit {
        to: ("misc", "elasticsearch"),
        command: "curl -sS http://MISC:9200/",
        prints: "You Know, for Search",
        event: ("request", "/url/original", "/"),
    },
    Visit {
        to: ("misc", "docker_api"),
        command: "curl -sS http://MISC:2375/version",
        prints: "ApiVersion",
        event: ("request", "/url/original", "/version"),
    },
    Visit {
        to: ("misc", "k8s"),
        command: "curl -sSk https://MISC:6443/version",
        prints: "gitVersion",
        event: ("request", "/url/original", "/version"),
    },
    Visit {
        to: ("misc", "tftp"),
        command: "cd $(mktemp -d) && tftp MISC -c get config.txt && cat config.txt",
        prints: "misc",
        event: ("file", "/file/name", "config.txt"),
    },
    Visit {
        to: ("plc", "conpot"),
        command: "curl -sSL http://PLC/",
        prints: "Siemens",
        event: ("request", "/url/original", "/"),
    },
];

/// The ports that nmap looks at, and the number of them whose product it must name.
const SCANNED: &str =
    "21,22,23,25,53,80,102,110,143,389,443,502,636,993,995,1433,1883,2375,3306,3389,5060,5432,5900,6379,9200,27017";
const NAMED: usize = 20;

fn addresses(command: &str) -> String {
    let hosts = [
        ("WEB", 11),
        ("MAIL", 12),
        ("DB", 13),
        ("WIN", 14),
        ("MISC", 15),
        ("PLC", 16),
    ];
    hosts.iter().fold(command.to_owned(), |command, (name, host)| {
        command.replace(name, &format!("10.203.61.{host}"))
    })
}

pub(super) fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.203.60.0/24")
        .lan("inner", "10.203.61.0/24")
        .decky("gate", |decky| {
            decky.on("dmz", "10.203.60.10").on("inner", "10.203.61.10").forwards()
        })
        .decky("client", |decky| decky.on("inner", "10.203.61.99"))
        .decky("web", |decky| {
            let decky = decky
                .on("inner", "10.203.61.11")
                .services(["http", "https", "ssh", "ftp", "telnet"]);
            decky
                .config("ssh", "password", "hunter2")
                .config("ftp", "password", "secret")
        })
        .decky("mail", |decky| {
            let decky = decky
                .on("inner", "10.203.61.12")
                .services(["smtp", "pop3", "imap", "dns", "snmp"]);
            decky.config("imap", "user", "bob").config("imap", "password", "pw1")
        })
        .decky("db", |decky| {
            let decky = decky
                .on("inner", "10.203.61.13")
                .services(["mysql", "postgres", "redis", "mongodb", "mqtt"]);
            decky
                .config("postgres", "password", "pg")
                .config("redis", "password", "r3")
        })
        .decky("win", |decky| {
            let decky = decky
                .on("inner", "10.203.61.14")
                .services(["smb", "rdp", "ldap", "mssql", "vnc"]);
            decky
                .config("smb", "guest", true)
                .config("smb", "shares", "finance\nhr")
        })
        .decky("misc", |decky| {
            let services = ["elasticsearch", "docker_api", "k8s", "sip", "tftp"];
            let decky = decky.on("inner", "10.203.61.15").services(services);
            decky.config("tftp", "files", "config.txt")
        })
        .decky("plc", |decky| decky.on("inner", "10.203.61.16").services(["conpot"]))
        .build()
        .expect("a topology")
}

/// Runs a command in the network namespace of a container, and returns all that it prints. Returns none if its program is
/// missing.
fn run_inside(base: &str, command: &str) -> Option<String> {
    let command = format!("( {command} ) 2>&1");
    let output = inside(base, move || {
        Command::new("timeout")
            .args(["300", "sh", "-c", &command])
            .output()
            .expect("a shell")
    });
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (!printed.contains(": not found")).then_some(printed)
}

/// Returns whether the log has a line with this action, and this value at this place.
fn has_event(container: &str, (action, place, value): (&str, &str, &str)) -> bool {
    docker(&["logs", container])
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["event"]["action"] == action)
        .filter_map(|line| line.pointer(place).cloned())
        .any(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned) == value)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn standard_clients_get_the_expected_exchange_and_it_comes_out_of_the_log() {
    on_docker(async |lab| {
        let topology = maze();
        let id = lab.store("clients", topology.clone()).await;
        lab.deploy(id).await;
        let decky = |name: &str| {
            let mut deckies = topology.deckies().iter();
            deckies
                .find(|decky| decky.name().as_str() == name)
                .expect("a decky")
                .clone()
        };
        let client = naming::base(id, &decky("client"));
        let mut skipped = Vec::new();
        for visit in VISITS {
            let command = addresses(visit.command);
            let Some(printed) = run_inside(client.as_str(), &command) else {
                skipped.push(visit.command);
                continue;
            };
            assert!(printed.contains(visit.prints), "{command}: {printed}");
            let service = format!("{}.{}", naming::base(id, &decky(visit.to.0)), visit.to.1);
            let mut attempts = 0;
            while !has_event(&service, visit.event) {
                attempts += 1;
                assert!(attempts < 50, "{command}: no {:?} in the log of {service}", visit.event);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        if !skipped.is_empty() {
            println!("skipped, because the client is missing: {skipped:#?}");
        }

        let hosts = addresses("WEB MAIL DB WIN MISC PLC");
        let scan = format!("nmap -n -Pn -sV -p {SCANNED} {hosts}");
        if let Some(printed) = run_inside(client.as_str(), &scan) {
            let open = printed
                .lines()
                .filter(|line| line.contains("/tcp") && line.contains("open"));
            let named: Vec<&str> = open.filter(|line| line.split_whitespace().count() > 3).collect();
            assert!(named.len() >= NAMED, "{printed}");
            // Its rules name many honeypots.
            assert!(!printed.to_ascii_lowercase().contains("honeypot"), "{printed}");
        }
    })
    .await;
}
