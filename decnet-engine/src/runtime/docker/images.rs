use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bollard::{
    body_full,
    models::{BuildInfo, ContainerSummary, ContainerSummaryStateEnum as Listed, CreateImageInfo},
    query_parameters::{
        BuildImageOptionsBuilder, CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListContainersOptionsBuilder,
        RemoveImageOptionsBuilder,
    },
};
use decnet_topology::{ImageSource, InstanceId};
use futures_util::{TryStreamExt, pin_mut};

use super::{Docker, failure::Failure, links, tolerant::tolerant};
use crate::{
    decoy::DecoyImage,
    desired::ImageSpec,
    naming,
    runtime::{Effect, RuntimeError},
};

/// The label of images that the daemon built for us.
pub(super) const BUILT_LABEL: &str = "decnet.built";

/// How long the removal of an image waits for containers that are gone soon, how long for those that just went, and between two tries.
const LEAVING: Duration = Duration::from_secs(10);
const GONE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);

/// The maximum size of a build folder. It is sent to the daemon in one piece.
const LARGEST_CONTEXT: u64 = 256 << 20;

/// The source for building a missing image again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// None. Only the decoy's image can be loaded again.
    Nothing,
    /// A folder, for a store.
    Folder(InstanceId, &'a Path),
}

/// The settings of an image for its containers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// The user (`USER`). Empty means root.
    pub(super) user: String,
    /// The folders with volumes (`VOLUME`).
    pub(super) volumes: BTreeSet<String>,
}

impl Docker {
    pub(super) async fn ensure_image(&self, instance: InstanceId, image: &ImageSpec) -> Result<Effect, RuntimeError> {
        let reference = image.reference();
        match (image, self.is_ours(reference).await?) {
            (ImageSpec::Decoy { .. } | ImageSpec::Built { .. }, Some(false)) => return Err(foreign(reference)),
            (ImageSpec::Built { context, .. }, _) => return self.ensure_built(instance, reference, context).await,
            (_, Some(_)) => return Ok(Effect::Unchanged),
            (ImageSpec::Decoy { .. }, None) => self.load(reference).await?,
            (ImageSpec::Pulled { .. }, None) => self.pull(reference).await?,
        }
        Ok(Effect::Changed)
    }

    /// Finds the images that are neither here nor at their registry, and the build folders without a Dockerfile.
    pub(super) async fn missing_images(
        &self,
        images: &BTreeSet<ImageSource>,
    ) -> Result<BTreeMap<ImageSource, String>, RuntimeError> {
        let mut missing = BTreeMap::new();
        for image in images {
            let reason = match image {
                ImageSource::Reference(reference) => self.why_not_pulled(reference).await?,
                ImageSource::Build(folder) => why_not_built(folder),
                _ => None,
            };
            missing.extend(reason.map(|reason| (image.clone(), reason)));
        }
        Ok(missing)
    }

    /// Returns the reason why an image that is not here cannot be pulled. Returns none too if the registry does not answer in
    /// time, or if the engine is Podman, which cannot ask a registry without pulling.
    async fn why_not_pulled(&self, reference: &str) -> Result<Option<String>, RuntimeError> {
        if self.image_id(reference).await?.is_some() || self.podman {
            return Ok(None);
        }
        let tagged = with_tag(reference);
        let request = self.client.inspect_registry_image(&tagged, None);
        match self.ask(&format!("look up image {tagged}"), request).await {
            Ok(_) | Err(Failure::Plain(RuntimeError::TimedOut { .. })) => Ok(None),
            Err(failure @ Failure::Status { .. }) => Ok(Some(failure.message())),
            Err(Failure::Plain(error)) => Err(error),
        }
    }

    /// Builds an image even if it exists. The daemon uses its cache for an unchanged folder, and only the daemon knows whether
    /// the folder changed.
    async fn ensure_built(
        &self,
        instance: InstanceId,
        reference: &str,
        context: &Path,
    ) -> Result<Effect, RuntimeError> {
        let before = self.image_id(reference).await?;
        self.build(instance, reference, context).await?;
        Ok(if before.is_some() && before == self.image_id(reference).await? {
            Effect::Unchanged
        } else {
            Effect::Changed
        })
    }

