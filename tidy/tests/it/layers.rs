use std::fs;

use decnet_tidy::{
    Source,
    layers::{Confined, Layers},
    manifest::Apart,
    workspace_root, workspace_sources,
};

use crate::{none, said};

/// The core: small types, then services and mazes as data, then the maze, then operations on it.
const TOPOLOGY: Layers = Layers {
    krate: "decnet_topology",
    layers: &[
        &["spelling", "name", "net", "id", "secret", "shown", "text_form"],
        &["rng", "status", "version", "finding"],
        &["decode"],
        &["catalog"],
        &["config", "placement", "publish", "shuffle"],
        &["model"],
        &["graph", "validate", "document"],
        &["alloc", "hash", "history", "place", "shuffling"],
        &["mutation"],
        &["generate", "repo", "import"],
        &["testing"],
    ],
    // The claims of other topologies have the types of the repo.
    exceptions: &[("validate", "repo"), ("mutation", "repo")],
};

/// The engine: Docker's names, then the desired and the observed state, then the plan, then its execution.
const ENGINE: Layers = Layers {
    krate: "decnet_engine",
    layers: &[
        &["causes"],
        &["api", "fence", "naming", "decoy", "syslog", "pki"],
        &["desired", "observe", "peer"],
        &["plan", "compose", "host", "pushed"],
        &["event", "runtime"],
        &["execute", "bus", "lease"],
        &["claim", "feed"],
        &["engine"],
        &["doctor", "logs"],
        &["movement", "testing"],
        &["watch"],
        &["http"],
        &["fleet"],
        &["agent"],
    ],
    exceptions: &[],
};

/// The program in the deckies: messages and netlink, then the state of a namespace, then the commands.
const DECOY: Layers = Layers {
    krate: "decnet_decoy",
    layers: &[
        &["kernel", "protocol", "socket", "timestamp"],
        &["failure", "guard", "lines", "netlink", "ports", "state_file"],
        &["journal", "netfilter", "observed", "probe", "signals"],
        &["change", "scan", "service"],
        &["containment", "namespace"],
        &["link", "state"],
        &["base"],
        &["program"],
    ],
    exceptions: &[],
};

/// The command: texts and flags, then the store and the output, then the context of a command, then the commands.
const COMMAND: Layers = Layers {
    krate: "decnet_cli",
    layers: &[
        &[
            "columns",
            "descriptors",
            "duration",
            "given_bus",
            "number",
            "samples",
            "text",
        ],
        &["command_error", "globals", "table"],
        &["details", "exit", "output", "store", "tree"],
        &[
            "bus",
            "confirm",
            "input",
            "interrupt",
            "lines",
            "log",
            "progress",
            "report",
        ],
        &["attached", "context"],
        &["destination", "lookup", "past", "top"],
        &["commands"],
        &["cli"],
    ],
    exceptions: &[],
};

/// The Python binding: between the languages, then what does not wait, then what does.
const PYTHON: Layers = Layers {
    krate: "decnet_py",
    layers: &[
        &["tree"],
        &["convert"],
        &["argument", "finding", "service"],
        &["errors"],
        &[
            "runtime",
            "catalog",
            "parts",
            "network",
            "simulated",
            "document",
            "mutation",
            "alloc",
        ],
        &["operation", "config", "report", "store_place", "verification"],
        &["access", "follower", "model"],
        &["generate", "validate", "rows"],
        &["plan", "repo"],
        &["open_repo", "queue", "workbench"],
        &["events", "hosts", "prepared"],
        &["engine"],
        &["engine_access", "engine_store", "logs"],
        &["forward"],
        &["open_engine"],
        &["agent"],
        &["open_agent"],
        &["module"],
    ],
    exceptions: &[],
};

const CONFINED: [Confined; 4] = [
    Confined {
        krate: "bollard",
        to: &[
            "decnet-engine/src/runtime/docker",
            // The floor for measurements of the engine.
            "benches/benches/docker",
        ],
    },
    Confined {
        krate: "rusqlite",
        to: &[
            "decnet-topology/src/repo/sqlite",
            "decnet-topology/tests/it/repo",
            // The floor for measurements of a store.
            "benches/benches/store",
        ],
    },
    Confined {
        krate: "tokio_postgres",
        to: &POSTGRES,
    },
    Confined {
        krate: "deadpool_postgres",
        to: &POSTGRES,
    },
];

const POSTGRES: [&str; 2] = [
    "decnet-topology/src/repo/postgres",
    // Creates a database for each test.
    "decnet-topology/src/testing/postgres",
];

