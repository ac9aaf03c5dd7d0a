//! The operations of engines in running deckies: commands, copies and captures.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter},
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use decnet_engine::{
    AccessError, CaptureOptions, CaptureReport, CollectOptions, CopyOptions, EngineError, ExecOptions, PacketFilter,
    PacketProtocol, RuntimeError,
};
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::{
    access,
    argument::{self, FilePath, count, positive},
    convert,
    engine::EngineMethods,
    operation::{Answer, Stop},
    prepared, rows, tree,
};

#[pymethods]
impl EngineMethods {
    /// Runs a command in a decky, or in a service of it (`web-01.shop`), and waits for its end.
    ///
    /// In a service with its own image, any program of the image runs, without a shell. Every decky has the verbs `ping`, `connect`,
    /// `resolve` and `routes`, which are answered from its base; built-in services have no programs. A program that fails is not an
    /// exception: see `status`. `max_output` limits stdout and stderr together, by default to 64 MiB. After `timeout` seconds, beyond
    /// `max_output`, and after Ctrl-C, the program keeps running in the container, but its input ends.
    #[pyo3(signature = (id: "TopologyId", part: "str", command: "Iterable[str]", *, input: "bytes | None" = None, timeout: "float | None" = None, max_output: "int | None" = None) -> "Answer[ExecResult]")]
    fn exec(
        &self,
        id: &Bound<'_, PyAny>,
        part: &Bound<'_, PyAny>,
        command: &Bound<'_, PyAny>,
        input: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
        max_output: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, part) = (id.py(), rows::topology_id(id)?, prepared::part(part)?);
        let options = ExecOptions::new(part.clone(), convert::texts(command, "a command")?);
        let mut collect = CollectOptions::default()
            .input(input.map(|input| argument::bytes(input, "an input")).transpose()?)
            .timeout(argument::timeout(timeout)?);
        if let Some(bytes) = max_output {
            collect = collect.max_output(count(bytes, "max_output")?);
        }
        let work = move |engine: decnet_engine::Engine, cancel| async move {
            engine.exec_and_wait(id, options, collect, &cancel).await
        };
        self.change(py, None, work, move |py, collected| {
            access::exec_result(py, &part, collected)
        })
    }

    /// Returns what `exec` can run in a decky or a service: the usage of the verbs, and the services with their own images.
    #[pyo3(signature = (id: "TopologyId", part: "str") -> "Answer[ExecChoices]")]
    fn exec_choices(&self, id: &Bound<'_, PyAny>, part: &Bound<'_, PyAny>) -> Answer {
        let (py, id, part) = (id.py(), rows::topology_id(id)?, prepared::part(part)?);
        let work = move |engine: decnet_engine::Engine| async move { engine.exec_choices(id, &part).await };
        self.run(py, Stop::Drop, work, convert::document_of)
    }

    /// Copies a file or a folder out of a service with its own image.
    ///
    /// If `destination` is a folder, the copy is put into it; otherwise it gets that name. An intruder may control the files: nothing is
    /// written outside of the destination, links that lead out of the copy, devices and pipes are left out, and no file is executable.
    /// Existing files are replaced only with `force`. The limits are 1 GiB and 100 000 files by default; a copy that fails or is
    /// cancelled is removed again.
    #[pyo3(signature = (id: "TopologyId", part: "str", path: "str", destination: "str | PathLike[str]", *, force = false, max_bytes: "int | None" = None, max_files: "int | None" = None) -> "Answer[CopyReport]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn copy_out(
        &self,
        id: &Bound<'_, PyAny>,
        part: &Bound<'_, PyAny>,
        path: &Bound<'_, PyAny>,
        destination: FilePath,
        force: bool,
        max_bytes: Option<&Bound<'_, PyAny>>,
        max_files: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, destination) = (id.py(), rows::topology_id(id)?, destination.take());
        let path = convert::text(path, "a path in a container")?;
        let mut options = CopyOptions::new(prepared::part(part)?, path).force(force);
        if let Some(bytes) = max_bytes {
            options = options.max_bytes(count(bytes, "max_bytes")? as u64);
        }
        if let Some(files) = max_files {
            options = options.max_files(positive(files, "max_files")?);
        }
        let work = move |engine: decnet_engine::Engine, cancel| async move {
            engine.copy_out(id, options, &destination, &cancel).await
        };
        self.change(py, None, work, access::copy_report)
    }

    /// Captures packets of a LAN (`office`), of a decky (`web-01`) or of its interface in a LAN (`web-01.office`) into a pcap file.
    ///
    /// It replaces the file, which only its owner can read, and ends after `count` packets or `duration` seconds, after Ctrl-C, or when
    /// the engine is closed; what was written is then a valid file. `address`, `port` and `protocol` leave out all other packets. It
    /// needs a daemon on this machine, and root.
    #[pyo3(signature = (id: "TopologyId", point: "str", file: "str | PathLike[str]", *, count: "int | None" = None, duration: "float | None" = None, address: "Address | None" = None, port: "int | None" = None, protocol: "PacketProtocol | None" = None, snap_length: "int | None" = None) -> "Answer[CaptureReport]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn capture(
        &self,
        id: &Bound<'_, PyAny>,
        point: &Bound<'_, PyAny>,
        file: FilePath,
        count: Option<&Bound<'_, PyAny>>,
        duration: Option<&Bound<'_, PyAny>>,
        address: Option<&Bound<'_, PyAny>>,
        port: Option<&Bound<'_, PyAny>>,
        protocol: Option<&Bound<'_, PyAny>>,
        snap_length: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, file) = (id.py(), rows::topology_id(id)?, file.take());
        let count = count.map(|count| positive(count, "a count")).transpose()?;
        let filter = PacketFilter::default()
            .host(address.map(self::address).transpose()?)
            .port(port.map(self::port).transpose()?)
            .protocol(protocol.map(self::protocol).transpose()?);
        let mut options = CaptureOptions::new(convert::parsed(point, "a LAN or a decky")?)
            .count(count.map(|count| count as u64))
            .duration(argument::timeout(duration)?)
            .filter(filter);
        if let Some(bytes) = snap_length {
            let bytes = positive(bytes, "snap_length")?;
            options = options.snap_length(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
        let work = move |engine: decnet_engine::Engine, cancel: CancellationToken| async move {
            let started = cancel.run_until_cancelled(engine.capture(id, options)).await;
            let capture = started.ok_or_else(|| RuntimeError::Cancelled {
                what: "the capture".into(),
            })??;
            write(capture, file, &cancel).await
        };
        self.change(py, None, work, access::capture_report)
    }
}

