//! Reads and changes the links of the host in whose network namespace this process is.

use std::{collections::BTreeSet, io, net::Ipv4Addr};

use rustix::io::Errno;

use super::{
    device::{self, BRIDGE, Device, Tunnel, VXLAN},
    error::LinkError,
    forwarding::{self, Entry},
    guard::{self, FoundGuard, Guard},
    lock::Lock,
};
use crate::{
    namespace::{Namespace, has_nf_tables},
    netlink,
    protocol::{FoundVxlan, LinkOutcome, OWNER_PREFIX, OwnedDevice, VXLAN_PORT, Vxlan},
};

/// The links of this host.
pub(super) struct Host {
    namespace: Namespace,
}

/// What exists of a link with the right owner.
struct Own {
    device: Option<Device>,
    has_guard: bool,
}

impl Host {
    /// Opens the namespace of this process. It is an error if the kernel has no `nf_tables`: without guards, links must not exist.
    pub(super) fn open() -> Result<Self, LinkError> {
        if !has_nf_tables().map_err(LinkError::at("ask for nf_tables"))? {
            return Err(LinkError::Unsupported("nf_tables"));
        }
        let namespace = Namespace::open().map_err(LinkError::at("open the network namespace"))?;
        Ok(Self { namespace })
    }

    /// Creates a link, or changes what differs. If creating fails, nothing of it remains.
    pub(super) fn ensure(&mut self, wanted: &Vxlan) -> Result<LinkOutcome, LinkError> {
        let _lock = Lock::acquire()?;
        let bridge = self.device(&wanted.bridge)?.filter(|device| device.kind == BRIDGE);
        let bridge = bridge.ok_or_else(|| LinkError::NoBridge(wanted.bridge.clone()))?;
        let own = self.own(&wanted.device, &wanted.owner)?;
        let guard = Guard::of(wanted);
        match own.device {
            Some(device) if device.tunnel == Some(Tunnel::of(wanted)) => {
                let is_new = guard.set()?;
                let is_changed = self.adjust(&device, wanted, bridge.index)?;
                Ok(outcome(is_new || is_changed))
            }
            found => {
                // The next guard does not cover this device.
                if let Some(device) = found {
                    self.delete(&device)?;
                }
                self.create(wanted, &guard, bridge.index)?;
                Ok(LinkOutcome::Changed)
            }
        }
    }

    /// Removes the device and then its guard, if they exist.
    pub(super) fn remove(&mut self, named: &OwnedDevice) -> Result<LinkOutcome, LinkError> {
        let _lock = Lock::acquire()?;
        let own = self.own(&named.device, &named.owner)?;
        if let Some(device) = &own.device {
            self.delete(device)?;
        }
        if own.has_guard {
            guard::remove(&named.device)?;
        }
        Ok(outcome(own.device.is_some() || own.has_guard))
    }

    /// Returns the links of all owners, by the names of their devices.
    pub(super) fn list(&mut self) -> Result<Vec<FoundVxlan>, LinkError> {
        let guards = guard::found()?;
        let devices = self.devices()?;
        let mut links = Vec::new();
        for device in &devices {
            let owner = owner(device, &guards);
            if let Some(tunnel) = device.tunnel
                && owner.starts_with(OWNER_PREFIX)
            {
                links.push(self.found(device, tunnel, owner, &devices)?);
            }
        }
        let is_own = |guard: &&FoundGuard| guard.owner.starts_with(OWNER_PREFIX);
        let is_alone = |guard: &&FoundGuard| !devices.iter().any(|device| device.name == guard.device);
        links.extend(guards.iter().filter(is_own).filter(is_alone).map(without_device));
        links.sort_by(|one, other| one.vxlan.device.cmp(&other.vxlan.device));
        Ok(links)
    }

    fn found(
        &mut self,
        device: &Device,
        tunnel: Tunnel,
        owner: &str,
        devices: &[Device],
    ) -> Result<FoundVxlan, LinkError> {
        let entries = self.entries(device)?;
        let bridge = devices.iter().find(|bridge| Some(bridge.index) == device.master);
        let vxlan = Vxlan {
            device: device.name.clone(),
            owner: owner.into(),
            vni: tunnel.vni,
            local: tunnel.local,
            peers: entries
                .iter()
                .filter(|entry| entry.is_flood())
                .filter_map(Entry::peer)
                .collect(),
            mtu: u16::try_from(device.mtu).unwrap_or(u16::MAX),
            bridge: bridge.map(|bridge| bridge.name.clone()).unwrap_or_default(),
        };
        let is_set = Guard::of(&vxlan).is_set().map_err(LinkError::at("compare the guard"))?;
        Ok(FoundVxlan {
            guarded: is_set && tunnel.port == VXLAN_PORT,
            port: tunnel.port,
            up: device.up,
            vxlan,
        })
    }

