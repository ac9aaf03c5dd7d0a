//! The highest generation of a master, which guards against two masters.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use axum::http::HeaderMap;

use crate::{http::problem::Problem, peer::GENERATION, pki};

/// The highest generation that was seen.
#[derive(Debug)]
pub(super) struct Generations {
    highest: Mutex<u64>,
    path: Option<PathBuf>,
}

impl Generations {
    /// Reads the highest generation from its file. A file that does not exist has none.
    pub(super) fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let highest = path.as_deref().map_or(Ok(0), read)?;
        Ok(Self {
            highest: Mutex::new(highest),
            path,
        })
    }

    /// Returns the highest generation.
    pub(super) fn highest(&self) -> u64 {
        *self.highest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a request of a master whose generation is lower than the highest. A higher one is remembered.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let missing = || {
            Problem::new(
                "generation_missing",
                format!("the header {GENERATION} must have a number"),
            )
        };
        let given = headers.get(GENERATION).and_then(|value| value.to_str().ok());
        let generation: u64 = given.and_then(|text| text.parse().ok()).ok_or_else(missing)?;
        let mut highest = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        if generation < *highest {
            let detail = format!("generation {generation} is lower than {highest}, so another master has taken over");
            return Err(Problem::new("superseded", detail).member("highest", *highest));
        }
        if generation > *highest {
            if let Some(path) = &self.path {
                let written = pki::write_file(path, &format!("{generation}\n"), 0o600);
                written.map_err(|error| Problem::new("generation_not_stored", error.to_string()))?;
            }
            *highest = generation;
        }
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<u64> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    text.trim().parse().map_err(|_| {
        let text = format!("{} does not have the number of a generation", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn admit(generations: &Generations, given: &str) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        headers.insert(GENERATION, HeaderValue::from_str(given).expect("a value"));
        generations.admit(&headers).map_err(|problem| problem.code.into_owned())
    }

    #[test]
    fn a_lower_generation_is_refused_after_a_restart_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("generation");
        let generations = Generations::open(Some(path.clone())).expect("no file yet");
        for given in ["3", "3", "5"] {
            admit(&generations, given).expect("it is not lower");
        }
        assert_eq!(admit(&generations, "4"), Err("superseded".into()));
        let again = Generations::open(Some(path.clone())).expect("the file");
        assert_eq!(again.highest(), 5);
        assert_eq!(admit(&again, "4"), Err("superseded".into()));
        for given in ["", "x", "-1"] {
            assert_eq!(admit(&again, given), Err("generation_missing".into()), "{given}");
        }
        fs::write(&path, "x").expect("written");
        Generations::open(Some(path)).expect_err("a damaged file is not forgotten");
    }

    #[test]
    fn a_generation_that_cannot_be_stored_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let generations = Generations::open(Some(folder.path().join("nothing/generation"))).expect("no file yet");
        assert_eq!(admit(&generations, "1"), Err("generation_not_stored".into()));
        assert_eq!(generations.highest(), 0);
    }
}
