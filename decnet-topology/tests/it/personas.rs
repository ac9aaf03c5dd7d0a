//! The rules for pinned personas.

use decnet_topology::{Catalog, Code, Persona, RuleSet, validate};

use crate::validate::{clean, shown};

#[test]
fn deckies_without_a_common_lan_may_have_one_hostname() {
    let mut draft = clean(&[0, 0]);
    for at in [1, 2] {
        draft.deckies[2 * at + 1].persona = Some(Persona::default().hostname("printer"));
    }
    let report = validate(&draft, &Catalog::builtin(), RuleSet::deploy());
    assert_eq!(
        shown(&report),
        "warning PERSONA_HOSTNAME_TWICE: deckies `other-1` and `other-2` both have the hostname `printer`; pin another one, or none\n    \
         DeckyPair { decky: \"other-1\", other: \"other-2\" }"
    );
    // A decky whose pin hides its own name does not count under that name.
    draft.deckies[3].persona = Some(Persona::default().hostname("other-2"));
    let report = validate(&draft, &Catalog::builtin(), RuleSet::deploy());
    assert_eq!(report.findings(), &[]);
}

#[test]
fn each_version_of_the_catalogue_can_be_pinned_and_no_other() {
    let catalog = Catalog::builtin();
    for service in catalog.services().filter(|service| !service.singleton) {
        let pins = |version: &str| {
            let mut draft = clean(&[0]);
            draft.deckies[3].services = Some(vec![service.name.clone()]);
            draft.deckies[3].persona = Some(Persona::default().version(service.name.as_str(), version));
            validate(&draft, &catalog, RuleSet::deploy())
        };
        let (version, expected) = match &service.version {
            Some(version) => (version.as_str(), None),
            None => ("1.0", Some(Code::PersonaVersionUnshown)),
        };
        let report = pins(version);
        let code = report.findings().first().map(|finding| finding.code);
        assert_eq!(code, expected, "{}: {report:?}", service.name);
    }
}
