//! An industrial device: Modbus/TCP on 502, S7 communication on 102, a web page on 80 and SNMP on 161.

mod device;
mod modbus;
mod page;
mod s7;
#[cfg(test)]
mod tests;

use self::device::Device;
use super::{context::Context, dialogue::Dialogue, snmp::Agent};
use crate::protocol::Protocol;

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let device = Device::new(context);
    match (context.session.transport, context.session.port) {
        (Protocol::Udp, _) => Box::new(Agent::new(context, device.system(context), "public")),
        (_, 102) => s7::new(device),
        (_, 502) => modbus::new(context, device),
        _ => page::new(device),
    }
}
