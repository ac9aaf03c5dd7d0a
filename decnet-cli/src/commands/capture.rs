use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, IsTerminal as _, Write},
    net::Ipv4Addr,
    num::{NonZeroU16, NonZeroU32, NonZeroU64},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use decnet_engine::{AccessError, CaptureOptions, CapturePoint, EngineError, PacketFilter, PacketProtocol};

use crate::{
    command_error::CommandError, context::Context, duration::read_duration, exit::Exit, interrupt, lookup,
    number::positive, text,
};

/// Capture packets of a LAN or of a decky, as a pcap file.
///
/// On a LAN each packet between its members is captured once, on a decky each packet that it sends or receives. This needs a daemon on this
/// machine, and root; otherwise the command says which command does the same there. It changes nothing, and deckies do not notice it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet capture corp office -o office.pcap\n  \
                        decnet capture corp web-01 --port 22 --duration 10m -o ssh.pcap\n  \
                        decnet capture corp gate-01.dmz | tcpdump -n -r -")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// The LAN, or the decky, or the interface of a decky in a LAN: office, web-01, gate-01.dmz.
    #[arg(value_name = "LAN|DECKY[.LAN]")]
    point: CapturePoint,
    /// The file, which is replaced; - is stdout. Without it, packets go to stdout unless that is a terminal.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// End after N packets.
    #[arg(long, short, value_name = "N", value_parser = positive::<NonZeroU64>)]
    count: Option<NonZeroU64>,
    /// End after this time: 30s, 2m; a bare number is seconds.
    #[arg(long, value_name = "TIME", value_parser = read_duration)]
    duration: Option<Duration>,
    /// Only packets from or to this address.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<Ipv4Addr>,
    /// Only TCP and UDP packets from or to this port.
    #[arg(long, value_name = "PORT", value_parser = positive::<NonZeroU16>)]
    port: Option<NonZeroU16>,
    /// Only packets of this protocol: tcp, udp, icmp or arp.
    #[arg(long, value_name = "PROTOCOL", value_parser = read_protocol)]
    protocol: Option<PacketProtocol>,
    /// Keep only the first BYTES of each packet [default: all].
    #[arg(long, value_name = "BYTES", value_parser = positive::<NonZeroU32>)]
    snap_length: Option<NonZeroU32>,
}

fn read_protocol(text: &str) -> Result<PacketProtocol, String> {
    text.parse()
        .map_err(|_| "the protocols are tcp, udp, icmp and arp".to_owned())
}

/// Captures packets.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let file = arguments.output.as_deref().filter(|path| *path != Path::new("-"));
    if file.is_none() && io::stdout().is_terminal() {
        let text = "stdout is a terminal: give a file with --output, or pipe the packets to a program";
        return Err(CommandError::Usage(text.into()));
    }
    let engine = context.engine_on_demand().await?;
    let id = lookup::find(engine.repo().as_ref(), &arguments.topology).await?.id;
    let filter = PacketFilter::default()
        .host(arguments.address)
        .port(arguments.port.map(NonZeroU16::get))
        .protocol(arguments.protocol);
    let mut options = CaptureOptions::new(arguments.point.clone())
        .count(arguments.count.map(NonZeroU64::get))
        .duration(arguments.duration)
        .filter(filter);
    if let Some(bytes) = arguments.snap_length {
        options = options.snap_length(bytes.get());
    }
    let capture = engine.capture(id, options).await?;
    let writer: Box<dyn Write + Send> = match file {
        // The packets may contain passwords.
        Some(path) => Box::new(private(path).map_err(CommandError::writing(path))?),
        None => Box::new(io::stdout()),
    };
    let cancel =
        interrupt::catch_to_finish("interrupted: writing the packets that wait; interrupt again to exit immediately")?;
    context.output.note(format!(
        "capturing {} on {}; Ctrl-C stops",
        arguments.point,
        capture.interface()
    ));
    let report = match capture.write(BufWriter::new(writer), &cancel).await {
        Err(EngineError::Access(AccessError::Output { source })) => {
            return Err(match file {
                Some(path) => CommandError::writing(path)(source),
                None => CommandError::Stdout(source),
            });
        }
        report => report?,
    };
    if context.output.json && file.is_some() {
        context.output.json(&report)?;
    }
    let captured = text::count(report.captured, "packet", "packets");
    context
        .output
        .note(format!("{captured} captured, {} dropped by the kernel", report.dropped));
    Ok(Exit::Done)
}

/// Creates or empties a file that only its owner can read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}
