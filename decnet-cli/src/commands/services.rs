use decnet_topology::Service;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, table};

/// List the services that deckies may run.
///
/// With names, show these services in full.
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
        let service = catalog.service(name);
        chosen.push(service.ok_or_else(|| CommandError::Unknown {
            kind: "service",
            name: name.clone(),
        })?);
    }
    let in_full = !chosen.is_empty();
    if !in_full {
        chosen.extend(catalog.services());
    }
    if context.output.json {
        context.output.json(&json!({ "services": chosen }))?;
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
    output.line(format!("  ports  {}", ports(service)))?;
    output.line(format!("  image  {}", service.image))?;
    if service.singleton {
        output.line("  one per installation, not on deckies")?;
    }
    for field in &service.fields {
        let options = if field.options.is_empty() {
            String::new()
        } else {
            format!(" ({})", field.options.join(", "))
        };
        let default = field
            .default
            .as_ref()
            .map(|value| format!(" [{value}]"))
            .unwrap_or_default();
        output.line(format!(
            "  field  {}: {}{options}{default}  {}",
            field.key, field.kind, field.help
        ))?;
    }
    Ok(())
}
