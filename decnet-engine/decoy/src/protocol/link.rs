use std::{collections::BTreeSet, fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

/// The UDP port of all links between hosts. VXLAN's usual port, 4789, belongs to other programs of a host, like Docker Swarm.
pub const VXLAN_PORT: u16 = 14_789;

/// The exit code of `link ensure` and `link remove` if the device or its guard exists and belongs to someone else. Nothing was
/// changed.
pub const EXIT_FOREIGN: u8 = 5;

/// The exit code of the commands below `link` if the kernel lacks VXLAN or `nf_tables`.
pub const EXIT_UNSUPPORTED: u8 = 6;

/// The beginning of each [`Vxlan::owner`].
pub const OWNER_PREFIX: &str = "decnet ";

/// The longest owner in bytes: the kernel keeps at most 255 bytes of a device's alias and 256 bytes of a table's data.
const OWNER_BYTES: usize = 250;

/// The longest name of a device in bytes (`IFNAMSIZ` without the final zero).
const NAME_BYTES: usize = 15;

/// The smallest MTU of a device that carries IPv4 (RFC 791).
const LOWEST_MTU: u16 = 68;

/// A VXLAN device (RFC 7348), which joins a bridge with those of other hosts.
///
/// It is the input of `link ensure`. [`Vxlan::parse`] checks the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vxlan {
    /// The name of the device: 1 to 15 letters, digits, `-`, `_` and `.`.
    pub device: String,
    /// Who may change and remove the device. The kernel keeps it as the device's alias. It starts with [`OWNER_PREFIX`] and has at
    /// most 250 bytes.
    pub owner: String,
    /// The number of the virtual network: 1 to 16 777 215.
    pub vni: u32,
    /// The address of this host that the other hosts send to.
    pub local: Ipv4Addr,
    /// The addresses of the other hosts. Packets from other addresses are dropped.
    pub peers: BTreeSet<Ipv4Addr>,
    /// The longest packet that the device carries in bytes, without the 50 bytes that VXLAN adds.
    pub mtu: u16,
    /// The name of the bridge that the device is a port of. Empty only in lists, if it is a port of none.
    pub bridge: String,
}

impl Vxlan {
    /// Parses a device from JSON and checks the fields.
    pub fn parse(json: &str) -> Result<Self, MalformedVxlan> {
        let vxlan: Self = serde_json::from_str(json).map_err(MalformedVxlan::Json)?;
        for name in [&vxlan.device, &vxlan.bridge] {
            check_name(name)?;
        }
        check_owner(&vxlan.owner)?;
        if !(1..1 << 24).contains(&vxlan.vni) {
            return Err(MalformedVxlan::Vni(vxlan.vni));
        }
        if vxlan.mtu < LOWEST_MTU {
            return Err(MalformedVxlan::Mtu(vxlan.mtu));
        }
        for address in vxlan.peers.iter().chain([&vxlan.local]) {
            if !is_of_a_host(*address) {
                return Err(MalformedVxlan::Address(*address));
            }
        }
        if vxlan.peers.contains(&vxlan.local) {
            return Err(MalformedVxlan::OwnPeer(vxlan.local));
        }
        Ok(vxlan)
    }
}

/// The input of `link remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnedDevice {
    /// The name of the device.
    pub device: String,
    /// The owner that it must have.
    pub owner: String,
}

impl OwnedDevice {
    /// Parses a name and an owner from JSON and checks them as [`Vxlan::parse`] does.
    pub fn parse(json: &str) -> Result<Self, MalformedVxlan> {
        let named: Self = serde_json::from_str(json).map_err(MalformedVxlan::Json)?;
        check_name(&named.device)?;
        check_owner(&named.owner)?;
        Ok(named)
    }
}

/// A VXLAN device that `link list` found on a host.
///
/// The guard of a device that no longer exists is listed as well, so that it can be removed. Of the device, only `device` and
/// `owner` are known then: the numbers are 0, `local` is 0.0.0.0, `peers` and `bridge` are empty, and `up` and `guarded` are false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundVxlan {
    /// The device. The peers are the hosts to which it sends broadcasts.
    #[serde(flatten)]
    pub vxlan: Vxlan,
    /// The UDP port on which it receives.
    pub port: u16,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether the packet filter drops packets for it from other addresses than those of its peers.
    pub guarded: bool,
}

/// The output of `link ensure` and `link remove`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkOutcome {
    /// The command changed something.
    Changed,
    /// Everything was as wanted already.
    Unchanged,
}

/// Reports an invalid [`Vxlan`] or [`OwnedDevice`].
#[derive(Debug)]
#[non_exhaustive]
pub enum MalformedVxlan {
    /// The JSON has other fields or types.
    Json(serde_json::Error),
    /// The name of the device or of the bridge is invalid.
    Name(String),
    /// The owner is invalid.
    Owner(String),
    /// The number of the virtual network is out of range.
    Vni(u32),
    /// The MTU is too small.
    Mtu(u16),
    /// The address cannot be that of a host.
    Address(Ipv4Addr),
    /// The host is its own peer.
    OwnPeer(Ipv4Addr),
}

impl MalformedVxlan {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "malformed_link",
            Self::Name(_) => "malformed_device_name",
            Self::Owner(_) => "malformed_owner",
            Self::Vni(_) => "malformed_vni",
            Self::Mtu(_) => "malformed_mtu",
            Self::Address(_) => "not_a_host_address",
            Self::OwnPeer(_) => "own_peer",
        }
    }
}

