use decnet_topology::Status;

use crate::vectors::vectors;

#[test]
fn only_the_listed_transitions_are_legal() {
    let rows = vectors("status.json");
    assert_eq!(rows.len(), Status::ALL.len() * Status::ALL.len());
    for row in rows {
        let status = |key: &str| {
            row[key]
                .as_str()
                .expect("a status")
                .parse::<Status>()
                .expect("a status")
        };
        let (from, to) = (status("from"), status("to"));
        assert_eq!(Some(from.may_become(to)), row["legal"].as_bool(), "{from} to {to}");
    }
}