/// Writes captured packets to a file.
async fn write(
    capture: decnet_engine::RunningCapture,
    path: PathBuf,
    cancel: &CancellationToken,
) -> Result<CaptureReport, EngineError> {
    let created = match private(&path) {
        Ok(file) => capture.write(BufWriter::new(file), cancel).await,
        Err(source) => Err(AccessError::Output { source }.into()),
    };
    created.map_err(|error| match error {
        EngineError::Access(AccessError::Output { source }) => AccessError::Write { path, source }.into(),
        error => error,
    })
}

/// Creates or empties a file that only its owner can read: the packets may contain passwords.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

fn address(object: &Bound<'_, PyAny>) -> PyResult<Ipv4Addr> {
    convert::parse(&convert::address_text(object, "an address")?, "an address")
}

fn port(object: &Bound<'_, PyAny>) -> PyResult<u16> {
    let invalid = |_| tree::DecnetError::new_err("a port must be from 1 to 65535");
    u16::try_from(positive(object, "a port")?).map_err(invalid)
}

fn protocol(object: &Bound<'_, PyAny>) -> PyResult<PacketProtocol> {
    let invalid = |_| tree::DecnetError::new_err("a protocol must be 'tcp', 'udp', 'icmp' or 'arp'");
    convert::text(object, "a protocol")?.parse().map_err(invalid)
}
