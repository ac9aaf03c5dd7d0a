//! The maze file as plain structs that collect no faults and check nothing: the floor for reading and writing it.

use std::collections::BTreeMap;

use decnet_topology::Topology;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A maze file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    format: String,
    name: String,
    #[serde(default)]
    lans: Vec<Lan>,
    #[serde(default)]
    deckies: Vec<Decky>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lan {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    dmz: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Decky {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    service_config: BTreeMap<String, BTreeMap<String, Value>>,
    #[serde(default, skip_serializing_if = "is_false")]
    forwards_l3: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Attachment {
    lan: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Returns the total size in bytes of the names, services, configuration and addresses of a maze.
pub fn bytes(maze: &Topology) -> usize {
    let lans = maze.lans().iter().map(|lan| lan.name().as_str().len() + 5);
    let deckies = maze.deckies().iter().map(|decky| {
        let services = decky.services().iter().map(|service| service.as_str().len());
        let config = decky.service_config().iter().map(|(service, fields)| {
            let fields = fields.iter().map(|(key, value)| key.len() + value.to_string().len());
            service.as_str().len() + fields.sum::<usize>()
        });
        let own = decky.name().as_str().len() + decky.archetype().map_or(0, str::len);
        own + services.sum::<usize>() + config.sum::<usize>() + 4 * decky.attachments().len()
    });
    lans.sum::<usize>() + deckies.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use decnet_topology::{Draft, Syntax, document};

    use super::*;

    #[test]
    fn plain_structs_print_the_same_text_as_the_maze_file() {
        let mut draft = Draft::from(&crate::maze(100));
        draft.header.name = "bench".into();
        let text = document::print(&draft, Syntax::Json);
        let read: Document = serde_json::from_str(&text).expect("a maze file");
        assert_eq!(serde_json::to_string_pretty(&read).expect("texts") + "\n", text);
    }
}
