use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use crate::{
    alloc::{AllocError, IpAllocator, SubnetAllocator},
    finding::{Code, Finding, Findings, Severity, Target},
    id::{DeckyId, LanId},
    model::{Attachment, Decky, Draft, DraftDecky, Lan, Topology, TopologyError, Workloads},
    name::Name,
    validate::{Report, unusable_subnet},
};

/// Where missing subnets are taken from, and which are taken by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPool {
    /// The range of addresses; the default is 172.16.0.0/12.
    pub pool: Ipv4Net,
    /// The length of a subnet; the default is 24.
    pub prefix: u8,
    /// The subnets that others have, of any length.
    pub taken: Vec<Ipv4Net>,
}

impl SubnetPool {
    /// Takes from the default pool, past what others have.
    pub fn past(taken: impl IntoIterator<Item = Ipv4Net>) -> Self {
        Self {
            taken: taken.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Default for SubnetPool {
    fn default() -> Self {
        Self {
            pool: crate::config::DEFAULT_BASE,
            prefix: crate::config::DEFAULT_LAN_PREFIX,
            taken: Vec::new(),
        }
    }
}

/// Says why a draft could not be completed to a topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum ResolveError {
    /// The draft has errors that no allocation mends.
    #[error("the draft has {} error(s), the first: {}", .report.count(Severity::Error), .report.errors().next().map(ToString::to_string).unwrap_or_default())]
    #[strum(serialize = "invalid")]
    Unsound {
        /// What was found: by the parser, and names, memberships and subnets that make no topology.
        report: Report,
    },
    /// There are too few subnets for the LANs without one.
    #[error("the LANs without a subnet cannot all have one")]
    #[strum(serialize = "exhausted")]
    Subnets {
        /// Why.
        source: AllocError,
    },
    /// There are too few addresses for the deckies of a LAN.
    #[error("the deckies of LAN `{lan}` cannot all have an address")]
    #[strum(serialize = "exhausted")]
    Addresses {
        /// The LAN.
        lan: Name,
        /// Why.
        source: AllocError,
    },
    /// The parts make no topology.
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
    /// Completes the draft: LANs without a subnet take the next free one of the pool, attachments without an address the
    /// lowest free one of their LAN, both in the order of the document.
    ///
    /// Subnets are taken past those of `claims` and of the draft itself; addresses that are given stand as they are, even where
    /// a rule is against them: that is for the validator to say. The ids are the ordinals of the document.
    ///
    /// ```
    /// use decnet_topology::{Draft, alloc::SubnetPool, model::DraftLan};
    ///
    /// let lans = vec![DraftLan { name: "dmz".into(), is_dmz: true, ..DraftLan::default() }];
    /// let draft = Draft { lans, ..Draft::default() };
    /// let topology = draft.resolve(&SubnetPool::past(["172.16.0.0/24".parse()?]))?;
    /// assert_eq!(topology.lans()[0].subnet().to_string(), "172.16.1.0/24");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(&self, claims: &SubnetPool) -> Result<Topology, ResolveError> {
        let soundness = self.soundness();
        let (Some(lan_names), Some(decky_names), true) =
            (soundness.lans, soundness.deckies, soundness.report.is_clean())
        else {
            return Err(ResolveError::Unsound {
                report: soundness.report,
            });
        };
        let subnets = self
            .subnets(claims)
            .map_err(|source| ResolveError::Subnets { source })?;
        let lans: Vec<Lan> = (0..)
            .zip(lan_names)
            .zip(self.lans.iter().zip(subnets))
            .map(|((id, name), (lan, subnet))| Lan::new(LanId::new(id), name, subnet, lan.is_dmz).at(lan.position))
            .collect();
        let attachments = self.attachments(&lans)?;
        let mut workloads = Workloads::default();
        let deckies = (0..)
            .zip(decky_names)
            .zip(self.deckies.iter().zip(attachments))
            .map(|((id, name), (decky, attachments))| {
                complete(DeckyId::new(id), name, decky, attachments, &mut workloads)
            })
            .collect();
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

    /// Completes the attachments of every decky. Their LANs are there: soundness was checked.
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
                // An address outside the subnet, or reserved, takes none of those that are handed out.
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

    /// Checks what a topology cannot be without: names, each once, memberships in LANs that are there, each once, and subnets
    /// that have addresses for hosts.
    fn soundness(&self) -> Soundness {
        let mut findings = Found::by_parser(&self.findings);
        let lans = names(&self.lans, &mut findings, Code::LanNameDup, "LAN", |lan| {
            (&lan.name, Target::Lan { lan: lan.name.clone() })
        });
        let deckies = names(&self.deckies, &mut findings, Code::DeckyNameDup, "decky", |decky| {
            (
                &decky.name,
                Target::Decky {
                    decky: decky.name.clone(),
                },
            )
        });
        for decky in &self.deckies {
            self.check_memberships(decky, &mut findings);
        }
        let unusable = self
            .lans
            .iter()
            .filter_map(|lan| unusable_subnet(&lan.name, lan.subnet?));
        findings.all.extend(unusable);
        Soundness {
            lans,
            deckies,
            report: Report::new(findings.all.into_vec()),
        }
    }

    fn check_memberships(&self, decky: &DraftDecky, findings: &mut Found) {
        let mut seen = BTreeSet::new();
        for attachment in &decky.attachments {
            let lan = self.lans.get(attachment.lan);
            let target = Target::Attachment {
                decky: decky.name.clone(),
                lan: lan.map_or_else(|| format!("#{}", attachment.lan), |lan| lan.name.clone()),
            };
            if lan.is_none() {
                let message = format!("decky `{}` is attached to a LAN that is not there", decky.name);
                findings.add(Code::IpUnknownLan, target, message);
            } else if !seen.insert(attachment.lan) {
                let message = format!("decky `{}` is attached twice to one LAN", decky.name);
                findings.add(Code::AttachmentDup, target, message);
            }
        }
    }
}

struct Soundness {
    /// The names of the LANs, if all are good.
    lans: Option<Vec<Name>>,
    deckies: Option<Vec<Name>>,
    report: Report,
}

/// Findings, the parser's first. What the parser reports is not reported again: it saw the same document.
struct Found {
    all: Findings,
    known: BTreeSet<(Code, Target)>,
    /// The codes of which the parser counts only: each finding is known, by its number.
    counted: BTreeSet<Code>,
}

impl Found {
    fn by_parser(findings: &[Finding]) -> Self {
        let mut all = Findings::default();
        all.extend(findings.iter().cloned());
        let (more, listed): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.count_of_more().is_some());
        let known = listed.into_iter().map(|finding| (finding.code, finding.target.clone()));
        Self {
            all,
            known: known.collect(),
            counted: more.into_iter().map(|finding| finding.code).collect(),
        }
    }

    fn add(&mut self, code: Code, target: Target, message: String) {
        if !self.counted.contains(&code) && !self.known.contains(&(code, target.clone())) {
            self.all.push(Finding::new(code, target, message));
        }
    }
}

/// Reads the names of parts, and finds those that are none or stand twice.
fn names<'a, T>(
    parts: &'a [T],
    findings: &mut Found,
    dup: Code,
    what: &str,
    of: impl Fn(&'a T) -> (&'a str, Target),
) -> Option<Vec<Name>> {
    let mut seen = BTreeSet::new();
    let mut good = Vec::with_capacity(parts.len());
    for (text, target) in parts.iter().map(of) {
        match Name::new(text) {
            Ok(name) if seen.insert(name.clone()) => good.push(name),
            Ok(_) => findings.add(dup, target, format!("the {what} name `{text}` stands twice")),
            Err(error) => findings.add(Code::NameInvalid, target, format!("`{text}` is no name: {error}")),
        }
    }
    (good.len() == parts.len()).then_some(good)
}

fn complete(
    id: DeckyId,
    name: Name,
    draft: &DraftDecky,
    attachments: Vec<Attachment>,
    workloads: &mut Workloads,
) -> Decky {
    let workload = workloads.get(&draft.services, &draft.service_config, draft.archetype.as_deref());
    Decky::new(id, name)
        .with_loadout(workload)
        .forwarding(draft.forwards_l3)
        .with_attachments(attachments)
        .at(draft.position)
}