    /// Reads the settings of an image. Returns none if the image does not exist.
    pub(super) async fn wishes_of(&self, reference: &str) -> Result<Option<Wishes>, RuntimeError> {
        let request = self.client.inspect_image(reference);
        match self.ask(&format!("inspect image {reference}"), request).await {
            Ok(image) => {
                let config = image.config.unwrap_or_default();
                Ok(Some(Wishes {
                    user: config.user.unwrap_or_default(),
                    volumes: config.volumes.unwrap_or_default().into_iter().collect(),
                }))
            }
            Err(failure) if failure.is(404) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn image_id(&self, reference: &str) -> Result<Option<String>, RuntimeError> {
        let request = self.client.inspect_image(reference);
        match self.ask(&format!("inspect image {reference}"), request).await {
            Ok(image) => Ok(image.id),
            Err(failure) if failure.is(404) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Loads or builds an image again if the teardown of another maze removed it after it was ensured.
    pub(super) async fn restore_image(&self, reference: &str, source: Source<'_>) -> Result<(), RuntimeError> {
        match (&self.decoy, source) {
            (Some(decoy), _) if decoy.reference == reference => self.load(reference).await,
            (_, Source::Folder(instance, context)) => self.build(instance, reference, context).await,
            _ => Err(unavailable(reference, "no such image")),
        }
    }

    pub(super) async fn remove_image(&self, instance: InstanceId, reference: &str) -> Result<Effect, RuntimeError> {
        match self.is_ours(reference).await? {
            None => return Ok(Effect::Unchanged),
            Some(false) => return Err(foreign(reference)),
            Some(true) => {}
        }
        let begun = Instant::now();
        let mut may_have_links = self.member;
        loop {
            if may_have_links && self.is_needed_for_links(instance, reference).await? {
                return Ok(Effect::Unchanged);
            }
            let options = RemoveImageOptionsBuilder::default().build();
            let request = self.client.remove_image(reference, Some(options), None);
            match self.ask(&format!("remove image {reference}"), request).await {
                Ok(_) => return Ok(Effect::Changed),
                // 409: a container uses it, or used it a moment ago.
                Err(failure) if failure.is(409) => {
                    let users = self.users_of(reference).await?;
                    if begun.elapsed() >= removal_timeout(&users) {
                        return Ok(Effect::Unchanged);
                    }
                    // Each check starts a privileged container. It is repeated only after a container that may have made a link.
                    may_have_links = self.member && (users.is_empty() || users.iter().any(links::is_helper));
                    tokio::time::sleep(PAUSE).await;
                }
                Err(failure) if failure.is(404) => return Ok(Effect::Unchanged),
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Returns whether only this image can remove a link of ours that is left, for instance because a killed process had asked for it.
    async fn is_needed_for_links(&self, instance: InstanceId, reference: &str) -> Result<bool, RuntimeError> {
        if self.decoy.as_ref().is_none_or(|decoy| decoy.reference != reference) {
            return Ok(false);
        }
        self.has_links(instance).await
    }

    /// Returns the containers that use an image.
    async fn users_of(&self, reference: &str) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let filters = HashMap::from([("ancestor", vec![reference.to_owned()])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let request = tolerant(self.client.list_containers(Some(options)));
        Ok(self.ask("list containers", request).await?)
    }

    /// Returns whether this program created the image with a reference. Returns none if there is none.
    pub(super) async fn is_ours(&self, reference: &str) -> Result<Option<bool>, RuntimeError> {
        let request = self.client.inspect_image(reference);
        match self.ask(&format!("inspect image {reference}"), request).await {
            Ok(image) => {
                let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
                Ok(Some(
                    labels.contains_key(DecoyImage::LABEL) || labels.contains_key(BUILT_LABEL),
                ))
            }
            Err(failure) if failure.is(404) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn load(&self, reference: &str) -> Result<(), RuntimeError> {
        let DecoyImage { archive, .. } = match &self.decoy {
            Some(decoy) if decoy.reference == reference => decoy.as_ref(),
            Some(decoy) => {
                let reason = format!("the available decoy program is {}", decoy.reference);
                return Err(unavailable(reference, reason));
            }
            None => return Err(unavailable(reference, "no decoy program is available")),
        };
        let what = format!("load image {reference}");
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let archive = body_full(archive.clone().into());
        let pieces = self.client.import_image(options, archive, None);
        self.drain(&what, reference, pieces, |piece: &BuildInfo| {
            detail(piece.error_detail.as_ref())
        })
        .await
    }

    async fn pull(&self, reference: &str) -> Result<(), RuntimeError> {
        let what = format!("pull image {reference}");
        let tagged = with_tag(reference);
        let options = CreateImageOptionsBuilder::default().from_image(&tagged);
        let pieces = self.client.create_image(Some(options.build()), None, None);
        self.drain(&what, reference, pieces, |piece: &CreateImageInfo| {
            detail(piece.error_detail.as_ref())
        })
        .await
    }

    async fn build(&self, instance: InstanceId, reference: &str, context: &Path) -> Result<(), RuntimeError> {
        let what = format!("build image {reference}");
        let folder = context.to_owned();
        let packed = tokio::task::spawn_blocking(move || pack(&folder)).await;
        let archive = match packed {
            Ok(Ok(archive)) => archive,
            Ok(Err(error)) => return Err(unavailable(reference, format!("{}: {error}", context.display()))),
            Err(error) => return Err(unavailable(reference, error.to_string())),
        };
        let instance = instance.to_string();
        let labels = HashMap::from([(BUILT_LABEL, "true"), (naming::INSTANCE, instance.as_str())]);
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Dockerfile")
            .t(reference)
            .labels(&labels)
            .rm(true)
            .forcerm(true)
            .build();
        let pieces = self.client.build_image(options, None, Some(body_full(archive.into())));
        self.drain(&what, reference, pieces, |piece: &BuildInfo| {
            detail(piece.error_detail.as_ref())
        })
        .await
    }

    /// Reads a stream to its end. The daemon reports errors within the stream.
    async fn drain<T>(
        &self,
        what: &str,
        reference: &str,
        pieces: impl futures_util::Stream<Item = Result<T, bollard::errors::Error>>,
        error: impl Fn(&T) -> Option<String>,
    ) -> Result<(), RuntimeError> {
        let pieces = self.follow(what, pieces);
        pin_mut!(pieces);
        loop {
            match pieces.try_next().await {
                Ok(None) => return Ok(()),
                Ok(Some(piece)) => {
                    if let Some(reason) = error(&piece) {
                        return Err(unavailable(reference, reason));
                    }
                }
                Err(failure @ Failure::Status { .. }) => return Err(unavailable(reference, failure.message())),
                Err(Failure::Plain(error)) => return Err(error),
            }
        }
    }
}

/// Returns whether the daemon is removing a container.
fn is_leaving(container: &ContainerSummary) -> bool {
    matches!(container.state, Some(Listed::REMOVING | Listed::DEAD))
}

/// Returns how long the removal of an image waits for the containers that use it: not at all if one stays. One that changes or lists links
/// removes itself, and one that is being removed is gone soon.
fn removal_timeout(users: &[ContainerSummary]) -> Duration {
    let stays = |container: &ContainerSummary| !links::is_helper(container) && !is_leaving(container);
    if users.iter().any(stays) {
        Duration::ZERO
    } else if users.is_empty() {
        GONE
    } else {
        LEAVING
    }
}

/// Returns a reference with its tag. Without one, the daemon would pull all tags.
fn with_tag(reference: &str) -> Cow<'_, str> {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) {
        reference.into()
    } else {
        format!("{reference}:latest").into()
    }
}

/// Returns the reason why no image can be built from a folder.
fn why_not_built(folder: &Path) -> Option<String> {
    let file = folder.join("Dockerfile");
    let opened = fs::File::open(&file).and_then(|file| file.metadata());
    let found = opened.and_then(|metadata| {
        if metadata.is_file() {
            Ok(())
        } else {
            Err(io::Error::other("not a file"))
        }
    });
    found.err().map(|error| format!("{}: {error}", file.display()))
}

fn detail(detail: Option<&bollard::models::ErrorDetail>) -> Option<String> {
    detail.and_then(|detail| detail.message.clone())
}

pub(super) fn unavailable(reference: &str, reason: impl Into<String>) -> RuntimeError {
    RuntimeError::ImageUnavailable {
        reference: reference.into(),
        reason: reason.into(),
    }
}

fn foreign(reference: &str) -> RuntimeError {
    RuntimeError::Foreign {
        what: format!("image {reference}"),
        owner: "not created by this program".into(),
    }
}

/// Packs a build folder. Links stay links.
fn pack(folder: &Path) -> io::Result<Vec<u8>> {
    measure(folder.to_owned())?;
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    archive.append_dir_all("", folder)?;
    archive.into_inner()
}

fn measure(folder: PathBuf) -> io::Result<()> {
    let mut size = 0;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            size += metadata.len();
            if size > LARGEST_CONTEXT {
                let bound = LARGEST_CONTEXT >> 20;
                return Err(io::Error::other(format!("the folder is larger than {bound} MiB")));
            }
        }
    }
    Ok(())
}
