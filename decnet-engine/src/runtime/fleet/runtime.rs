//! The calls of a runtime, each to the members that it is about.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::{ImageSource, InstanceId, Member};
use futures_util::{
    StreamExt as _,
    future::{self, BoxFuture},
    stream,
};
use tokio::time::timeout;

use super::{Fleet, FleetMember, Ids, on_host::OnHost as _};
use crate::{
    desired::BaseSpec,
    fence::Fence,
    host::machine::MachineFacts,
    naming::{self, ContainerName},
    observe::{Observed, ObservedContainer, Scope},
    plan::Action,
    runtime::{
        ArchivePieces, Capture, CapturePlace, CaptureRequest, CommandRequest, CopyRequest, Effect, ForeignNetwork,
        LogLines, LogRequest, NetworkCheck, RunningCommand, Runtime, RuntimeError, RuntimeInfo,
    },
};

impl Fleet {
    /// Asks all members at the same time. One that does not answer in time counts as unreachable.
    async fn ask_all<'a, T>(
        &'a self,
        ask: impl Fn(&'a dyn Runtime) -> BoxFuture<'a, Result<T, RuntimeError>>,
    ) -> Vec<(Option<String>, Result<T, RuntimeError>)> {
        let asked = self.parts().map(|(name, runtime)| {
            let answer = timeout(self.answer, ask(runtime));
            async move {
                let answer = answer.await.unwrap_or_else(|_| {
                    Err(RuntimeError::TimedOut {
                        what: shown(name),
                        seconds: self.answer.as_secs(),
                        answers: false,
                    })
                });
                (name.map(Into::into), answer)
            }
        });
        future::join_all(asked).await
    }

    /// Leaves out what another part made on the same daemon. What a former member made belongs to every part that sees it.
    fn own(&self, part: Option<&str>, mut observed: Observed) -> Observed {
        observed.retain(|labels| match labels.get(naming::MEMBER) {
            None => part.is_none(),
            Some(member) => part == Some(member) || !self.members.contains_key(member),
        });
        observed
    }

    /// Combines the observations. Members that do not answer are unseen. Without members, it is the error of this machine.
    fn gather(&self, answers: Vec<(Option<String>, Result<Observed, RuntimeError>)>) -> Result<Observed, RuntimeError> {
        let mut all = Observed::default();
        let mut first = None;
        for (name, answer) in answers {
            match answer {
                Ok(observed) => {
                    let observed = self.own(name.as_deref(), observed).on(name.as_deref());
                    all.networks.extend(observed.networks);
                    all.containers.extend(observed.containers);
                    all.volumes.extend(observed.volumes);
                    all.images.extend(observed.images);
                    if let Some(links) = observed.links {
                        all.links.get_or_insert_default().extend(links);
                    }
                }
                Err(error) => {
                    all.unseen.insert(name.unwrap_or_default(), error.to_string());
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(error) if self.members.is_empty() => Err(error),
            _ => Ok(all),
        }
    }
}

/// Says which member an error is about.
fn of_member(host: Option<&str>) -> impl Fn(RuntimeError) -> RuntimeError {
    move |error| match (error, host) {
        (RuntimeError::Unreachable { endpoint, reason }, Some(host)) => RuntimeError::Unreachable {
            endpoint: format!("{endpoint} (member `{host}`)"),
            reason,
        },
        (RuntimeError::Refused { reason }, Some(host)) => RuntimeError::Refused {
            reason: format!("member `{host}`: {reason}"),
        },
        (error, _) => error,
    }
}

/// Names a part of a fleet for people.
fn shown(host: Option<&str>) -> String {
    host.map_or_else(|| Fleet::THIS_MACHINE.into(), |host| format!("member `{host}`"))
}

#[async_trait]
impl Runtime for Fleet {
    fn fenced(&self, fence: Fence) -> Option<Arc<dyn Runtime>> {
        let mut is_any = false;
        let mut fenced = |runtime: &Arc<dyn Runtime>| {
            let fenced = runtime.fenced(fence);
            is_any |= fenced.is_some();
            fenced.unwrap_or_else(|| Arc::clone(runtime))
        };
        let mut fleet = self.clone();
        if let Some(runtime) = &mut fleet.local {
            *runtime = fenced(runtime);
        }
        for FleetMember { runtime, .. } in fleet.members.values_mut() {
            *runtime = fenced(runtime);
        }
        is_any.then(|| Arc::new(fleet) as Arc<dyn Runtime>)
    }

    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.combine(self.ask_all(|runtime| runtime.info()).await)
    }

    async fn list(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.gather(self.ask_all(|runtime| runtime.list(scope)).await)
    }

    async fn inspect(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.gather(self.ask_all(|runtime| runtime.inspect(scope)).await)
    }

    async fn name_interfaces(&self, observed: &mut Observed) -> Result<(), RuntimeError> {
        let mut found: BTreeMap<Option<String>, Vec<ObservedContainer>> = BTreeMap::new();
        for container in std::mem::take(&mut observed.containers) {
            let host = container.name.host().map(Into::into);
            found.entry(host).or_default().push(container);
        }
        let asked = found.into_iter().map(|(host, containers)| async move {
            let own = Observed {
                containers,
                ..Observed::default()
            };
            let Ok((name, runtime)) = self.find(host.as_deref()) else {
                return own.containers;
            };
            let mut own = own.on(None);
            // The names are an addition: without an answer, there are none.
            let _ = timeout(self.answer, runtime.name_interfaces(&mut own)).await;
            own.on(name).containers
        });
        observed.containers = future::join_all(asked).await.concat();
        observed
            .containers
            .sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        Ok(())
    }

    async fn foreign_networks(&self, instance: InstanceId) -> Result<Vec<ForeignNetwork>, RuntimeError> {
        let answers = self.ask_all(|runtime| runtime.foreign_networks(instance)).await;
        let mut all = Vec::new();
        for (name, answer) in answers {
            // A member that does not answer is reported by the observation.
            for network in answer.into_iter().flatten() {
                all.push(ForeignNetwork {
                    host: name.clone(),
                    ..network
                });
            }
        }
        Ok(all)
    }

    /// Reads those of this machine, which the fleet may have too.
    async fn machine(&self) -> Result<Option<MachineFacts>, RuntimeError> {
        match &self.local {
            Some(local) => local.machine().await,
            None => Ok(None),
        }
    }

    async fn unavailable_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        let answers = self.ask_all(|runtime| runtime.unavailable_images(images)).await;
        let mut all = BTreeMap::new();
        for (name, answer) in answers {
            for (image, reason) in answer.into_iter().flatten() {
                all.entry(image)
                    .or_insert(format!("{}: {reason}", shown(name.as_deref())));
            }
        }
        Ok(all)
    }