    /// Finds a device and its guard, which must belong to the owner.
    fn own(&mut self, name: &str, wanted: &str) -> Result<Own, LinkError> {
        let guards = guard::found()?;
        let device = self.device(name)?;
        if let Some(device) = &device {
            let owner = owner(device, &guards);
            if device.kind != VXLAN || owner != wanted {
                let kind = if device.kind.is_empty() {
                    "network"
                } else {
                    &device.kind
                };
                let what = format!("the {kind} device `{name}`");
                let owner = owner.into();
                return Err(LinkError::Foreign { what, owner });
            }
        }
        let guard = guards.into_iter().find(|guard| guard.device == name);
        match guard {
            Some(guard) if guard.owner != wanted => Err(LinkError::Foreign {
                what: guard::described(name),
                owner: guard.owner,
            }),
            guard => Ok(Own {
                device,
                has_guard: guard.is_some(),
            }),
        }
    }

    fn create(&mut self, wanted: &Vxlan, guard: &Guard, bridge: u32) -> Result<(), LinkError> {
        let mut created = None;
        let done = self.create_all(wanted, guard, bridge, &mut created);
        done.map_err(|cause| {
            let undone = created.map_or(Ok(()), |device| self.delete(&device));
            // The device must not exist without its guard.
            let undone = undone.and_then(|()| remove_guard(&wanted.device));
            match undone {
                Ok(()) => cause,
                Err(undo) => LinkError::NotUndone {
                    cause: Box::new(cause),
                    undo: Box::new(undo),
                },
            }
        })
    }

