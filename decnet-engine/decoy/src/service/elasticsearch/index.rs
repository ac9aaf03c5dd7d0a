//! The indices and their documents.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::content::Shown;
use crate::service::wire::http::quoted;

impl Shown {
    fn chosen(&self, name: Option<&str>) -> Vec<&String> {
        let is_chosen = |index: &&String| {
            name.is_none_or(|name| name.split(',').any(|one| one == index.as_str() || one.contains('*')))
        };
        self.indices.iter().filter(is_chosen).collect()
    }

    /// The answer to a search: at most ten invented documents.
    pub(super) fn search(&self, name: Option<&str>, size: usize, now: Timestamp) -> String {
        let chosen = self.chosen(name);
        let count: u64 = chosen.iter().map(|index| self.size(index).0).sum();
        let (value, relation) = if count > 10_000 { (10_000, "gte") } else { (count, "eq") };
        let hits: Vec<String> = (0..size.min(10))
            .filter_map(|number| {
                let index = chosen.get(number % chosen.len().max(1))?;
                Some(self.document(index, number, now))
            })
            .collect();
        let score = if hits.is_empty() { "null" } else { "1.0" };
        let shards = chosen.len();
        format!(
            "{{\"took\":3,\"timed_out\":false,\"_shards\":{{\"total\":{shards},\"successful\":{shards},\"skipped\":0,\
            \"failed\":0}},\"hits\":{{\"total\":{{\"value\":{value},\"relation\":\"{relation}\"}},\"max_score\":{score},\
            \"hits\":[{}]}}}}",
            hits.join(",")
        )
    }

    fn document(&self, index: &str, number: usize, now: Timestamp) -> String {
        let label = format!("document {index} {number}");
        let [minutes, user, code]: [u8; 3] = self.context.stable(&label);
        let users = [
            "mueller",
            "jsmith",
            "akowalski",
            "svc-backup",
            "lnguyen",
            "admin",
            "rgarcia",
        ];
        let codes = ["200", "200", "304", "401", "500"];
        let seconds = now.as_second().saturating_sub(i64::from(minutes) * 60 + 86_400);
        let time = Timestamp::from_second(seconds).unwrap_or(now);
        format!(
            "{{\"_index\":{},\"_type\":\"_doc\",\"_id\":\"{}\",\"_score\":1.0,\"_source\":{{\"@timestamp\":\"{time}\",\
            \"host\":{},\"user\":\"{}\",\"status\":{},\"id\":{}}}}}",
            quoted(index),
            URL_SAFE_NO_PAD.encode(self.context.stable::<15>(&label)),
            quoted(&self.context.persona().hostname),
            users.get(usize::from(user) % users.len()).unwrap_or(&"admin"),
            codes.get(usize::from(code) % codes.len()).unwrap_or(&"200"),
            1000 + number * 7 + usize::from(minutes),
        )
    }

    pub(super) fn count(&self, name: Option<&str>) -> String {
        let chosen = self.chosen(name);
        let count: u64 = chosen.iter().map(|index| self.size(index).0).sum();
        let shards = chosen.len();
        format!(
            "{{\"count\":{count},\"_shards\":{{\"total\":{shards},\"successful\":{shards},\"skipped\":0,\"failed\":0}}}}"
        )
    }

    /// An object with a member for each index.
    pub(super) fn per_index(&self, member: impl Fn(&str) -> String) -> String {
        let members = self
            .indices
            .iter()
            .map(|index| format!("{}:{}", quoted(index), member(index)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    pub(super) fn mapping() -> String {
        "{\"mappings\":{\"properties\":{\"@timestamp\":{\"type\":\"date\"},\"host\":{\"type\":\"keyword\"},\
        \"id\":{\"type\":\"long\"},\"status\":{\"type\":\"long\"},\"user\":{\"type\":\"keyword\"}}}}"
            .into()
    }

    pub(super) fn settings(&self, index: &str) -> String {
        let [days]: [u8; 1] = self.context.stable(&format!("age {index}"));
        let created = 1_716_800_000_123_u64 + u64::from(days) * 61_234_567;
        format!(
            "{{\"settings\":{{\"index\":{{\"creation_date\":\"{created}\",\"number_of_shards\":\"1\",\
            \"number_of_replicas\":\"1\",\"uuid\":\"{}\",\"version\":{{\"created\":\"{}\"}},\"provided_name\":{}}}}}}}",
            self.uuid(index),
            number_of(&self.version),
            quoted(index),
        )
    }

    pub(super) fn one(&self, index: &str) -> String {
        let (mapping, settings) = (Self::mapping(), self.settings(index));
        let inner = |text: &str| text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned();
        format!(
            "{{{}:{{\"aliases\":{{}},{},{}}}}}",
            quoted(index),
            inner(&mapping),
            inner(&settings)
        )
    }

    pub(super) fn stats(&self) -> String {
        let shards = self.indices.len();
        let of = |index: &str| {
            let (count, bytes) = self.size(index);
            format!(
                "{{\"uuid\":\"{}\",\"primaries\":{{\"docs\":{{\"count\":{count},\"deleted\":0}},\
                \"store\":{{\"size_in_bytes\":{bytes},\"reserved_in_bytes\":0}}}}}}",
                self.uuid(index)
            )
        };
        format!(
            "{{\"_shards\":{{\"total\":{},\"successful\":{shards},\"failed\":0}},\"indices\":{}}}",
            shards * 2,
            self.per_index(of)
        )
    }
}

/// Returns the number of a version, for instance 7100299 for 7.10.2.
fn number_of(version: &str) -> String {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let mut part = || parts.next().unwrap_or_default() % 100;
    format!("{}{:02}{:02}99", part(), part(), part())
}
