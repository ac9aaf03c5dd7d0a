use std::path::{Path, PathBuf};

use decnet_topology::{Service, ServiceField};
use serde_json::json;

use crate::{
    command_error::CommandError, commands::archetypes, context::Context, exit::Exit, input::Source, output::Style,
    table, text,
};

/// List the services that deckies may run.
///
/// With names, show these services in full: every field with its type, default and purpose, the ports, how visitors can log in,
/// and an example.
///
/// With --check, validate a catalogue file instead, and show the services and archetypes that it defines. All its faults are printed with their
/// places, and the exit status is 3 if there are any.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet services\n  \
                        decnet services ssh\n  \
                        decnet services --check pots.toml")]
pub(crate) struct Arguments {
    /// Services to show in full.
    #[arg(value_name = "SERVICE")]
    names: Vec<String>,
    /// Validate a catalogue file (- for stdin), as an extension of the built-in catalogue and of --catalog.
    #[arg(long, value_name = "FILE", conflicts_with = "names")]
    check: Option<PathBuf>,
}

/// Lists the services.
pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    if let Some(path) = &arguments.check {
        return check(path, context);
    }
    let catalog = context.catalog()?;
    let mut chosen = Vec::new();
    for name in &arguments.names {
        chosen.push(catalog.find_service(name)?);
    }
    let in_full = !chosen.is_empty();
    if !in_full {
        chosen.extend(catalog.services());
    }
    if context.output.json {
        let services: Vec<_> = chosen.into_iter().map(Service::described).collect();
        context.output.json(&json!({ "services": services }))?;
    } else if in_full {
        for (index, service) in chosen.iter().enumerate() {
            if index > 0 {
                context.output.data("\n")?;
            }
            show(context, service)?;
        }
    } else {
        list(context, chosen)?;
    }
    Ok(Exit::Done)
}

/// Prints a table of services.
fn list<'s>(context: &Context, services: impl IntoIterator<Item = &'s Service>) -> Result<(), CommandError> {
    let rows = services.into_iter().map(|service| {
        let name = if service.singleton {
            format!("{} (not on deckies)", service.name)
        } else {
            service.name.to_string()
        };
        let fields = table::words(service.fields.iter().map(|field| &field.key));
        [name, ports(service), service.image.to_string(), table::or_dash(fields)]
    });
    let table = table::rows(["SERVICE", "PORTS", "IMAGE", "FIELDS"], rows);
    context.output.data(&table)
}

/// Validates a catalogue file and prints what it defines.
fn check(path: &Path, context: &Context) -> Result<Exit, CommandError> {
    let source = Source::new(path);
    let (catalog, output) = (context.catalog()?, context.output);
    let defined = match catalog.check_toml(source.read()?) {
        Ok(defined) => defined,
        Err(error) => {
            let findings = error.findings;
            if output.json {
                output.json(&json!({ "findings": findings }))?;
            } else {
                for finding in &findings {
                    output.line(format!("{}: {finding}", finding.place_in(&source.name())))?;
                }
                let faults = text::count(findings.len(), "error", "errors");
                conclude(
                    context,
                    &source,
                    &format!("{}: {faults}", output.paint(Style::Error, "invalid")),
                );
            }
            return Ok(Exit::Invalid);
        }
    };
    if output.json {
        let services: Vec<_> = defined.services.iter().map(Service::described).collect();
        let archetypes: Vec<_> = defined.archetypes.iter().map(archetypes::as_json).collect();
        output.json(&json!({ "findings": [], "services": services, "archetypes": archetypes }))?;
        return Ok(Exit::Done);
    }
    if !defined.services.is_empty() {
        list(context, &defined.services)?;
    }
    if !defined.archetypes.is_empty() {
        if !defined.services.is_empty() {
            output.data("\n")?;
        }
        archetypes::list(context, &defined.archetypes)?;
    }
    let services = text::count(defined.services.len(), "service", "services");
    let archetypes = text::count(defined.archetypes.len(), "archetype", "archetypes");
    let valid = output.paint(Style::Good, "valid");
    conclude(context, &source, &format!("{valid}: {services}, {archetypes}"));
    Ok(Exit::Done)
}

fn conclude(context: &Context, source: &Source, verdict: &str) {
    if !context.output.quiet {
        crate::output::say(&format!("{}: {verdict}", text::one_line(&source.name())));
    }
}

fn ports(service: &Service) -> String {
    table::or_dash(table::words(service.listens()))
}

fn show(context: &Context, service: &Service) -> Result<(), CommandError> {
    let output = context.output;
    output.line(&service.name)?;
    output.line(format!("  ports         {}", ports(service)))?;
    if !service.broadcast.is_empty() {
        output.line(format!("  broadcasts    {}", table::words(&service.broadcast)))?;
    }
    output.line(format!("  image         {}", service.image))?;
    if service.singleton {
        output.line("  one per installation, not on deckies")?;
    }
    if !service.tmpfs.is_empty() {
        output.line(format!("  in memory     {}", table::words(&service.tmpfs)))?;
    }
    if !service.volumes.is_empty() {
        let volumes = service.volumes.iter().map(|volume| {
            let kept = if volume.keep { " (kept)" } else { "" };
            format!("{volume}{kept}")
        });
        output.line(format!("  volumes       {}", volumes.collect::<Vec<_>>().join(", ")))?;
    }
    let login = table::words(service.login_fields().map(|field| &field.key));
    output.line(format!("  login         {}", table::or_dash(login)))?;
    if let Some(version) = &service.version {
        output.line(format!("  version       can be pinned, like {version:?}"))?;
    }
    if !service.capabilities.is_empty() {
        output.line(format!("  capabilities  {}", table::words(&service.capabilities)))?;
    }
    if !service.fields.is_empty() {
        output.line("")?;
        let rows = service.fields.iter().map(row);
        for line in table::rows(["FIELD", "TYPE", "DEFAULT", "PURPOSE"], rows).lines() {
            output.line(format!("  {line}"))?;
        }
    }
    let example = service.example();
    if !example.is_empty() {
        output.line("")?;
        output.line("  example of a decky in a maze file")?;
        for (key, value) in &example {
            output.line(format!("    {key}: {value}"))?;
        }
    }
    Ok(())
}

fn row(field: &ServiceField) -> [String; 4] {
    let range = match (field.minimum, field.maximum) {
        (None, None) => String::new(),
        (Some(minimum), None) => format!(" (from {minimum})"),
        (None, Some(maximum)) => format!(" (to {maximum})"),
        (Some(minimum), Some(maximum)) => format!(" ({minimum} to {maximum})"),
    };
    let options = if field.options.is_empty() {
        range
    } else {
        format!(" ({})", field.options.join(", "))
    };
    [
        field.key.clone(),
        format!("{}{options}", field.kind),
        table::or_dash(field.default.as_ref().map(ToString::to_string).unwrap_or_default()),
        field.help.clone(),
    ]
}
