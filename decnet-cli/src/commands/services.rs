use decnet_topology::{ImageSource, Service};
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
        for (at, service) in chosen.iter().enumerate() {
            if at > 0 {
                context.output.data("\n")?;
            }
            show(context, service)?;
        }
    } else {
        let mut table = table::table(["SERVICE", "PORTS", "IMAGE", "FIELDS"]);
        for service in chosen {
            let fields: Vec<_> = service.fields.iter().map(|field| field.key.as_str()).collect();
            let name = if service.singleton {
                format!("{} (not on deckies)", service.name)
            } else {
                service.name.to_string()
            };
            table::row(&mut table, [name, ports(service), image(service), fields.join(" ")]);
        }
        context.output.data(&table::lines(&table))?;
    }
    Ok(Exit::Done)
}

fn ports(service: &Service) -> String {
    let ports: Vec<_> = service.ports.iter().map(ToString::to_string).collect();
    if ports.is_empty() { "-".into() } else { ports.join(" ") }
}

fn image(service: &Service) -> String {
    match &service.image {
        ImageSource::Builtin => "builtin".into(),
        ImageSource::Reference(reference) => reference.clone(),
        ImageSource::Build(folder) => format!("build {}", folder.display()),
        _ => "?".into(),
    }
}

fn show(context: &Context, service: &Service) -> Result<(), CommandError> {
    let output = context.output;
    output.line(&service.name)?;
    output.line(format!("  ports  {}", ports(service)))?;
    output.line(format!("  image  {}", image(service)))?;
    if service.singleton {
        output.line("  one per installation, not on deckies")?;
    }
    for field in &service.fields {
        let kind = serde_json::to_value(field.kind).map_err(|source| CommandError::Json { source })?;
        let kind = kind.as_str().unwrap_or_default();
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
            "  field  {}: {kind}{options}{default}  {}",
            field.key, field.help
        ))?;
    }
    Ok(())
}
