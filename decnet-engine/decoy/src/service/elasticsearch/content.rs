//! What the node shows of itself.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::service::{
    context::Context,
    linux::pretty_name,
    wire::http::{hex, quoted},
};

/// The builds of releases: version, commit, date and version of Lucene.
const BUILDS: &[(&str, &str, &str, &str)] = &[
    (
        "7.9.3",
        "c4138e51121ef06a6404866cddc601906fe5c868",
        "2020-10-16T10:36:16.141335Z",
        "8.6.2",
    ),
    (
        "7.10.2",
        "747e1cc71def077253878a59143c1f785afa92b9",
        "2021-01-13T00:42:12.435326Z",
        "8.7.0",
    ),
    (
        "7.12.1",
        "3186837139b9c6b6d23c3200870651f10d3343b7",
        "2021-04-20T20:56:39.040728659Z",
        "8.8.0",
    ),
    (
        "7.13.2",
        "4d960a0733be83dd2543ca018aa4ddc42e956800",
        "2021-06-10T21:01:55.251515791Z",
        "8.8.2",
    ),
    (
        "7.13.4",
        "c5f60e894ca0c61cdbae4f5a686d9f08bcefc942",
        "2021-07-14T18:33:36.673943207Z",
        "8.8.2",
    ),
    (
        "7.17.9",
        "ef48222227ee6b9e70e502f0f0daa52435ee634d",
        "2023-01-31T05:34:43.305517834Z",
        "8.11.1",
    ),
];

/// The names and numbers of a node.
pub(super) struct Shown {
    pub(super) context: Context,
    pub(super) cluster: String,
    pub(super) node: String,
    pub(super) version: String,
    pub(super) indices: Vec<String>,
}

impl Shown {
    pub(super) fn new(context: &Context) -> Self {
        let fields = context.fields();
        let text = |key| fields.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let pin = || context.persona().versions.get("elasticsearch").cloned();
        let usual = || {
            context
                .pick("elasticsearch", &["7.10.2", "7.12.1", "7.13.2", "7.13.4"])
                .to_owned()
        };
        let mut indices = if fields.text("indices").is_some() {
            fields.lines("indices")
        } else {
            let usual = [
                "customers\norders\nproducts",
                "filebeat-2024.05\nfilebeat-2024.06\nmetricbeat-2024.06",
                "users\nsessions\naudit-log",
                "logstash-2024.05.30\nlogstash-2024.05.31\ninvoices",
            ];
            context.pick("indices", &usual).lines().collect()
        };
        indices.truncate(200);
        Self {
            context: context.clone(),
            cluster: text("cluster_name").unwrap_or_else(|| "elasticsearch".into()),
            node: text("node_name").unwrap_or_else(|| context.persona().hostname.clone()),
            version: text("server_version").or_else(pin).unwrap_or_else(usual),
            indices: indices.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Returns whether the version sends `X-elastic-product`: 7.14 and later.
    pub(super) fn is_new(&self) -> bool {
        let mut parts = self
            .version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or_default());
        (parts.next(), parts.next()) >= (Some(7), Some(14))
    }

    fn build(&self) -> (String, String, &'static str) {
        let known = BUILDS.iter().find(|(version, ..)| *version == self.version);
        known.map_or_else(
            || {
                let commit: [u8; 20] = self.context.stable(&format!("build {}", self.version));
                let lucene = if self.is_new() { "8.11.1" } else { "8.7.0" };
                (hex(&commit), "2022-04-20T10:35:10.180408517Z".into(), lucene)
            },
            |(_, commit, date, lucene)| ((*commit).into(), (*date).into(), lucene),
        )
    }

    pub(super) fn id(&self, label: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.context.stable::<16>(label))
    }

    /// The UUID of an index.
    pub(super) fn uuid(&self, index: &str) -> String {
        self.id(&format!("index {index}"))
    }

    pub(super) fn document_id(&self, number: usize) -> String {
        URL_SAFE_NO_PAD.encode(self.context.fresh::<15>(&format!("document {number}")))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        name.split(',')
            .all(|name| self.indices.iter().any(|index| index == name))
    }

    /// The number of documents and the bytes of an index.
    pub(super) fn size(&self, index: &str) -> (u64, u64) {
        let [low, high, each]: [u8; 3] = self.context.stable(&format!("size {index}"));
        let count = 137 + u64::from(low) * 41 + u64::from(high) * 977;
        (count, count * (180 + u64::from(each)) + 4096)
    }

