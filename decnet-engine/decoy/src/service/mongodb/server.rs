//! What the server says of itself.

use jiff::Timestamp;

use super::{MongoDb, message::ok};
use crate::{
    protocol::Os,
    service::wire::bson::{Document, Value},
};

impl MongoDb {
    /// Answers `hello`, or `isMaster` in its old words.
    pub(super) fn hello(&self, is_old: bool, body: &Document, now: Timestamp) -> Document {
        let wire = match self.version.split('.').take(2).collect::<Vec<_>>().as_slice() {
            ["3", "6"] => 6,
            ["4", "0"] => 7,
            ["4", "2"] => 8,
            ["4", _] => 9,
            ["5", _] => 13,
            ["7", _] => 21,
            ["8", _] => 25,
            _ => 17,
        };
        let mut document = Document::default();
        if body.get("helloOk").is_some() {
            document = document.with("helloOk", Value::Bool(true));
        }
        document = document.with(if is_old { "ismaster" } else { "isWritablePrimary" }, Value::Bool(true));
        if wire >= 9 {
            let process = self.context.stable::<12>("mongodb process");
            let topology = Document::default()
                .with("processId", Value::ObjectId(process))
                .with("counter", Value::Int64(0));
            document = document.with("topologyVersion", Value::Document(topology));
        }
        document = document
            .with("maxBsonObjectSize", Value::Int32(16_777_216))
            .with("maxMessageSizeBytes", Value::Int32(48_000_000))
            .with("maxWriteBatchSize", Value::Int32(100_000))
            .with("localTime", Value::Date(now.as_millisecond()))
            .with("logicalSessionTimeoutMinutes", Value::Int32(30))
            .with("connectionId", Value::Int32(self.connection()))
            .with("minWireVersion", Value::Int32(0))
            .with("maxWireVersion", Value::Int32(wire))
            .with("readOnly", Value::Bool(false));
        if body.get("saslSupportedMechs").is_some() {
            let mechanisms = ["SCRAM-SHA-1", "SCRAM-SHA-256"].map(|name| Value::String(name.into()));
            document = document.with("saslSupportedMechs", Value::Array(mechanisms.into()));
        }
        ok(document)
    }

    fn connection(&self) -> i32 {
        i32::from(u16::from_le_bytes(self.context.fresh("mongodb connection"))) + 1
    }

    pub(super) fn build(&self) -> Document {
        let git = match self.version.as_str() {
            "6.0.4" => "44ff59461c1353638a71e710f385a566bcd2f547".to_owned(),
            "6.0.5" => "c9a99c120371d4d4c52cbb15dac34a36ce8d3b1d".to_owned(),
            _ => hex(&self.context.stable::<20>("mongodb commit")),
        };
        let is_windows = self.context.persona().is_windows();
        // Packages of old versions are for older systems, and run on these with their libraries.
        let (system, openssl) = match (self.context.persona().os, self.major() < 6) {
            (Os::Ubuntu2204 | Os::Ubuntu2404, true) => ("ubuntu2004", "OpenSSL 1.1.1f  31 Mar 2020"),
            (Os::Debian11, _) | (_, true) => ("debian11", "OpenSSL 1.1.1w  11 Sep 2023"),
            (Os::Debian12, _) => ("debian12", "OpenSSL 3.0.15 3 Sep 2024"),
            (Os::Ubuntu2404, _) => ("ubuntu2404", "OpenSSL 3.0.13 30 Jan 2024"),
            _ => ("ubuntu2204", "OpenSSL 3.0.2 15 Mar 2022"),
        };
        let system = if is_windows { "windows" } else { system };
        let openssl = if is_windows { "Windows SChannel" } else { openssl };
        let numbers = self
            .version
            .split('.')
            .map(|number| Value::Int32(number.parse().unwrap_or(0)));
        let numbers = numbers.chain(std::iter::repeat(Value::Int32(0))).take(4).collect();
        let environment = Document::default()
            .text("distmod", system)
            .text("distarch", "x86_64")
            .text("target_arch", "x86_64")
            .text("target_os", if is_windows { "windows" } else { "linux" });
        let openssl = Document::default().text("running", openssl).text("compiled", openssl);
        let engines = ["devnull", "ephemeralForTest", "wiredTiger"].map(|name| Value::String(name.into()));
        let document = Document::default()
            .text("version", &self.version)
            .text("gitVersion", &git)
            .with("modules", Value::Array(Vec::new()))
            .text("allocator", "tcmalloc")
            .text("javascriptEngine", "mozjs")
            .text("sysInfo", "deprecated")
            .with("versionArray", Value::Array(numbers))
            .with("openssl", Value::Document(openssl))
            .with("buildEnvironment", Value::Document(environment))
            .with("bits", Value::Int32(64))
            .with("debug", Value::Bool(false))
            .with("maxBsonObjectSize", Value::Int32(16_777_216))
            .with("storageEngines", Value::Array(engines.into()));
        ok(document)
    }

    pub(super) fn status(&self, now: Timestamp) -> Document {
        let start = i64::from(u32::from_le_bytes(self.context.stable("mongodb start")));
        // It looks as if the server restarted every 40 days.
        let uptime = (now.as_second() + start).rem_euclid(40 * 86_400);
        #[expect(clippy::cast_precision_loss, reason = "it is less than 2^23")]
        let seconds = uptime as f64;
        let connections = Document::default()
            .with("current", Value::Int32(2))
            .with("available", Value::Int32(51_198))
            .with("totalCreated", Value::Int64(uptime / 900 + 3));
        let host = format!("{}:{}", self.context.persona().hostname, self.context.session.port);
        let document = Document::default()
            .text("host", &host)
            .text("version", &self.version)
            .text("process", "mongod")
            .with(
                "pid",
                Value::Int64(i64::from(self.context.stable::<1>("mongodb pid")[0]) + 600),
            )
            .with("uptime", Value::Double(seconds))
            .with("uptimeMillis", Value::Int64(uptime * 1000 + 421))
            .with("uptimeEstimate", Value::Int64(uptime))
            .with("localTime", Value::Date(now.as_millisecond()))
            .with("connections", Value::Document(connections));
        ok(document)
    }

    pub(super) fn log(&self, now: Timestamp) -> Document {
        let time = now.strftime("%Y-%m-%dT00:00:04.512+00:00");
        let warning = if self.needs_login {
            "Using the XFS filesystem is strongly recommended with the WiredTiger storage engine. See http://dochub.mongodb.org/core/prodnotes-filesystem"
        } else {
            "Access control is not enabled for the database. Read and write access to data and configuration is unrestricted"
        };
        let line = format!(
            "{{\"t\":{{\"$date\":\"{time}\"}},\"s\":\"W\",  \"c\":\"CONTROL\",  \"id\":22120,   \"ctx\":\"initandlisten\",\"msg\":\"{warning}\",\"tags\":[\"startupWarnings\"]}}\n"
        );
        let document = Document::default()
            .with("totalLinesWritten", Value::Int32(1))
            .with("log", Value::Array(vec![Value::String(line)]));
        ok(document)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
