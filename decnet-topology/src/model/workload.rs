use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, Hash, Hasher},
    iter,
    sync::Arc,
};

use foldhash::fast::FixedState;
use serde_json::Value;

use crate::{
    model::{Persona, ServiceConfig},
    name::ServiceName,
};

/// The workload of a decky: services, their configuration, the archetype and the pinned persona.
///
/// Deckies with the same workload share it. Two workloads are equal if they print the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workload {
    /// The hash of the other fields.
    digest: u64,
    services: BTreeSet<ServiceName>,
    service_config: ServiceConfig,
    archetype: Option<String>,
    persona: Option<Persona>,
}

/// The empty workload. It needs no allocation.
static BARE: Workload = Workload {
    digest: 0,
    services: BTreeSet::new(),
    service_config: ServiceConfig::new(),
    archetype: None,
    persona: None,
};

/// A workload that can be shared; `None` is the empty one.
pub(crate) type Shared = Option<Arc<Workload>>;

impl Workload {
    /// Returns the workload.
    pub(super) fn of(shared: &Shared) -> &Self {
        shared.as_deref().unwrap_or(&BARE)
    }

    /// Changes a workload; others that shared it keep the old one.
    pub(super) fn change(shared: &mut Shared, change: impl FnOnce(&mut Self)) {
        let own = Arc::make_mut(shared.get_or_insert_default());
        change(own);
        let is_bare = own.archetype.is_none() && own.persona.is_none();
        if is_bare && own.services.is_empty() && own.service_config.is_empty() {
            *shared = None;
        } else {
            own.digest = digest(own.services.iter(), &own.service_config, own.archetype(), own.persona());
        }
    }

    pub(super) fn services(&self) -> &BTreeSet<ServiceName> {
        &self.services
    }

    pub(super) fn services_mut(&mut self) -> &mut BTreeSet<ServiceName> {
        &mut self.services
    }

    pub(super) fn service_config(&self) -> &ServiceConfig {
        &self.service_config
    }

    pub(super) fn service_config_mut(&mut self) -> &mut ServiceConfig {
        &mut self.service_config
    }

    pub(super) fn archetype(&self) -> Option<&str> {
        self.archetype.as_deref()
    }

    pub(super) fn set_archetype(&mut self, archetype: Option<String>) {
        self.archetype = archetype;
    }

    pub(super) fn persona(&self) -> Option<&Persona> {
        self.persona.as_ref()
    }

    pub(super) fn set_persona(&mut self, persona: Option<Persona>) {
        self.persona = persona.filter(|persona| !persona.is_empty());
    }
}

impl PartialEq for Workload {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.services == other.services
            && print_alike(&self.service_config, &other.service_config)
            && self.archetype == other.archetype
            && self.persona == other.persona
    }
}

impl Eq for Workload {}

/// Returns whether two configurations print the same. Equal ones may not: 0.0 equals -0.0.
pub(crate) fn print_alike(one: &ServiceConfig, other: &ServiceConfig) -> bool {
    pairwise(one, other, |(service, fields), (other_service, other_fields)| {
        let alike = |(field, value): (&String, _), (other_field, other_value)| {
            field == other_field && values_print_alike(value, other_value)
        };
        service == other_service && pairwise(fields, other_fields, alike)
    })
}

fn values_print_alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one_number), Value::Number(other_number)) => {
            let bits = [one_number, other_number].map(|number| number.as_f64().map(f64::to_bits));
            one_number == other_number && bits[0] == bits[1]
        }
        (Value::Array(values), Value::Array(others)) => pairwise(values, others, values_print_alike),
        (Value::Object(fields), Value::Object(others)) => {
            pairwise(fields, others, |(key, value), (other_key, other)| {
                key == other_key && values_print_alike(value, other)
            })
        }
        _ => one == other,
    }
}

/// Returns whether both have the same number of items, and all pairs of items print the same.
fn pairwise<I>(one: I, other: I, mut alike: impl FnMut(I::Item, I::Item) -> bool) -> bool
where
    I: IntoIterator<IntoIter: ExactSizeIterator>,
{
    let (one, other) = (one.into_iter(), other.into_iter());
    one.len() == other.len() && iter::zip(one, other).all(|(one, other)| alike(one, other))
}

/// The workloads of a maze, each once.
#[derive(Debug)]
pub(crate) struct Workloads {
    /// By digest. If two have the same digest, the second is not shared.
    known: HashMap<u64, Arc<Workload>, FixedState>,
}

impl Default for Workloads {
    fn default() -> Self {
        let known = HashMap::with_hasher(FixedState::default());
        Self { known }
    }
}

impl Workloads {
    /// Returns the workload of these parts; shared if it is already known.
    pub(crate) fn get(
        &mut self,
        services: &[ServiceName],
        service_config: &ServiceConfig,
        archetype: Option<&str>,
        persona: Option<&Persona>,
    ) -> Shared {
        let persona = persona.filter(|persona| !persona.is_empty());
        // If the order differs, only the set shows whether it is known.
        if services.is_sorted_by(|one, next| one < next) {
            let digest = digest(services.iter(), service_config, archetype, persona);
            let known = self.known.get(&digest).filter(|known| {
                known.services.iter().eq(services)
                    && print_alike(&known.service_config, service_config)
                    && known.archetype() == archetype
                    && known.persona() == persona
            });
            if let Some(known) = known {
                return Some(Arc::clone(known));
            }
        }
        let mut shared = None;
        Workload::change(&mut shared, |workload| {
            workload.services = services.iter().cloned().collect();
            workload.service_config = service_config.clone();
            workload.archetype = archetype.map(Into::into);
            workload.set_persona(persona.cloned());
        });
        self.share(&mut shared);
        shared
    }

    /// Replaces a workload by an equal known one, or records it.
    pub(super) fn share(&mut self, shared: &mut Shared) {
        let Some(workload) = shared else { return };
        let known = self
            .known
            .entry(workload.digest)
            .or_insert_with(|| Arc::clone(workload));
        if !Arc::ptr_eq(known, workload) && known == workload {
            *workload = Arc::clone(known);
        }
    }
}

fn digest<'a>(
    services: impl Iterator<Item = &'a ServiceName>,
    service_config: &ServiceConfig,
    archetype: Option<&str>,
    persona: Option<&Persona>,
) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    services.for_each(|service| hasher.write(service.as_str().as_bytes()));
    if !service_config.is_empty() {
        service_config.hash(&mut hasher);
    }
    if let Some(archetype) = archetype {
        archetype.hash(&mut hasher);
    }
    if let Some(persona) = persona {
        persona.hash(&mut hasher);
    }
    hasher.finish()
}
