//! Files of containers, as archives.

use bollard::{models::ContainerInspectResponse, query_parameters::DownloadFromContainerOptionsBuilder};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Docker, failure::Failure};
use crate::runtime::{ArchivePieces, CopyRequest, RuntimeError};

impl Docker {
    pub(super) fn read_archive(&self, request: CopyRequest) -> ArchivePieces<'_> {
        stream::once(self.open_archive(request)).try_flatten().boxed()
    }

    async fn open_archive(&self, request: CopyRequest) -> Result<ArchivePieces<'_>, RuntimeError> {
        let CopyRequest {
            instance,
            container,
            path,
        } = request;
        let found = self.find_ours(instance, &container).await?;
        if let Some(folder) = folder_in_memory(&found, &path) {
            return Err(RuntimeError::InMemory {
                container: container.to_string(),
                path,
                folder,
            });
        }
        let id = found.id.as_deref().unwrap_or(container.as_str());
        let options = DownloadFromContainerOptionsBuilder::default().path(&path).build();
        let pieces = self.client.download_from_container(id, Some(options));
        let asked = format!("copy files of {container}");
        let pieces = self.read_on(asked, pieces).map(move |piece| match piece {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(failure) => Err(not_copied(container.to_string(), path.clone(), failure)),
        });
        Ok(pieces.boxed())
    }
}

/// Returns the error for files that Docker did not copy.
fn not_copied(container: String, path: String, failure: Failure) -> RuntimeError {
    if failure.is(404) || failure.mentions("no such file") || failure.mentions("not a directory") {
        RuntimeError::NoSuchPath { container, path }
    } else {
        failure.into()
    }
}

/// Returns the folder in memory that a path is in, if it is in one: Docker copies what is on the disk.
fn folder_in_memory(found: &ContainerInspectResponse, path: &str) -> Option<String> {
    let folders = found.host_config.as_ref()?.tmpfs.as_ref()?;
    let parts = |path: &str| -> Vec<String> {
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        parts.map(ToOwned::to_owned).collect()
    };
    let wanted = parts(path);
    let mut inside = folders.keys().filter(|folder| wanted.starts_with(&parts(folder)));
    inside.next().cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::HostConfig;

    use super::*;

    #[test]
    fn a_path_in_a_folder_in_memory_is_recognized() {
        let found = ContainerInspectResponse {
            host_config: Some(HostConfig {
                tmpfs: Some(HashMap::from([("/var/log/pot".into(), String::new())])),
                ..HostConfig::default()
            }),
            ..ContainerInspectResponse::default()
        };
        for (path, inside) in [
            ("/var/log/pot", true),
            ("/var//log/pot/a/b", true),
            ("/var/log/./pot/", true),
            ("/var/log/pots", false),
            ("/var/log", false),
            ("/", false),
        ] {
            assert_eq!(folder_in_memory(&found, path).is_some(), inside, "{path}");
        }
    }
}
