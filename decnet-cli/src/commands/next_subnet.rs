use decnet_topology::{DEFAULT_LAN_PREFIX, DEFAULT_SUBNET_BASE_PREFIX, SubnetAllocator, net};
use ipnet::Ipv4Net;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Print the next free subnet.
///
/// It does not overlap the subnets of stored mazes and, if a daemon answers, those of Docker's networks and this machine's
/// routes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet next-subnet\n  \
                        decnet next-subnet --json")]
pub(crate) struct Arguments {
    /// The pool: 10.0.0.0/8, or the short form 172.20 [default: 172.16.0.0/12].
    #[arg(long, value_name = "RANGE", value_parser = |text: &str| net::parse_base(text))]
    subnet_base_prefix: Option<Ipv4Net>,
    /// The prefix length of the subnet.
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_LAN_PREFIX)]
    lan_prefix: u8,
}

/// Prints the next free subnet.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let base = arguments.subnet_base_prefix.unwrap_or(DEFAULT_SUBNET_BASE_PREFIX);
    let mut pool = SubnetAllocator::new(base, arguments.lan_prefix)?;
    for subnet in context.engine_on_demand().await?.taken_subnets(None).await? {
        pool.reserve(subnet);
    }
    let subnet = pool.next_free()?;
    context
        .output
        .either(&json!({ "subnet": subnet }), || format!("{subnet}\n"))?;
    Ok(Exit::Done)
}
