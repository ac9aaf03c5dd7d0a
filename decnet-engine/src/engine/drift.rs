//! Drift inside the bases, which no list of the runtime shows: routes and forwarding that are not what they should be, and programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{Engine, EngineError};
use crate::{
    decoy::PROGRAM_PATH,
    desired::{BaseSpec, Desired},
    naming::{ContainerName, Role},
    observe::{Activity, Observed, ObservedContainer},
    runtime::{RuntimeError, View},
};

/// How often, and after which pauses, a base that deviates is looked at again: one that has just started sets its routes a few
/// milliseconds after the runtime calls it started.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// How long a base may have run to count as one that has just started.
const JUST_STARTED: SignedDuration = SignedDuration::from_secs(2);

/// Which bases are asked, and how patiently.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    /// All, once.
    All,
    /// These, which have just begun to run: what deviates is given a moment to come right by itself.
    Settling(&'a BTreeSet<&'a ContainerName>),
}

impl Asked<'_> {
    /// How often one that has just begun to run is asked.
    pub(super) const SETTLING: usize = LOOKS;
}

impl Engine {
    /// Looks into running bases that should be there, and marks those that deviate or that somebody tampered with.
    ///
    /// What shows from outside counts. Only where nothing shows, which is logged, the program in a base is asked.
    pub(super) async fn look_inside(
        &self,
        desired: &Desired,
        observed: &mut Observed,
        width: usize,
        asked: Asked<'_>,
    ) -> Result<(), EngineError> {
        let running = observed
            .containers
            .iter()
            .filter(|container| container.role() == Some(Role::Base) && container.activity == Activity::Running);
        let bases: Vec<(&ObservedContainer, &BaseSpec)> = running
            .filter(|container| match asked {
                Asked::All => true,
                Asked::Settling(begun) => begun.contains(&container.name),
            })
            .filter_map(|container| Some((container, desired.bases.get(&container.name)?)))
            .collect();
        let (timeout, mut views) = match asked {
            Asked::All => (1, self.look_from_outside(&bases).await),
            Asked::Settling(_) => (LOOKS, BTreeMap::new()),
        };
        let hidden = bases.into_iter().map(|(_, base)| base);
        let hidden = hidden.filter(|base| matches!(views.get(&base.name), None | Some(View::Hidden { .. })));
        let looks: Vec<_> = hidden.map(|base| self.deviates(base, timeout)).collect();
        let found: Vec<Option<ContainerName>> =
            stream::iter(looks).buffer_unordered(width.max(1)).try_collect().await?;
        let deviating: BTreeSet<ContainerName> = found.into_iter().flatten().collect();
        for container in &mut observed.containers {
            let view = views.remove(&container.name);
            container.deviates = deviating.contains(&container.name) || matches!(view, Some(View::Deviates { .. }));
            container.tampered = view.as_ref().and_then(View::tampered).map(Into::into);
        }
        Ok(())
    }

    /// Looks at bases from outside. One that deviates and has just started is given a moment to set its state.
    pub(super) async fn look_from_outside(
        &self,
        bases: &[(&ObservedContainer, &BaseSpec)],
    ) -> BTreeMap<ContainerName, View> {
        let mut views = self.runtime.look_through(bases).await;
        for _ in 1..LOOKS {
            let recent = Timestamp::now() - JUST_STARTED;
            let settling: Vec<_> = bases
                .iter()
                .filter(|(container, _)| container.started_at.is_some_and(|started| started > recent))
                .filter(|(container, _)| matches!(views.get(&container.name), Some(View::Deviates { .. })))
                .copied()
                .collect();
            if settling.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            views.extend(self.runtime.look_through(&settling).await);
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for view in views.values() {
            if let View::Hidden { why } = view {
                *reasons.entry(why).or_default() += 1;
            }
        }
        for (why, bases) in reasons {
            tracing::info!(bases, why, "bases are only asked from inside");
        }
        views
    }

    /// Returns the base's name if it deviates; it is asked so often at most.
    pub(super) async fn deviates(&self, base: &BaseSpec, looks: usize) -> Result<Option<ContainerName>, EngineError> {
        let state = serde_json::to_string(&base.state).expect("a state has text keys only");
        let command = [PROGRAM_PATH.into(), "state".into(), "check".into(), state];
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match self.runtime.exec(&base.name, &command).await {
                Ok(output) if output.code == 0 => return Ok(None),
                // One that cannot be asked is set anew; if that fails too, that says why.
                Ok(_) | Err(RuntimeError::Gone { .. } | RuntimeError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(base.name.clone()))
    }
}
