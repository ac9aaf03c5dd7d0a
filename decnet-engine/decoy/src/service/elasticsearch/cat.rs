//! The tables of `_cat`.

use jiff::Timestamp;

use super::content::Shown;

impl Shown {
    pub(super) fn cat_list() -> String {
        let names = [
            "allocation",
            "shards",
            "shards/{index}",
            "master",
            "nodes",
            "tasks",
            "indices",
            "indices/{index}",
            "segments",
            "segments/{index}",
            "count",
            "count/{index}",
            "recovery",
            "recovery/{index}",
            "health",
            "pending_tasks",
            "aliases",
            "aliases/{alias}",
            "thread_pool",
            "thread_pool/{thread_pools}",
            "plugins",
            "fielddata",
            "fielddata/{fields}",
            "nodeattrs",
            "repositories",
            "snapshots/{repository}",
            "templates",
        ];
        names
            .iter()
            .fold("=^.^=\n".into(), |text: String, name| text + "/_cat/" + name + "\n")
    }

    pub(super) fn cat_indices(&self) -> Vec<Vec<String>> {
        let title = "health status index uuid pri rep docs.count docs.deleted store.size pri.store.size";
        let rows = self.indices.iter().map(|index| {
            let (count, bytes) = self.size(index);
            let (uuid, size) = (self.uuid(index), human(bytes));
            let row = [
                "yellow",
                "open",
                index,
                &uuid,
                "1",
                "1",
                &count.to_string(),
                "0",
                &size,
                &size,
            ];
            row.map(str::to_owned).to_vec()
        });
        [words(title)].into_iter().chain(rows).collect()
    }

    pub(super) fn cat_nodes(&self) -> Vec<Vec<String>> {
        let title = "ip heap.percent ram.percent cpu load_1m load_5m load_15m node.role master name";
        let row = format!("{} 38 96 3 0.21 0.17 0.14 cdfhilmrstw *", self.context.session.local);
        let mut row = words(&row);
        row.push(self.node.clone());
        vec![words(title), row]
    }

    pub(super) fn cat_health(&self, now: Timestamp) -> Vec<Vec<String>> {
        let title = "epoch timestamp cluster status node.total node.data shards pri relo init unassign pending_tasks \
            max_task_wait_time active_shards_percent";
        let shards = self.indices.len();
        let percent = if shards == 0 { "100.0%" } else { "50.0%" };
        let mut row = vec![
            now.as_second().to_string(),
            now.strftime("%H:%M:%S").to_string(),
            self.cluster.clone(),
        ];
        row.extend(words(&format!(
            "{} 1 1 {shards} {shards} 0 0 {shards} 0 - {percent}",
            self.status()
        )));
        vec![words(title), row]
    }

    pub(super) fn cat_master(&self) -> Vec<Vec<String>> {
        let address = self.context.session.local.to_string();
        vec![
            words("id host ip node"),
            vec![self.id("node"), address.clone(), address, self.node.clone()],
        ]
    }

    pub(super) fn cat_count(&self, now: Timestamp) -> Vec<Vec<String>> {
        let count: u64 = self.indices.iter().map(|index| self.size(index).0).sum();
        let time = now.strftime("%H:%M:%S").to_string();
        vec![
            words("epoch timestamp count"),
            vec![now.as_second().to_string(), time, count.to_string()],
        ]
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Returns bytes in the form of `_cat`, for instance `1.2mb`.
fn human(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes}b"),
        1024..1_048_576 => (1024, "kb"),
        _ => (1_048_576, "mb"),
    };
    let tenths = bytes * 10 / unit;
    if tenths.is_multiple_of(10) {
        format!("{}{name}", tenths / 10)
    } else {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    }
}
