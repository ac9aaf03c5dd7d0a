use super::draw::{builtin, shuffle_rule};
use crate::{
    catalog::Catalog,
    finding::{Code, Finding, Target},
    model::Topology,
    name::{Name, ServiceName},
    shuffle::{Shuffle, ShuffleSource, Shuffles},
    spelling,
};

/// Lists the faults of rules for a maze: LANs and deckies that do not exist, services that the built-in responder does not
/// serve, and deckies without the archetype that their own rule draws from.
pub fn check_shuffles(shuffles: &Shuffles, topology: &Topology, catalog: &Catalog) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |rule: &Shuffle, target: Target, of: String| {
        let ShuffleSource::Services(services) = rule.source() else {
            return;
        };
        for name in services.iter().map(ServiceName::as_str) {
            if builtin(catalog, name).is_some() {
                continue;
            }
            let fault = if catalog.service(name).is_some() {
                "is not a built-in service of deckies, and only those are shuffled".to_owned()
            } else {
                let known = catalog.services().map(|service| service.name.as_str());
                format!("is not in the catalogue{}", spelling::hint(name, known))
            };
            let message = format!("the shuffle of {of} draws from `{name}`, which {fault}");
            findings.push(Finding::new(Code::ShuffleService, target.clone(), message));
        }
    };
    if let Some(rule) = &shuffles.topology {
        check(rule, Target::Topology, "the maze".into());
    }
    for (lan, rule) in &shuffles.lans {
        check(rule, lan_target(lan), format!("LAN `{lan}`"));
    }
    for (decky, rule) in &shuffles.deckies {
        check(rule, decky_target(decky), format!("decky `{decky}`"));
    }
    for lan in shuffles.lans.keys().filter(|lan| topology.lan_named(lan).is_none()) {
        let names = topology.lans().iter().map(|lan| lan.name().as_str());
        let message = format!(
            "a shuffle is for LAN `{lan}`, which does not exist{}",
            spelling::hint(lan.as_str(), names)
        );
        findings.push(Finding::new(Code::ShuffleUnknownTarget, lan_target(lan), message));
    }
    for (name, rule) in &shuffles.deckies {
        let Some(decky) = topology.decky_named(name) else {
            let names = topology.deckies().iter().map(|decky| decky.name().as_str());
            let hint = spelling::hint(name.as_str(), names);
            let message = format!("a shuffle is for decky `{name}`, which does not exist{hint}");
            findings.push(Finding::new(Code::ShuffleUnknownTarget, decky_target(name), message));
            continue;
        };
        let applies = shuffle_rule(shuffles, topology, decky) == Some(rule);
        let is_known = catalog.usual_services(decky.archetype()).is_some();
        if applies && *rule.source() == ShuffleSource::Archetype && !is_known {
            let message = format!(
                "the shuffle of decky `{name}` draws from its archetype, and it has none that is known; set one, or list services"
            );
            findings.push(Finding::new(Code::ShuffleService, decky_target(name), message));
        }
    }
    findings
}

fn lan_target(lan: &Name) -> Target {
    Target::Lan { lan: lan.to_string() }
}

fn decky_target(decky: &Name) -> Target {
    Target::Decky {
        decky: decky.to_string(),
    }
}
