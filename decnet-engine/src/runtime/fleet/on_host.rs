//! The names of resources on a member, and without it.

use super::Ids;
use crate::{
    desired::{BaseSpec, InterfaceSpec, LinkSpec, NetworkSpec, ServiceSpec, VolumeSpec},
    naming::{ContainerName, LinkName, NetworkName, VolumeName},
    observe::{Observed, ObservedContainer, ObservedImage, ObservedLink, ObservedNetwork, ObservedVolume},
    plan::Action,
    runtime::{CapturePlace, CaptureRequest, CommandRequest, CopyRequest},
};

/// Data with names of resources. A member knows them without its own name, and the engine knows them with it.
pub(super) trait OnHost: Sized {
    /// Returns the same data with the names on another member; none for the names as the member knows them.
    fn on(self, host: Option<&str>) -> Self;
}

macro_rules! names {
    ($($name:ident),*) => {$(
        impl OnHost for $name {
            fn on(self, host: Option<&str>) -> Self {
                $name::on(&self, host)
            }
        }
    )*};
}

names!(ContainerName, LinkName, NetworkName, VolumeName);

/// Each of these has names in the listed fields.
macro_rules! fields {
    ($($kind:ident { $($field:ident),* })*) => {$(
        impl OnHost for $kind {
            fn on(mut self, host: Option<&str>) -> Self {
                $(self.$field = self.$field.on(host);)*
                self
            }
        }
    )*};
}

fields! {
    NetworkSpec { name }
    InterfaceSpec { network }
    BaseSpec { name, interfaces }
    VolumeSpec { name }
    ServiceSpec { name, base, volumes }
    LinkSpec { name, network }
    ObservedNetwork { id, name }
    ObservedVolume { name }
    ObservedContainer { id, name, networks, interfaces, shares, volumes }
    ObservedLink { name, network }
    Observed { networks, containers, volumes, images, links }
    CommandRequest { container }
    CopyRequest { container }
    CaptureRequest { place }
}

impl OnHost for ObservedImage {
    fn on(mut self, host: Option<&str>) -> Self {
        self.host = host.map(Into::into);
        self
    }
}

/// The id of a resource.
impl OnHost for String {
    fn on(self, host: Option<&str>) -> Self {
        Ids::on(&self, host)
    }
}

impl<T: OnHost> OnHost for Option<T> {
    fn on(self, host: Option<&str>) -> Self {
        self.map(|inner| inner.on(host))
    }
}

impl<T: OnHost> OnHost for Box<T> {
    fn on(self, host: Option<&str>) -> Self {
        Box::new((*self).on(host))
    }
}

impl<T: OnHost> OnHost for Vec<T> {
    fn on(self, host: Option<&str>) -> Self {
        self.into_iter().map(|inner| inner.on(host)).collect()
    }
}

impl<T: OnHost + Ord> OnHost for std::collections::BTreeSet<T> {
    fn on(self, host: Option<&str>) -> Self {
        self.into_iter().map(|inner| inner.on(host)).collect()
    }
}

impl<K: OnHost + Ord, V> OnHost for std::collections::BTreeMap<K, V> {
    fn on(self, host: Option<&str>) -> Self {
        self.into_iter().map(|(key, value)| (key.on(host), value)).collect()
    }
}

impl OnHost for CapturePlace {
    fn on(self, host: Option<&str>) -> Self {
        match self {
            Self::Network(network) => Self::Network(network.on(host)),
            Self::Base { base, address } => Self::Base {
                base: base.on(host),
                address,
            },
        }
    }
}

impl OnHost for Action {
    fn on(self, host: Option<&str>) -> Self {
        let of = || host.map(Into::into);
        match self {
            Self::EnsureImage { image, .. } => Self::EnsureImage { image, host: of() },
            Self::CreateNetwork { network } => Self::CreateNetwork {
                network: network.on(host),
            },
            Self::CreateVolume { volume } => Self::CreateVolume {
                volume: volume.on(host),
            },
            Self::CreateBase { base } => Self::CreateBase { base: base.on(host) },
            Self::CreateService { service } => Self::CreateService {
                service: service.on(host),
            },
            Self::Connect { container, interface } => Self::Connect {
                container: container.on(host),
                interface: interface.on(host),
            },
            Self::Disconnect {
                container,
                network,
                interface,
            } => Self::Disconnect {
                container: container.on(host),
                network: network.on(host),
                interface: interface.on(host),
            },
            Self::SetState { container, state } => Self::SetState {
                container: container.on(host),
                state,
            },
            Self::Restart { container, role } => Self::Restart {
                container: container.on(host),
                role,
            },
            Self::RemoveContainer {
                container,
                id,
                role,
                networks,
                deletes_log,
            } => Self::RemoveContainer {
                container: container.on(host),
                id: id.on(host),
                role,
                networks: networks.on(host),
                deletes_log,
            },
            Self::RemoveNetwork { network, id } => Self::RemoveNetwork {
                network: network.on(host),
                id: id.on(host),
            },
            Self::RemoveVolume { volume } => Self::RemoveVolume {
                volume: volume.on(host),
            },
            Self::RemoveImage { reference, .. } => Self::RemoveImage { reference, host: of() },
            Self::EnsureLink { link } => Self::EnsureLink { link: link.on(host) },
            Self::RemoveLink { link, labels } => Self::RemoveLink {
                link: link.on(host),
                labels,
            },
        }
    }
}
