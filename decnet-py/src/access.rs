//! The results of work in running deckies: commands, copies and captures.

use std::path::PathBuf;

use decnet_engine::{Collected, CommandEnd};
use decnet_topology::DeckyPart;
use pyo3::{IntoPyObjectExt as _, prelude::*, types::PyBytes};

use crate::{
    convert::{self, Typed},
    errors,
    operation::Answer,
    tree,
};

/// The result of `Engine.exec`: a command that ended.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct ExecResult {
    /// Its exit status: 127 if the program does not exist (126 on Docker 20.10), 126 if it cannot run. A verb has 1 if the target does not
    /// answer.
    #[pyo3(get)]
    status: i64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    answer: Option<decnet_engine::DeckyAnswer>,
}

#[pymethods]
impl ExecResult {
    /// Its output. A program in a container may be that of an intruder.
    #[getter]
    fn stdout<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.stdout)
    }

    /// Its errors.
    #[getter]
    fn stderr<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.stderr)
    }

    /// The answer to a verb, as a dict; None for a program.
    #[getter]
    fn answer(&self, py: Python<'_>) -> PyResult<Option<Typed<convert::DeckyAnswer>>> {
        self.answer.as_ref().map(|answer| Typed::new(py, answer)).transpose()
    }

    fn __repr__(&self) -> String {
        let (out, err) = (self.stdout.len(), self.stderr.len());
        format!(
            "<ExecResult: status {}, {out} bytes on stdout, {err} on stderr>",
            self.status
        )
    }
}

/// Creates Python's result of a command, or the exception of one that nobody waits for any longer.
pub(crate) fn exec_result(py: Python<'_>, part: &DeckyPart, collected: Collected) -> Answer {
    let Collected {
        end,
        started,
        stdout,
        stderr,
        answer,
        ..
    } = collected;
    let still = if started { "; it keeps running" } else { "" };
    let said = [
        ("stdout", PyBytes::new(py, &stdout).into_py_any(py)),
        ("stderr", PyBytes::new(py, &stderr).into_py_any(py)),
    ];
    Err(match end {
        CommandEnd::Exited(status) => {
            let result = ExecResult {
                status,
                stdout,
                stderr,
                answer,
            };
            return Ok(Py::new(py, result)?.into_any());
        }
        CommandEnd::TimedOut => {
            let message = format!("the command in {part} did not end in time{still}");
            errors::with(py, tree::TimedOut::new_err(message), "timed_out", said)
        }
        CommandEnd::TooMuchOutput => {
            let message = format!("the command in {part} has more output than max_output{still}");
            errors::with(py, tree::OutputTooLarge::new_err(message), "output_too_large", said)
        }
        _ => {
            let leftovers: Vec<String> = started.then(|| format!("the command in {part}")).into_iter().collect();
            let attributes = [
                ("rolled_back", leftovers.is_empty().into_py_any(py)),
                ("leftovers", leftovers.into_py_any(py)),
                ("failures", Vec::<String>::new().into_py_any(py)),
            ];
            let message = format!("the command in {part} was interrupted{still}");
            errors::with(py, tree::Interrupted::new_err(message), "interrupted", attributes)
        }
    })
}

/// The result of `Engine.copy_out`: what was copied.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct CopyReport(decnet_engine::CopyReport);

#[pymethods]
impl CopyReport {
    /// The file or folder that was written.
    #[getter]
    fn destination(&self) -> PathBuf {
        self.0.destination.clone()
    }

    /// The number of files.
    #[getter]
    fn files(&self) -> usize {
        self.0.files
    }

    /// The number of folders.
    #[getter]
    fn folders(&self) -> usize {
        self.0.folders
    }

    /// The number of symbolic links.
    #[getter]
    fn links(&self) -> usize {
        self.0.links
    }

    /// The bytes of the files.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// The number of entries that were left out: links out of the copy, devices, pipes.
    #[getter]
    fn skipped(&self) -> usize {
        self.0.skipped
    }

    /// The first of them, each with the reason.
    #[getter]
    fn skipped_entries(&self) -> Vec<String> {
        self.0.skipped_entries.clone()
    }

    /// Returns it as a dict, as `decnet cp --json` prints it.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let report = &self.0;
        format!(
            "<CopyReport: {} file(s), {} bytes, {} skipped>",
            report.files, report.bytes, report.skipped
        )
    }
}

/// Creates Python's report of a copy.
pub(crate) fn copy_report(py: Python<'_>, report: decnet_engine::CopyReport) -> Answer {
    Ok(Py::new(py, CopyReport(report))?.into_any())
}

/// The result of `Engine.capture`: how many packets were captured.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct CaptureReport(decnet_engine::CaptureReport);

#[pymethods]
impl CaptureReport {
    /// The interface on the machine or in the decky.
    #[getter]
    fn interface(&self) -> &str {
        &self.0.interface
    }

    /// The number of packets that were written.
    #[getter]
    fn captured(&self) -> u64 {
        self.0.captured
    }

    /// The number of packets that the filter left out.
    #[getter]
    fn left_out(&self) -> u64 {
        self.0.left_out
    }

    /// The number of packets that the kernel dropped, as of the last packet.
    #[getter]
    fn dropped(&self) -> u64 {
        self.0.dropped
    }

    /// Returns it as a dict, as `decnet capture --json` prints it.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let report = &self.0;
        format!(
            "<CaptureReport of {}: {} packet(s), {} dropped>",
            report.interface, report.captured, report.dropped
        )
    }
}

/// Creates Python's report of a capture.
pub(crate) fn capture_report(py: Python<'_>, report: decnet_engine::CaptureReport) -> Answer {
    Ok(Py::new(py, CaptureReport(report))?.into_any())
}