    fn create_all(
        &mut self,
        wanted: &Vxlan,
        guard: &Guard,
        bridge: u32,
        created: &mut Option<Device>,
    ) -> Result<(), LinkError> {
        guard.set()?;
        self.change(|sequence| device::create(sequence, wanted))
            .map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::OPNOTSUPP) => LinkError::Unsupported("VXLAN (the module `vxlan`)"),
                Some(Errno::EXIST) => LinkError::VniTaken(wanted.vni),
                _ => LinkError::at(format!("create the device `{}`", wanted.device))(error),
            })?;
        let device = self.device(&wanted.device)?.ok_or_else(|| {
            let missing = io::Error::from(io::ErrorKind::NotFound);
            LinkError::at(format!("find the created device `{}`", wanted.device))(missing)
        })?;
        let device = created.insert(device);
        self.adjust(device, wanted, bridge)?;
        Ok(())
    }

    /// Changes what differs and can be changed, and returns whether there was anything. The device is set up last.
    fn adjust(&mut self, device: &Device, wanted: &Vxlan, bridge: u32) -> Result<bool, LinkError> {
        let (name, index) = (&wanted.device, device.index);
        let mut changed = self.forward(device, &wanted.peers)?;
        let mut step = |is_needed: bool, step: String, request: &dyn Fn(u32) -> Vec<u8>| {
            changed |= is_needed;
            if is_needed {
                self.change(request).map_err(LinkError::at(step))?;
            }
            Ok::<(), LinkError>(())
        };
        step(
            device.alias != wanted.owner,
            format!("set the owner of the device `{name}`"),
            &|sequence| device::set_alias(sequence, index, &wanted.owner),
        )?;
        step(
            device.mtu != u32::from(wanted.mtu),
            format!("set the MTU of the device `{name}` to {}", wanted.mtu),
            &|sequence| device::set_mtu(sequence, index, wanted.mtu),
        )?;
        step(
            device.speaks_ipv6,
            format!("turn off IPv6 on the device `{name}`"),
            &|sequence| device::silence_ipv6(sequence, index),
        )?;
        step(
            device.master != Some(bridge),
            format!("add the device `{name}` to the bridge `{}`", wanted.bridge),
            &|sequence| device::set_master(sequence, index, bridge),
        )?;
        step(!device.up, format!("set the device `{name}` up"), &|sequence| {
            device::set_up(sequence, index)
        })?;
        Ok(changed)
    }

    /// Sends broadcasts to these peers, and nothing to other hosts. Returns whether anything changed.
    fn forward(&mut self, device: &Device, peers: &BTreeSet<Ipv4Addr>) -> Result<bool, LinkError> {
        let mut missing = peers.clone();
        let mut changed = false;
        for entry in self.entries(device)? {
            let peer = entry.peer().filter(|peer| peers.contains(peer));
            match peer {
                Some(peer) if entry.is_flood() => {
                    missing.remove(&peer);
                }
                // Learned from frames of this peer.
                Some(_) => {}
                None => {
                    self.stop_forwarding(device, &entry)?;
                    changed = true;
                }
            }
        }
        for peer in missing {
            self.change(|sequence| forwarding::add(sequence, device.index, &Entry::flood(peer)))
                .map_err(LinkError::at(format!(
                    "add the peer {peer} to the device `{}`",
                    device.name
                )))?;
            changed = true;
        }
        Ok(changed)
    }

    fn stop_forwarding(&mut self, device: &Device, entry: &Entry) -> Result<(), LinkError> {
        match self.change(|sequence| forwarding::remove(sequence, device.index, entry)) {
            // A learned entry expired meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(LinkError::at(format!("remove a peer of the device `{}`", device.name))),
        }
    }

    fn delete(&mut self, device: &Device) -> Result<(), LinkError> {
        match self.change(|sequence| device::delete(sequence, device.index)) {
            Err(error) if is_missing(&error) => Ok(()),
            done => done.map_err(LinkError::at(format!("remove the device `{}`", device.name))),
        }
    }

    /// Finds a device by its name.
    fn device(&mut self, name: &str) -> Result<Option<Device>, LinkError> {
        match self.namespace.exchange(|sequence| device::get(sequence, name)) {
            Ok(answer) => Ok(answer.iter().find_map(|message| device::read(message))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(LinkError::at(format!("read the device `{name}`"))(error)),
        }
    }

    fn devices(&mut self) -> Result<Vec<Device>, LinkError> {
        let answer = self.namespace.exchange(netlink::get_links);
        let answer = answer.map_err(LinkError::at("read the devices"))?;
        Ok(answer.iter().filter_map(|message| device::read(message)).collect())
    }

    fn entries(&mut self, device: &Device) -> Result<Vec<Entry>, LinkError> {
        let answer = self
            .namespace
            .exchange(|sequence| forwarding::get(sequence, device.index))
            .map_err(LinkError::at(format!("read the peers of the device `{}`", device.name)))?;
        let entries = answer
            .iter()
            .filter_map(|message| forwarding::read(message, device.index));
        Ok(entries.collect())
    }

    fn change(&mut self, request: impl Fn(u32) -> Vec<u8>) -> io::Result<()> {
        self.namespace.exchange(request).map(|_| ())
    }
}

/// Returns the owner of a device. A device without an alias belongs to the owner of its guard if it cannot work yet: a command that
/// was killed has created it.
fn owner<'a>(device: &'a Device, guards: &'a [FoundGuard]) -> &'a str {
    let is_unfinished = device.alias.is_empty() && !device.up && device.master.is_none();
    let guard = guards.iter().find(|guard| guard.device == device.name);
    match guard {
        Some(guard) if is_unfinished && device.kind == VXLAN => &guard.owner,
        _ => &device.alias,
    }
}

fn without_device(guard: &FoundGuard) -> FoundVxlan {
    FoundVxlan {
        vxlan: Vxlan {
            device: guard.device.clone(),
            owner: guard.owner.clone(),
            vni: 0,
            local: Ipv4Addr::UNSPECIFIED,
            peers: BTreeSet::new(),
            mtu: 0,
            bridge: String::new(),
        },
        port: 0,
        up: false,
        guarded: false,
    }
}

fn remove_guard(device: &str) -> Result<(), LinkError> {
    let exists = guard::found()?.iter().any(|guard| guard.device == device);
    if exists { guard::remove(device) } else { Ok(()) }
}

fn is_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
}

fn outcome(changed: bool) -> LinkOutcome {
    if changed {
        LinkOutcome::Changed
    } else {
        LinkOutcome::Unchanged
    }
}