    pub(super) fn root(&self) -> String {
        let (commit, date, lucene) = self.build();
        format!(
            "{{\"name\":{},\"cluster_name\":{},\"cluster_uuid\":\"{}\",\"version\":{{\"number\":{},\
            \"build_flavor\":\"default\",\"build_type\":\"{}\",\"build_hash\":\"{commit}\",\"build_date\":\"{date}\",\
            \"build_snapshot\":false,\"lucene_version\":\"{lucene}\",\"minimum_wire_compatibility_version\":\"6.8.0\",\
            \"minimum_index_compatibility_version\":\"6.0.0-beta1\"}},\"tagline\":\"You Know, for Search\"}}",
            quoted(&self.node),
            quoted(&self.cluster),
            self.id("cluster"),
            quoted(&self.version),
            self.context.pick("build type", &["deb", "docker", "tar"]),
        )
    }

    pub(super) fn health(&self) -> String {
        let shards = self.indices.len();
        format!(
            "{{\"cluster_name\":{},\"status\":\"{}\",\"timed_out\":false,\"number_of_nodes\":1,\"number_of_data_nodes\":1,\
            \"active_primary_shards\":{shards},\"active_shards\":{shards},\"relocating_shards\":0,\
            \"initializing_shards\":0,\"unassigned_shards\":{shards},\"delayed_unassigned_shards\":0,\
            \"number_of_pending_tasks\":0,\"number_of_in_flight_fetch\":0,\"task_max_waiting_in_queue_millis\":0,\
            \"active_shards_percent_as_number\":{}}}",
            quoted(&self.cluster),
            self.status(),
            if shards == 0 { "100.0" } else { "50.0" },
        )
    }

    pub(super) fn status(&self) -> &'static str {
        if self.indices.is_empty() { "green" } else { "yellow" }
    }

    pub(super) fn state(&self) -> String {
        let count: u64 = self.indices.iter().map(|index| self.size(index).0).sum();
        format!(
            "{{\"_nodes\":{{\"total\":1,\"successful\":1,\"failed\":0}},\"cluster_name\":{},\"cluster_uuid\":\"{}\",\
            \"status\":\"{}\",\"indices\":{{\"count\":{},\"docs\":{{\"count\":{count},\"deleted\":0}}}},\
            \"nodes\":{{\"count\":{{\"total\":1,\"data\":1,\"ingest\":1,\"master\":1}},\"versions\":[{}]}}}}",
            quoted(&self.cluster),
            self.id("cluster"),
            self.status(),
            self.indices.len(),
            quoted(&self.version),
        )
    }

    pub(super) fn nodes(&self) -> String {
        let (commit, ..) = self.build();
        let address = self.context.session.local;
        let cores = self.context.hardware().cores;
        let roles = "\"data\",\"data_cold\",\"data_content\",\"data_hot\",\"data_warm\",\"ingest\",\"master\",\"ml\",\
            \"remote_cluster_client\",\"transform\"";
        format!(
            "{{\"_nodes\":{{\"total\":1,\"successful\":1,\"failed\":0}},\"cluster_name\":{},\"nodes\":{{\"{}\":{{\
            \"name\":{},\"transport_address\":\"{address}:9300\",\"host\":\"{address}\",\"ip\":\"{address}\",\
            \"version\":{},\"build_flavor\":\"default\",\"build_type\":\"{}\",\"build_hash\":\"{commit}\",\
            \"roles\":[{roles}],\"attributes\":{{\"xpack.installed\":\"true\",\"transform.node\":\"true\"}},\
            \"os\":{{\"refresh_interval_in_millis\":1000,\"name\":\"Linux\",\"pretty_name\":\"{}\",\
            \"arch\":\"amd64\",\"version\":\"{}\",\"available_processors\":{cores},\
            \"allocated_processors\":{cores}}},\"http\":{{\"bound_address\":[\"0.0.0.0:9200\"],\
            \"publish_address\":\"{address}:9200\",\"max_content_length_in_bytes\":104857600}}}}}}}}",
            quoted(&self.cluster),
            self.id("node"),
            quoted(&self.node),
            quoted(&self.version),
            self.context.pick("build type", &["deb", "docker", "tar"]),
            pretty_name(self.context.persona().os),
            self.context.kernel().release,
        )
    }
}