    async fn member(&self, host: Option<&str>) -> Result<Option<Arc<dyn Runtime>>, RuntimeError> {
        let runtime = match host {
            None => self.local.as_ref(),
            Some(host) => self.members.get(host).map(|member| &member.runtime),
        };
        Ok(runtime.cloned())
    }

    async fn members(&self) -> Result<BTreeMap<String, Member>, RuntimeError> {
        let members = self.members.iter();
        Ok(members.map(|(name, one)| (name.clone(), one.member.clone())).collect())
    }

    async fn perform(&self, instance: InstanceId, action: &Action) -> Result<Effect, RuntimeError> {
        let (host, runtime) = self.find(action.host())?;
        let action = match host {
            Some(member) => action.clone().marked(member).on(None),
            None => action.clone(),
        };
        let done = runtime.perform(instance, &action).await;
        done.map_err(of_member(host))
    }

    async fn check_network(&self, bases: &[&BaseSpec]) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        let mut by_host: BTreeMap<Option<&str>, Vec<BaseSpec>> = BTreeMap::new();
        for base in bases {
            by_host.entry(base.name.host()).or_default().push((*base).clone());
        }
        let checks = by_host.into_iter().map(|(host, bases)| async move {
            let names: Vec<ContainerName> = bases.iter().map(|base| base.name.clone()).collect();
            let local: Vec<BaseSpec> = bases.into_iter().map(|base| base.on(None)).collect();
            let checked = match self.find(host) {
                Ok((_, runtime)) => {
                    let local: Vec<&BaseSpec> = local.iter().collect();
                    let checked = timeout(self.answer, runtime.check_network(&local)).await;
                    checked
                        .map_err(|_| "it does not answer".to_owned())
                        .and_then(|checked| checked.map_err(|error| error.to_string()))
                }
                Err(error) => Err(error.to_string()),
            };
            match checked {
                Ok(checks) => checks.on(host),
                Err(why) => {
                    let unchecked = |name| (name, NetworkCheck::Unchecked { why: why.clone() });
                    names.into_iter().map(unchecked).collect()
                }
            }
        });
        Ok(future::join_all(checks).await.into_iter().flatten().collect())
    }

    async fn probe(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        let (host, runtime) = self.find(base.host())?;
        let probed = runtime.probe(instance, &base.on(None), probe).await;
        probed.map_err(of_member(host))
    }

    fn container_log(&self, request: LogRequest) -> LogLines<'_> {
        match self.find(Ids::host(&request.id)) {
            Ok((_, runtime)) => {
                let id = Ids::on(&request.id, None);
                runtime.container_log(LogRequest { id, ..request })
            }
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn run_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        let (host, runtime) = self.find(request.container.host())?;
        let started = runtime.run_command(request.clone().on(None)).await;
        started.map_err(of_member(host))
    }

    fn copy_out(&self, request: CopyRequest) -> ArchivePieces<'_> {
        match self.find(request.container.host()) {
            Ok((_, runtime)) => runtime.copy_out(request.on(None)),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn capture(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        let host = match &request.place {
            CapturePlace::Network(network) => network.host(),
            CapturePlace::Base { base, .. } => base.host(),
        };
        let (host, runtime) = self.find(host)?;
        let started = runtime.capture(request.clone().on(None)).await;
        started.map_err(of_member(host))
    }
}
