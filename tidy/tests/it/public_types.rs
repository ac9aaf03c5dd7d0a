use decnet_tidy::{Source, public_types, workspace_sources};

use crate::{none, said};

#[test]
fn every_public_type_of_a_library_has_one_path_and_its_own_name() {
    let sources = workspace_sources();
    none(&public_types::have_own_names(&sources));
    none(&public_types::are_at_the_root(&sources));
}

#[test]
fn a_name_of_two_public_types_is_a_breach() {
    let core = Source::new(
        "decnet-topology/src/lib.rs",
        "mod a;\npub use a::{Seccomp, MAX, seccomp};\n",
    );
    let engine = |text: &str| Source::new("decnet-engine/src/lib.rs", text);
    let breaches = |text: &str| public_types::have_own_names(&[core.clone(), engine(text)]);
    let expected = "`decnet_topology` also has a public type `Seccomp`";
    assert_eq!(said(&breaches("pub use b::Seccomp;")), [(1, expected)]);
    assert_eq!(said(&breaches("\npub use b::{c::{Seccomp}};")), [(2, expected)]);
    assert_eq!(breaches("pub use b::{MAX, seccomp};\npub(crate) use b::Seccomp;"), []);
}

#[test]
fn a_type_in_a_public_module_is_a_breach() {
    let root = Source::new(
        "decnet-engine/src/lib.rs",
        "pub mod host;\nmod plan;\npub mod testing;\n",
    );
    let breaches = |path: &str, text: &str| public_types::are_at_the_root(&[root.clone(), Source::new(path, text)]);
    let host = "decnet-engine/src/host.rs";
    let expected = "`Cause` has a path in the public module `host`: export it at the root only";
    for text in [
        "pub struct Cause;",
        "pub enum Cause {}",
        "pub trait Cause {}",
        "pub type Cause = u8;",
        "pub use cause::Cause;",
        "pub use cause::Other as Cause;",
    ] {
        assert_eq!(said(&breaches(host, text)), [(1, expected)], "{text}");
    }
    assert_eq!(
        breaches(
            host,
            "pub(crate) use cause::Cause;\npub fn name() {}\npub const CAUSE: u8 = 0;"
        ),
        []
    );
    assert_eq!(breaches("decnet-engine/src/plan/mod.rs", "pub struct Plan;"), []);
    assert_eq!(breaches("decnet-engine/src/testing/mod.rs", "pub struct Lab;"), []);
}
