//! Debian's standard clients visit every built-in service of a deployed maze: they get the expected exchange, `decnet logs` prints what
//! they sent, with the credentials, and `nmap` names the products.
//!
//! `scripts/clients-up` installs the clients. Without one of them the test fails, unless `DECNET_SKIP_MISSING_CLIENTS` is set:
//! it then skips the visits with this client, and says so.

mod visits;

use std::{collections::BTreeSet, path::Path, process::Command, thread, time::Duration};

use serde_json::Value;

use self::visits::{PRODUCTS, visits};
use super::lab::{Lab, docker};

/// A visit with a client.
pub(super) struct Visit {
    /// The client's program.
    client: &'static str,
    /// The service, and the decky that it is on.
    to: (&'static str, &'static str),
    /// The command, for a shell in an empty folder. `{web}` is the address of the decky `web`.
    command: &'static str,
    /// A part of what the client prints.
    prints: &'static str,
    /// The events: each an action, and values of fields by their names in ECS. A value that ends with `*` is the start of one.
    events: &'static [Expected],
}

type Expected = (&'static str, &'static [(&'static str, &'static str)]);

const LAB: &str = include_str!("clients/lab.yaml");
const SCRIPT: &str = include_str!("../../../../scripts/clients-up");

/// How many clients run at the same time.
const AT_ONCE: usize = 8;

/// Returns each decky with its address in the inner LAN, the last one.
fn addresses() -> Vec<(String, String)> {
    let mut addresses = Vec::new();
    let mut name = String::new();
    for line in LAB.lines() {
        if let Some(decky) = line.strip_prefix("  - name: ") {
            decky.clone_into(&mut name);
        } else if let Some((_, address)) = line.rsplit_once("ip: ") {
            let address = address.trim_end_matches(['}', ']']);
            addresses.push((format!("{{{name}}}"), address.to_owned()));
        }
    }
    addresses
}

fn with_addresses(command: &str) -> String {
    let addresses = addresses();
    addresses.iter().fold(command.to_owned(), |command, (name, address)| {
        command.replace(name, address)
    })
}

/// Returns whether a program is installed.
fn is_installed(client: &str) -> bool {
    if client.starts_with('/') {
        return Path::new(client).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(client).exists())
}

/// Returns the clients that are missing. Without permission to skip their visits, there are none.
fn missing() -> BTreeSet<&'static str> {
    let clients = visits().into_iter().map(|visit| visit.client).chain(["nmap"]);
    let missing: BTreeSet<&str> = clients.filter(|client| !is_installed(client)).collect();
    assert!(
        missing.is_empty() || std::env::var_os("DECNET_SKIP_MISSING_CLIENTS").is_some(),
        "scripts/clients-up installs {missing:?}; with DECNET_SKIP_MISSING_CLIENTS=1, their visits are skipped"
    );
    if !missing.is_empty() {
        println!("skipped, because the client is missing: {missing:?}");
    }
    missing
}

/// The network of a decky.
struct Namespace(String);