impl fmt::Display for MalformedVxlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("the JSON is not a link"),
            Self::Name(name) => write!(
                f,
                "`{name}` is not a valid name of a device: it must have 1 to {NAME_BYTES} letters, digits, `-`, `_` and `.`"
            ),
            Self::Owner(owner) => write!(
                f,
                "`{owner}` is not a valid owner: it must start with `{OWNER_PREFIX}` and have at most {OWNER_BYTES} bytes and no control characters"
            ),
            Self::Vni(vni) => write!(f, "the VNI {vni} is not between 1 and 16777215"),
            Self::Mtu(mtu) => write!(f, "the MTU {mtu} is less than {LOWEST_MTU}"),
            Self::Address(address) => write!(f, "{address} is not the address of a host"),
            Self::OwnPeer(address) => write!(f, "{address} is the address of this host and of a peer"),
        }
    }
}

impl std::error::Error for MalformedVxlan {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(source) => Some(source),
            _ => None,
        }
    }
}

/// Checks a name. The kernel permits more; `%` is a pattern for it, and paths of `sysctl` have no `/`.
fn check_name(name: &str) -> Result<(), MalformedVxlan> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_valid = (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain) && ![".", ".."].contains(&name);
    if is_valid {
        Ok(())
    } else {
        Err(MalformedVxlan::Name(name.into()))
    }
}

fn check_owner(owner: &str) -> Result<(), MalformedVxlan> {
    let rest = owner.strip_prefix(OWNER_PREFIX).unwrap_or_default();
    if rest.is_empty() || owner.len() > OWNER_BYTES || owner.chars().any(char::is_control) {
        return Err(MalformedVxlan::Owner(owner.into()));
    }
    Ok(())
}

fn is_of_a_host(address: Ipv4Addr) -> bool {
    let is_shared = address.is_multicast() || address.is_broadcast();
    !address.is_unspecified() && !address.is_loopback() && !is_shared
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = concat!(
        r#"{"device":"dcn0-1","owner":"decnet 1 maze lan","vni":4096,"local":"192.0.2.1","#,
        r#""peers":["192.0.2.2","192.0.2.3"],"mtu":1450,"bridge":"br-0a1b"}"#
    );

    #[test]
    fn the_documented_json_is_parsed() {
        let vxlan = Vxlan::parse(VALID).unwrap();
        assert_eq!(serde_json::to_string(&vxlan).unwrap(), VALID);
        let found = FoundVxlan {
            vxlan,
            port: VXLAN_PORT,
            up: true,
            guarded: false,
        };
        let json = serde_json::to_string(&found).unwrap();
        let fields = VALID.strip_suffix('}').unwrap();
        assert_eq!(json, format!(r#"{fields},"port":14789,"up":true,"guarded":false}}"#));
        assert_eq!(serde_json::from_str::<FoundVxlan>(&json).unwrap(), found);
        assert_eq!(
            serde_json::to_string(&LinkOutcome::Unchanged).unwrap(),
            r#""unchanged""#
        );
        let named = r#"{"device":"dcn0-1","owner":"decnet 1 maze lan"}"#;
        assert_eq!(
            serde_json::to_string(&OwnedDevice::parse(named).unwrap()).unwrap(),
            named
        );
    }

    #[test]
    fn each_wrong_field_has_its_own_error() {
        let long = format!(r#""owner":"decnet {}""#, "x".repeat(OWNER_BYTES));
        for (from, to, code) in [
            (r#""vni":4096,"#, "", "malformed_link"),
            (r#""device":"dcn0-1""#, r#""device":"""#, "malformed_device_name"),
            (
                r#""device":"dcn0-1""#,
                r#""device":"dcn0-1dcn0-1dcn0""#,
                "malformed_device_name",
            ),
            (r#""device":"dcn0-1""#, r#""device":"dcn%d""#, "malformed_device_name"),
            (r#""device":"dcn0-1""#, r#""device":"..""#, "malformed_device_name"),
            (r#""bridge":"br-0a1b""#, r#""bridge":"""#, "malformed_device_name"),
            (
                r#""owner":"decnet 1 maze lan""#,
                r#""owner":"decnet ""#,
                "malformed_owner",
            ),
            (
                r#""owner":"decnet 1 maze lan""#,
                r#""owner":"other 1""#,
                "malformed_owner",
            ),
            (
                r#""owner":"decnet 1 maze lan""#,
                r#""owner":"decnet 1\n""#,
                "malformed_owner",
            ),
            (r#""owner":"decnet 1 maze lan""#, &long, "malformed_owner"),
            (r#""vni":4096"#, r#""vni":0"#, "malformed_vni"),
            (r#""vni":4096"#, r#""vni":16777216"#, "malformed_vni"),
            (r#""mtu":1450"#, r#""mtu":67"#, "malformed_mtu"),
            (r#""local":"192.0.2.1""#, r#""local":"0.0.0.0""#, "not_a_host_address"),
            ("192.0.2.3", "224.0.0.1", "not_a_host_address"),
            ("192.0.2.3", "127.0.0.1", "not_a_host_address"),
            ("192.0.2.3", "255.255.255.255", "not_a_host_address"),
            ("192.0.2.3", "192.0.2.1", "own_peer"),
        ] {
            let json = VALID.replace(from, to);
            assert_ne!(json, VALID);
            assert_eq!(Vxlan::parse(&json).unwrap_err().code(), code, "{json}");
        }
        let unknown = r#"{"device":"dcn0-1","owner":"decnet 1","vni":1}"#;
        assert_eq!(OwnedDevice::parse(unknown).unwrap_err().code(), "malformed_link");
        let foreign = r#"{"device":"dcn0-1","owner":""}"#;
        assert_eq!(OwnedDevice::parse(foreign).unwrap_err().code(), "malformed_owner");
    }
}
