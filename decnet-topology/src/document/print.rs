use crate::{
    document::{Syntax, schema::DocumentOut},
    model::{Draft, Topology, TopologyRow},
};

/// Writes a draft as a document. Its findings are left out.
///
/// [`Syntax::Auto`] writes JSON, indented. A parsed draft that is printed parses to the same draft. Attachments
/// to LANs that do not exist are left out.
pub fn print(draft: &Draft, syntax: Syntax) -> String {
    let document = DocumentOut::from(draft);
    match syntax {
        Syntax::Yaml => yaml(&document),
        Syntax::Json | Syntax::Auto => json(&document),
    }
}

/// Writes a draft as the JSON value of a document. Its findings are left out.
pub fn to_value(draft: &Draft) -> serde_json::Value {
    value(&DocumentOut::from(draft))
}

/// Writes a stored topology as a document.
pub fn print_topology(row: &TopologyRow, topology: &Topology, syntax: Syntax) -> String {
    print(&Draft::stored(row, topology), syntax)
}

fn value(document: &DocumentOut<'_>) -> serde_json::Value {
    serde_json::to_value(document).expect("texts, numbers and string keys are always JSON")
}

fn json(document: &DocumentOut<'_>) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("texts, numbers and string keys are always JSON");
    text.push('\n');
    text
}

fn yaml(document: &DocumentOut<'_>) -> String {
    let options = serde_saphyr::ser_options! {
        prefer_block_scalars: false,
    };
    serde_saphyr::to_string_with_options(document, options).expect("texts, numbers and string keys are always YAML")
}