impl Namespace {
    fn of(lab: &Lab, decky: &str) -> Self {
        let labels = [
            format!("label=decnet.instance={}", lab.instance()),
            format!("label=decnet.topology.decky={decky}"),
            "label=decnet.topology.role=base".into(),
        ];
        let filters = labels.iter().flat_map(|label| ["--filter", label.as_str()]);
        let arguments: Vec<&str> = ["ps", "--quiet"].into_iter().chain(filters).collect();
        let found = docker(&arguments);
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &found.concat()]).concat();
        Self(format!("--net=/proc/{pid}/ns/net"))
    }

    /// Runs a command in an empty folder, and returns all that it prints.
    fn run(&self, command: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new("nsenter")
            .args([&self.0, "timeout", "600", "sh", "-c", &format!("( {command} ) 2>&1")])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env("LC_ALL", "C")
            .output()
            .expect("nsenter runs");
        assert!(output.stderr.is_empty(), "{command}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Visit {
    /// Runs the client, and returns what is wrong with the exchange.
    fn fault(&self, namespace: &Namespace) -> Option<String> {
        let command = with_addresses(self.command);
        let printed = namespace.run(&command);
        let expected = with_addresses(self.prints);
        (!printed.contains(&expected)).then(|| format!("{command}\n  does not print {expected:?}:\n{printed}"))
    }

    /// Returns the events that no entry of the log is.
    fn missing<'a>(&'a self, entries: &'a [Value]) -> impl Iterator<Item = &'a Expected> {
        let of_service = |entry: &&Value| entry["decky"] == self.to.0 && entry["service"] == self.to.1;
        self.events.iter().filter(move |expected| {
            let mut entries = entries.iter().filter(of_service);
            !entries.any(|entry| is_event(entry, expected))
        })
    }
}

/// Returns whether an entry of the log is an event from the client.
fn is_event(entry: &Value, (action, fields): &Expected) -> bool {
    let record = &entry["record"];
    entry["from"] == "client"
        && record["event"]["action"] == *action
        && fields.iter().all(|(name, expected)| {
            let found = record.pointer(&format!("/{}", name.replace('.', "/")));
            let found = found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
            found.is_some_and(|found| match expected.strip_suffix('*') {
                Some(start) => found.starts_with(start),
                None => found == with_addresses(expected),
            })
        })
}

/// Returns what `decnet logs` prints.
fn entries(lab: &Lab) -> Vec<Value> {
    let printed = lab.run(&["logs", "lab", "--json"]).exits(0).stdout;
    let items = printed.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    items.map(|item: Value| item["entry"].clone()).collect()
}

/// Waits until `decnet logs` has the events of all visits.
fn assert_events(lab: &Lab, visits: &[&Visit]) {
    let mut lines = Vec::new();
    for _ in 0..25 {
        lines = entries(lab);
        if visits.iter().all(|visit| visit.missing(&lines).next().is_none()) {
            return;
        }
        thread::sleep(Duration::from_millis(400));
    }
    let faults = visits.iter().filter_map(|visit| {
        let missing: Vec<_> = visit.missing(&lines).collect();
        let of_service = lines
            .iter()
            .filter(|entry| entry["decky"] == visit.to.0 && entry["service"] == visit.to.1);
        let has: Vec<_> = of_service.map(|entry| entry["record"].to_string()).collect();
        (!missing.is_empty()).then(|| format!("{}\n  {missing:?} is missing in\n{}", visit.command, has.join("\n")))
    });
    panic!("{}", faults.collect::<Vec<_>>().join("\n"));
}

/// Compares the products that `nmap` names with the expected ones.
fn assert_products(namespace: &Namespace) {
    let ports: BTreeSet<String> = PRODUCTS.iter().map(|(_, port, _)| port.to_string()).collect();
    let ports = Vec::from_iter(ports).join(",");
    let deckies: BTreeSet<&str> = PRODUCTS.iter().map(|(decky, ..)| *decky).collect();
    let hosts: Vec<String> = deckies.iter().map(|decky| format!("{{{decky}}}")).collect();
    let printed = namespace.run(&with_addresses(&format!(
        "nmap -n -Pn -sV --open -p {ports} {}",
        hosts.join(" ")
    )));
    let mut address = "";
    let mut found = Vec::new();
    for line in printed.lines() {
        if let Some(reported) = line.strip_prefix("Nmap scan report for ") {
            address = reported;
        }
        let mut words = line.split_whitespace();
        if let (Some(port), Some("open")) = (words.next().and_then(|word| word.strip_suffix("/tcp")), words.next()) {
            let product: Vec<&str> = words.collect();
            found.push((address, port, product.join(" ")));
        }
    }
    let wrong: Vec<String> = PRODUCTS
        .iter()
        .filter(|(decky, port, product)| {
            let at = with_addresses(&format!("{{{decky}}}"));
            let is_named = |(address, found_port, found): &&(&str, &str, String)| {
                *address == at && *found_port == port.to_string() && found.starts_with(product)
            };
            found.iter().find(is_named).is_none()
        })
        .map(|(decky, port, product)| format!("{decky} {port}: {product:?} is not named"))
        .collect();
    assert!(wrong.is_empty(), "{}\n{printed}", wrong.join("\n"));
    // The rules of nmap know many honeypots.
    assert!(!printed.to_ascii_lowercase().contains("honeypot"), "{printed}");
}

#[test]
#[ignore = "needs Docker"]
fn every_built_in_service_has_a_visit_and_every_client_is_installed_by_the_script() {
    let catalog = decnet_topology::Catalog::builtin();
    let services = catalog.services().filter(|service| !service.ports.is_empty());
    let services: BTreeSet<&str> = services.map(|service| service.name.as_str()).collect();
    let visited: BTreeSet<&str> = visits().iter().map(|visit| visit.to.1).collect();
    assert_eq!(visited, services);
    for visit in visits() {
        assert!(
            visit.command.contains(&format!("{{{}}}", visit.to.0)),
            "{}",
            visit.command
        );
        let is_known = SCRIPT.contains(&format!(" {}:", visit.client));
        // The engine needs Docker, so the tests have its client.
        assert!(
            is_known || visit.client == "docker",
            "{} in scripts/clients-up",
            visit.client
        );
    }
}

#[test]
#[ignore = "needs Docker"]
fn standard_clients_get_the_expected_exchange_and_decnet_logs_prints_what_they_sent() {
    let missing = missing();
    let lab = Lab::apply(LAB);
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let namespace = Namespace::of(&lab, "client");
    let mut visits = visits();
    visits.retain(|visit| !missing.contains(visit.client));
    let mut faults = Vec::new();
    for some in visits.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|visit| scope.spawn(|| visit.fault(&namespace)))
                .collect();
            for running in running {
                faults.extend(running.join().expect("a client"));
            }
        });
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_events(&lab, &visits);
    if !missing.contains("nmap") {
        assert_products(&namespace);
    }
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}
