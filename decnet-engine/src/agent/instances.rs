//! The stores for which masters have worked on this host.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use decnet_topology::InstanceId;

use super::folder::of_file;
use crate::{http::problem::Problem, pki};

/// The stores for which masters have worked on this host.
#[derive(Debug)]
pub(super) struct Instances {
    known: Mutex<BTreeSet<InstanceId>>,
    path: Option<PathBuf>,
}

impl Instances {
    /// Reads them from their file. A file that does not exist has none.
    pub(super) fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let known = path.as_deref().map_or_else(|| Ok(BTreeSet::new()), read)?;
        Ok(Self {
            known: Mutex::new(known),
            path,
        })
    }

    /// Returns them.
    pub(super) fn all(&self) -> BTreeSet<InstanceId> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers one, on disk before it returns.
    pub(super) fn remember(&self, instance: InstanceId) -> Result<(), Problem> {
        self.change(|known| known.insert(instance))
    }

    /// Forgets one.
    pub(super) fn forget(&self, instance: InstanceId) -> Result<(), Problem> {
        self.change(|known| known.remove(&instance))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<InstanceId>) -> bool) -> Result<(), Problem> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = known.clone();
        if !change(&mut changed) {
            return Ok(());
        }
        if let Some(path) = &self.path {
            let mut text = String::new();
            for instance in &changed {
                text.push_str(&instance.to_string());
                text.push('\n');
            }
            let written = pki::write_file(path, &text, 0o600);
            written.map_err(|error| Problem::new("instance_not_stored", error.to_string()))?;
        }
        *known = changed;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<BTreeSet<InstanceId>> {
    let Some(text) = pki::read_file_if_any(path).map_err(|error| of_file(path, &error))? else {
        return Ok(BTreeSet::new());
    };
    let parsed = text.lines().map(str::parse).collect::<Result<_, _>>();
    parsed.map_err(|_| {
        let text = format!("{} does not have the ids of stores, one a line", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

#[cfg(test)]
mod tests {
    use decnet_topology::rng;

    use super::*;

    #[test]
    fn stores_are_remembered_after_a_restart_until_they_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("instances");
        let instances = Instances::open(Some(path.clone())).expect("no file yet");
        let (one, other) = (rng::instance_id(), rng::instance_id());
        for instance in [one, other, one] {
            instances.remember(instance).expect("written");
        }
        let again = Instances::open(Some(path.clone())).expect("the file");
        assert_eq!(again.all(), [one, other].into());
        again.forget(one).expect("written");
        let last = Instances::open(Some(path.clone())).expect("the file");
        assert_eq!(last.all(), [other].into());
        std::fs::write(&path, "x\n").expect("written");
        Instances::open(Some(path)).expect_err("a damaged file is not forgotten");
    }

    #[test]
    fn a_store_that_cannot_be_remembered_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let instances = Instances::open(Some(folder.path().join("nothing/instances"))).expect("no file yet");
        let refused = instances.remember(rng::instance_id()).expect_err("no folder");
        assert_eq!((&*refused.code, instances.all().len()), ("instance_not_stored", 0));
    }
}
