//! Validation of documents in any form.

use pyo3::prelude::*;

use crate::{
    argument::Text,
    catalog::Catalog,
    document::UnparsedDocument,
    model::Topology,
    report::{Report, Rules},
};

/// Validates a document as written: missing values that would be allocated are not faults.
#[pyfunction]
#[pyo3(
    name = "validate",
    signature = (document: "Maze", *, rules: "Rules" = Text::new("deploy"), catalog = None, reserved: "Subnets | None" = None),
    text_signature = "(document, *, rules='deploy', catalog=None, reserved=None)"
)]
pub(crate) fn validate_document(
    document: &Bound<'_, PyAny>,
    rules: Text,
    catalog: Option<&Bound<'_, Catalog>>,
    reserved: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let py = document.py();
    let rules = Rules::new(rules, catalog.map(Bound::get), reserved)?;
    if let Ok(topology) = document.cast::<Topology>() {
        let maze = topology.get().maze();
        return Ok(py.detach(|| rules.validate(&maze)));
    }
    let written = UnparsedDocument::from_python(document)?;
    Ok(py.detach(|| {
        let report = match written.parse() {
            Ok(draft) => rules.validate_draft(&draft).0,
            // A text that is not a document breaks a rule as well.
            Err(error) => decnet_topology::Report::new(error.findings),
        };
        Report(written.locate(report))
    }))
}
