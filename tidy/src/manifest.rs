//! Dependencies between packages.

use crate::Breach;

/// Packages that a package must not depend on, not even for its tests.
#[derive(Debug, Clone, Copy)]
pub struct Apart {
    /// The folder of the package.
    pub package: &'static str,
    /// The forbidden dependencies.
    pub from: &'static [&'static str],
}

impl Apart {
    /// Lists the forbidden dependencies in the package's manifest.
    ///
    /// # Panics
    ///
    /// If the text is not TOML.
    pub fn check(&self, manifest: &str) -> Vec<Breach> {
        let path = format!("{}/Cargo.toml", self.package);
        let table: toml::Table = manifest.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut breaches = Vec::new();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let named = table.get(section).and_then(toml::Value::as_table);
            for name in named.into_iter().flat_map(|table| table.keys()) {
                if self.from.contains(&name.as_str()) {
                    let what = format!("{} must not depend on `{name}`", self.package);
                    let path = path.clone();
                    breaches.push(Breach { path, line: 0, what });
                }
            }
        }
        breaches
    }
}
