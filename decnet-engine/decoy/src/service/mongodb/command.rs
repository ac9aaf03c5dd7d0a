//! Commands.

use super::{
    MongoDb,
    message::{Query, error, ok},
};
use crate::service::{
    dialogue::Turn,
    wire::bson::{Document, Value},
};

/// Commands that need no login.
const OPEN: &[&str] = &[
    "hello",
    "ismaster",
    "ping",
    "buildinfo",
    "connectionstatus",
    "whatsmyuri",
    "logout",
    "getnonce",
    "listcommands",
    "getlasterror",
    "isdbgrid",
    "features",
    "endsessions",
];
/// Commands that need a login.
const KNOWN: &[&str] = &[
    "aggregate",
    "collstats",
    "count",
    "create",
    "createindexes",
    "createuser",
    "currentop",
    "dbstats",
    "delete",
    "distinct",
    "drop",
    "dropdatabase",
    "dropuser",
    "eval",
    "explain",
    "find",
    "findandmodify",
    "fsync",
    "getcmdlineopts",
    "getlog",
    "getmore",
    "getparameter",
    "grantrolestouser",
    "hostinfo",
    "insert",
    "killcursors",
    "killop",
    "listcollections",
    "listdatabases",
    "listindexes",
    "replsetgetstatus",
    "rolesinfo",
    "serverstatus",
    "setparameter",
    "shutdown",
    "top",
    "update",
    "updateuser",
    "usersinfo",
    "validate",
];

impl MongoDb {
    /// Runs a command that is no login. `name` is its name in lower case, `asked` as the visitor wrote it.
    #[expect(clippy::too_many_lines, reason = "it has one arm for each command")]
    pub(super) fn run(&mut self, name: &str, asked: &str, query: &Query, turn: &Turn) -> Document {
        let body = &query.body;
        if !OPEN.contains(&name) {
            if !KNOWN.contains(&name) {
                return error(&format!("no such command: '{asked}'"), 59, "CommandNotFound");
            }
            if self.needs_login {
                return error(&format!("command {asked} requires authentication"), 13, "Unauthorized");
            }
        }
        let first = body
            .0
            .first()
            .and_then(|(_, value)| value.as_str())
            .unwrap_or_default()
            .to_owned();
        let database = query.database.as_str();
        let number = |name: &str, number: usize| {
            Document::default().with(name, Value::Int32(i32::try_from(number).unwrap_or(i32::MAX)))
        };
        let count_of = |field: &str| match body.get(field) {
            Some(Value::Array(values)) => values.len(),
            _ => query.documents,
        };
        match name {
            "hello" => self.hello(false, body, turn.now()),
            "ismaster" => self.hello(true, body, turn.now()),
            "buildinfo" => self.build(),
            "serverstatus" => self.status(turn.now()),
            "getlog" => self.log(turn.now()),
            "whatsmyuri" => ok(Document::default().text("you", &self.context.session.remote.to_string())),
            "connectionstatus" => {
                let none = || Value::Array(Vec::new());
                let info = Document::default()
                    .with("authenticatedUsers", none())
                    .with("authenticatedUserRoles", none());
                ok(Document::default().with("authInfo", Value::Document(info)))
            }
            "listdatabases" if database != "admin" => error(
                "listDatabases may only be run against the admin database.",
                13,
                "Unauthorized",
            ),
            "listdatabases" => self.databases(),
            "listcollections" => {
                let collections = self.store.collections(database).iter().map(|name| {
                    let info = Document::default().with("readOnly", Value::Bool(false));
                    let collection = Document::default().text("name", name).text("type", "collection");
                    Value::Document(
                        collection
                            .with("options", Value::Document(Document::default()))
                            .with("info", Value::Document(info)),
                    )
                });
                cursor(&format!("{database}.$cmd.listCollections"), collections.collect())
            }
            "find" | "aggregate" | "listindexes" => cursor(&format!("{database}.{first}"), Vec::new()),
            "count" | "delete" => ok(number("n", 0)),
            "distinct" => ok(Document::default().with("values", Value::Array(Vec::new()))),
            "insert" => {
                self.store.add(database, &first);
                ok(number("n", count_of("documents")))
            }
            "create" | "createindexes" => {
                self.store.add(database, &first);
                ok(Document::default())
            }
            "update" => ok(number("n", 0).with("nModified", Value::Int32(0))),
            "drop" if self.store.remove(database, &first) => {
                ok(number("nIndexesWas", 1).text("ns", &format!("{database}.{first}")))
            }
            "drop" => error("ns not found", 26, "NamespaceNotFound"),
            "dropdatabase" => {
                let count = self.store.databases.len();
                self.store.databases.retain(|(name, _)| name != database);
                let dropped = Document::default();
                ok(if self.store.databases.len() < count {
                    dropped.text("dropped", database)
                } else {
                    dropped
                })
            }
            "getmore" => {
                let id = match body.0.first() {
                    Some((_, Value::Int64(id))) => *id,
                    _ => 0,
                };
                error(&format!("cursor id {id} not found"), 43, "CursorNotFound")
            }
            "replsetgetstatus" => error("not running with --replSet", 76, "NoReplicationEnabled"),
            "usersinfo" | "rolesinfo" => {
                let what = if name == "usersinfo" { "users" } else { "roles" };
                ok(Document::default().with(what, Value::Array(Vec::new())))
            }
            "getcmdlineopts" => {
                let arguments =
                    ["/usr/bin/mongod", "--config", "/etc/mongod.conf"].map(|text| Value::String(text.into()));
                let parsed = Document::default().text("config", "/etc/mongod.conf");
                let document = Document::default().with("argv", Value::Array(arguments.into()));
                ok(document.with("parsed", Value::Document(parsed)))
            }
            "hostinfo" => {
                let system = Document::default()
                    .with("currentTime", Value::Date(turn.now().as_millisecond()))
                    .text("hostname", &self.context.persona().hostname)
                    .with("cpuAddrSize", Value::Int32(64))
                    .with("memSizeMB", Value::Int64(3915))
                    .with("numCores", Value::Int32(2))
                    .text("cpuArch", "x86_64");
                ok(Document::default().with("system", Value::Document(system)))
            }
            _ => ok(Document::default()),
        }
    }

    fn databases(&self) -> Document {
        let mut total = 0;
        let databases = self.store.databases.iter().map(|(name, _)| {
            let size = 40_960 + 4096 * i64::from(self.context.stable::<1>(&format!("mongodb size {name}"))[0] % 64);
            total += size;
            let database = Document::default()
                .text("name", name)
                .with("sizeOnDisk", Value::Int64(size));
            Value::Document(database.with("empty", Value::Bool(false)))
        });
        let databases = Value::Array(databases.collect());
        let document = Document::default()
            .with("databases", databases)
            .with("totalSize", Value::Int64(total));
        ok(document.with("totalSizeMb", Value::Int64(total / 1_048_576)))
    }
}

/// Returns a cursor that is at its end after these documents.
fn cursor(namespace: &str, batch: Vec<Value>) -> Document {
    let cursor = Document::default()
        .with("firstBatch", Value::Array(batch))
        .with("id", Value::Int64(0));
    ok(Document::default().with("cursor", Value::Document(cursor.text("ns", namespace))))
}
