use ipnet::Ipv4Net;

use crate::{
    alloc::{AllocError, IpAllocator, SubnetAllocator},
    catalog::Catalog,
    finding::{Findings, Severity},
    id::{DeckyId, LanId},
    model::{Attachment, Decky, Draft, Lan, Topology, TopologyError, Workloads},
    name::Name,
    validate::{Report, unusable_subnet},
};

/// The pool for missing subnets, and the subnets that other mazes use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPool {
    /// The range of addresses; the default is 172.16.0.0/12.
    pub pool: Ipv4Net,
    /// The length of a subnet; the default is 24.
    pub prefix: u8,
    /// The subnets of other mazes, of any length.
    pub taken: Vec<Ipv4Net>,
}

impl SubnetPool {
    /// Uses the default pool without these subnets.
    pub fn without(taken: impl IntoIterator<Item = Ipv4Net>) -> Self {
        Self {
            taken: taken.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Default for SubnetPool {
    fn default() -> Self {
        Self {
            pool: crate::config::DEFAULT_SUBNET_BASE_PREFIX,
            prefix: crate::config::DEFAULT_LAN_PREFIX,
            taken: Vec::new(),
        }
    }
}

/// The reason why a draft could not be completed to a topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum ResolveError {
    /// The draft has errors that allocation cannot fix.
    #[error("the draft has {} error(s), the first: {}", .report.count(Severity::Error), .report.errors().next().map(ToString::to_string).unwrap_or_default())]
    #[strum(serialize = "invalid")]
    Unsound {
        /// The findings of the parser, and those on names, attachments and subnets.
        report: Report,
    },
    /// There are too few subnets for the LANs without one.
    #[error("not all LANs without a subnet can get one")]
    #[strum(serialize = "exhausted")]
    Subnets {
        /// The reason.
        source: AllocError,
    },
    /// There are too few addresses for the deckies of a LAN.
    #[error("not all deckies of LAN `{lan}` can get an address")]
    #[strum(serialize = "exhausted")]
    Addresses {
        /// The LAN.
        lan: Name,
        /// The reason.
        source: AllocError,
    },
    /// The topology is not well-formed.
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

impl ResolveError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Topology(error) => error.code(),
            error => error.into(),
        }
    }
}

