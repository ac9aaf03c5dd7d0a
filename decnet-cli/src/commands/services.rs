use decnet_topology::{Service, ServiceField};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, table};

/// List the services that deckies may run.
///
/// With names, show these services in full: every field with its type, default and purpose, the ports, how visitors can log in,
/// and an example.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Services to show in full.
    #[arg(value_name = "SERVICE")]
    names: Vec<String>,
}

/// Lists the services.
pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CommandError> {
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
        let rows = chosen.into_iter().map(|service| {
            let name = if service.singleton {
                format!("{} (not on deckies)", service.name)
            } else {
                service.name.to_string()
            };
            let fields = table::words(service.fields.iter().map(|field| &field.key));
            [name, ports(service), service.image.to_string(), fields]
        });
        context
            .output
            .data(&table::rows(["SERVICE", "PORTS", "IMAGE", "FIELDS"], rows))?;
    }
    Ok(Exit::Done)
}

fn ports(service: &Service) -> String {
    table::or_dash(table::words(&service.ports))
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