const APART: [Apart; 4] = [
    Apart {
        package: "decnet-topology",
        from: &["decnet-engine", "decnet-cli", "decnet-py", "bollard"],
    },
    Apart {
        package: "decnet-engine",
        from: &["decnet-cli", "decnet-py", "rusqlite", "tokio-postgres"],
    },
    Apart {
        package: "decnet-cli",
        from: &["decnet-py", "bollard", "rusqlite", "tokio-postgres"],
    },
    Apart {
        package: "decnet-py",
        from: &["decnet-cli", "bollard", "rusqlite", "tokio-postgres"],
    },
];

#[test]
fn imports_in_the_core_point_one_way() {
    none(&TOPOLOGY.check(&workspace_sources()));
}

#[test]
fn imports_in_the_engine_point_one_way() {
    none(&ENGINE.check(&workspace_sources()));
}

#[test]
fn imports_in_the_decoy_point_one_way() {
    none(&DECOY.check(&workspace_sources()));
}

#[test]
fn imports_in_the_command_point_one_way() {
    none(&COMMAND.check(&workspace_sources()));
}

#[test]
fn imports_in_the_binding_point_one_way() {
    none(&PYTHON.check(&workspace_sources()));
}

#[test]
fn one_module_uses_docker_and_one_uses_the_database() {
    let sources = workspace_sources();
    for confined in CONFINED {
        none(&confined.check(&sources));
    }
}

#[test]
fn packages_depend_one_way() {
    for apart in APART {
        let manifest = fs::read_to_string(workspace_root().join(apart.package).join("Cargo.toml")).unwrap();
        none(&apart.check(&manifest));
    }
}

fn engine(path: &str, text: &str) -> Source {
    Source::new(&format!("decnet-engine/src/{path}.rs"), text)
}

#[test]
fn an_import_that_points_up_is_a_breach_in_every_form() {
    let written = [
        "use crate::runtime::Runtime;",
        "use crate::{naming, runtime::{ApiVersion, Runtime}};",
        "use super::super::runtime as r;",
        "fn f() -> crate::runtime::Runtime { g() }",
        "fn f() { println!(\"{}\", crate::runtime::VERSION); }",
        "use crate::Runtime;",
    ];
    let root = engine("lib", "pub use runtime::Runtime;");
    for text in written {
        let breaches = ENGINE.check(&[root.clone(), engine("desired/build", text)]);
        assert_eq!(said(&breaches), [(1, "`desired` may not import `runtime`")], "{text}");
    }
}

#[test]
fn imports_that_point_down_or_are_in_tests_or_docs_are_allowed() {
    let written = [
        "use crate::naming::Labels;",
        "use super::spec;",
        "use decnet_topology::Topology;",
        "/// See [`crate::runtime`].\nfn f() {}",
        "#[cfg(test)]\nmod tests { use crate::runtime::Runtime; }",
    ];
    for text in written {
        assert_eq!(ENGINE.check(&[engine("desired/build", text)]), [], "{text}");
    }
}

#[test]
fn a_module_without_a_layer_is_a_breach() {
    assert_eq!(ENGINE.check(&[engine("novelty", "")]).len(), 1);
}

#[test]
fn a_driver_named_elsewhere_is_a_breach_in_tests_too() {
    let [docker, database, ..] = CONFINED;
    let names = |text: &str| [Source::new("decnet-cli/src/main.rs", text)];
    assert_eq!(docker.check(&names("use bollard::Docker;")).len(), 1);
    assert_eq!(
        database
            .check(&names("#[test]\nfn t() { rusqlite::Connection::open(p); }"))
            .len(),
        1
    );
    assert_eq!(
        docker.check(&[engine("runtime/docker/client", "use bollard::Docker;")]),
        []
    );
    assert_eq!(docker.check(&[engine("runtime/docker", "use bollard::Docker;")]), []);
}

#[test]
fn a_dependency_that_points_the_wrong_way_is_a_breach() {
    let [.., cli, _] = APART;
    assert_eq!(cli.check("[dependencies]\ndecnet-engine = \"1\"\n"), []);
    assert_eq!(cli.check("[dev-dependencies]\nrusqlite = \"1\"\n").len(), 1);
}

#[test]
fn the_core_s_clippy_settings_are_those_of_the_workspace_and_more() {
    let read = |path: &str| -> toml::Table {
        fs::read_to_string(workspace_root().join(path))
            .unwrap()
            .parse()
            .unwrap()
    };
    let core = read("decnet-topology/clippy.toml");
    for (key, value) in read("clippy.toml") {
        assert_eq!(core.get(&key), Some(&value), "{key}");
    }
    assert!(core.contains_key("disallowed-methods"));
}