impl Draft {
    /// Completes the draft: each LAN without a subnet gets the next free subnet of the pool, and each attachment without an
    /// address gets the lowest free address of its LAN, in the order of the document. A decky without `services` gets those of
    /// its archetype in the catalogue; none if it has no archetype, or an unknown one.
    ///
    /// Subnets that overlap `claims` or the draft itself are skipped. Given addresses are kept even if they break a rule; the
    /// validator reports them. The ids are the positions in the document.
    ///
    /// ```
    /// use decnet_topology::{Catalog, Draft, SubnetPool, DraftLan};
    ///
    /// let catalog = Catalog::builtin();
    /// let lans = vec![DraftLan { name: "dmz".into(), is_dmz: true, ..DraftLan::default() }];
    /// let draft = Draft { lans, ..Draft::default() };
    /// let topology = draft.resolve(&catalog, &SubnetPool::without(["172.16.0.0/24".parse()?]))?;
    /// assert_eq!(topology.lans()[0].subnet().to_string(), "172.16.1.0/24");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(&self, catalog: &Catalog, claims: &SubnetPool) -> Result<Topology, ResolveError> {
        let report = self.check();
        if !report.is_clean() {
            return Err(ResolveError::Unsound { report });
        }
        let subnets = self
            .subnets(claims)
            .map_err(|source| ResolveError::Subnets { source })?;
        let lans = (0..).zip(self.lans.iter().zip(subnets)).map(|(id, (lan, subnet))| {
            let name = lan.name.clone();
            let parsed = Name::new(&name).map_err(|source| TopologyError::LanName { name, source })?;
            Ok(Lan::new(LanId::new(id), parsed, subnet, lan.is_dmz).at(lan.position))
        });
        let lans: Vec<Lan> = lans.collect::<Result<_, TopologyError>>()?;
        let attachments = self.attachments(&lans)?;
        let mut workloads = Workloads::default();
        let deckies = (0..).zip(self.deckies.iter().zip(attachments));
        let deckies = deckies.map(|(id, (decky, attachments))| {
            let name = decky.name.clone();
            let parsed = Name::new(&name).map_err(|source| TopologyError::DeckyName { name, source })?;
            let services: Vec<_> = decky.services_in(catalog).cloned().collect();
            let workload = workloads.get(
                &services,
                &decky.service_config,
                decky.archetype.as_deref(),
                decky.persona.as_ref(),
            );
            Ok(Decky::new(DeckyId::new(id), parsed)
                .with_workload(workload)
                .forwarding(decky.forwards_l3)
                .with_attachments(attachments)
                .at(decky.position))
        });
        let deckies = deckies.collect::<Result<_, TopologyError>>()?;
        Ok(Topology::new(lans, deckies)?)
    }

    fn subnets(&self, claims: &SubnetPool) -> Result<Vec<Ipv4Net>, AllocError> {
        let needed = self.lans.iter().filter(|lan| lan.subnet.is_none()).count() as u64;
        if needed == 0 {
            return Ok(self.lans.iter().filter_map(|lan| lan.subnet).collect());
        }
        let mut pool = SubnetAllocator::new(claims.pool, claims.prefix)?;
        let own = self.lans.iter().filter_map(|lan| lan.subnet);
        for subnet in claims.taken.iter().copied().chain(own) {
            pool.reserve(subnet);
        }
        let available = pool.available();
        if needed > available {
            return Err(AllocError::SubnetsExhausted {
                base: pool.base(),
                prefix: pool.prefix(),
                needed,
                available,
            });
        }
        let subnets = self
            .lans
            .iter()
            .map(|lan| lan.subnet.map_or_else(|| pool.next_free(), Ok));
        subnets.collect()
    }

    /// Completes the attachments of every decky. Their LANs exist because the form was checked.
    fn attachments(&self, lans: &[Lan]) -> Result<Vec<Vec<Attachment>>, ResolveError> {
        let pool = |lan: &Lan| {
            IpAllocator::new(lan.subnet()).map_err(|source| ResolveError::Addresses {
                lan: lan.name().clone(),
                source,
            })
        };
        let mut pools: Vec<IpAllocator> = lans.iter().map(pool).collect::<Result<_, _>>()?;
        let mut open = vec![0_u64; lans.len()];
        for attachment in self.deckies.iter().flat_map(|decky| &decky.attachments) {
            match attachment.ip {
                // An address that is outside the subnet or reserved uses up none of the free ones.
                Some(ip) => drop(pools[attachment.lan].reserve(ip)),
                None => open[attachment.lan] += 1,
            }
        }
        for ((lan, pool), needed) in lans.iter().zip(&pools).zip(open) {
            if needed > pool.available() {
                return Err(ResolveError::Addresses {
                    lan: lan.name().clone(),
                    source: AllocError::AddressesExhausted {
                        subnet: lan.subnet(),
                        needed,
                        available: pool.available(),
                    },
                });
            }
        }
        let mut address = |lan: usize| {
            pools[lan].next_free().map_err(|source| ResolveError::Addresses {
                lan: lans[lan].name().clone(),
                source,
            })
        };
        let completed = self.deckies.iter().map(|decky| {
            let attachments = decky.attachments.iter().map(|open| {
                let ip = open.ip.map_or_else(|| address(open.lan), Ok)?;
                let lan = lans[open.lan].id();
                Ok(Attachment { lan, ip })
            });
            attachments.collect()
        });
        completed.collect()
    }

    /// Checks what every topology needs: a good form, and subnets with addresses for hosts.
    fn check(&self) -> Report {
        let mut findings = Findings::default();
        findings.extend(self.findings.iter().cloned());
        self.check_form(&mut findings);
        let lans = self.lans.iter();
        findings.extend(lans.filter_map(|lan| unusable_subnet(&lan.name, lan.subnet?)));
        Report::new(findings.into_vec())
    }
}
