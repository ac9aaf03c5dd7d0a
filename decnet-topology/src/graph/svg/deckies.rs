use std::fmt::{self, Write as _};

use super::{
    state::DrawnState,
    text::{INNER, escaped, host, shortened},
};
use crate::{
    graph::{Graph, drawing::Role, layout::parts::row_height},
    model::Decky,
};

/// Draws a decky as a row of the box of its home.
pub(super) fn write_decky(
    out: &mut String,
    graph: &Graph<'_>,
    (x, y, width): (i64, i64, i64),
    decky: &Decky,
    state: Option<DrawnState>,
) -> fmt::Result {
    let topology = graph.topology();
    let role = Role::of(topology, decky);
    let role_name = match role {
        Role::Host => "host",
        Role::Bridge => "bridge",
        Role::Router => "router",
        Role::Gateway => "gateway",
    };
    let services: Vec<&str> = decky.services().iter().map(AsRef::as_ref).collect();
    let services = if services.is_empty() {
        "no service".into()
    } else {
        services.join(" ")
    };
    let state_label = state.map(DrawnState::label);
    let second = state_label
        .into_iter()
        .chain([&*services])
        .collect::<Vec<_>>()
        .join("  ");
    let ip = decky.home().map(|home| home.ip.to_string()).unwrap_or_default();
    let others = decky.attachments().iter().skip(1);
    let others: Vec<String> = others
        .filter_map(|edge| Some(format!("{} {}", topology.lan(edge.lan)?.name(), edge.ip)))
        .collect();
    let mut title = format!("{role_name} {}, {ip}, {services}", decky.name());
    for other in &others {
        let _ = write!(title, ", on {other}");
    }
    let host = graph.decky_host(decky.id());
    if let Some(host) = host {
        let _ = write!(title, ", on {host}");
    }
    if let Some(label) = state_label {
        let _ = write!(title, ", {label}");
    }
    let (title, height) = (escaped(&title), row_height(decky.is_bridge()) - 4);
    let class = state.map_or("", DrawnState::class);
    write!(
        out,
        "<g class=\"decky {role_name}{class}\" data-decky=\"{}\"{} tabindex=\"0\" role=\"img\" aria-label=\"{title}\">\
         <title>{title}</title>",
        escaped(decky.name().as_str()),
        self::host(host),
    )?;
    write_outline(out, role, (x, y, width, height))?;
    let columns = |room: i64, tenths: i64| room * 10 / tenths;
    let room = width - 2 * INNER - 4;
    let ip_width = i64::try_from(ip.len()).unwrap_or(0) * 66 / 10 + 8;
    write!(
        out,
        "<text class=\"name\" x=\"{tx}\" y=\"{}\">{}</text>\
         <text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{ip}</text>\
         <text class=\"quiet\" x=\"{tx}\" y=\"{}\">{}</text>",
        y + 15,
        escaped(&shortened(decky.name().as_str(), columns(room - ip_width, 72))),
        x + width - INNER - 2,
        y + 15,
        y + 30,
        escaped(&shortened(&second, columns(room, 66))),
        tx = x + INNER + 2,
    )?;
    if !others.is_empty() {
        let third = format!("{role_name} → {}", others.join(", "));
        let third = escaped(&shortened(&third, columns(room, 66)));
        write!(out, "<text x=\"{}\" y=\"{}\">{third}</text>", x + INNER + 2, y + 44)?;
    }
    out.push_str("</g>\n");
    Ok(())
}

/// Draws the outline of a row: each role has its own shape.
fn write_outline(out: &mut String, role: Role, (x, y, width, height): (i64, i64, i64, i64)) -> fmt::Result {
    let (right, bottom, middle, tip) = (x + width, y + height, y + height / 2, 8);
    match role {
        Role::Host | Role::Bridge => {
            write!(
                out,
                "<rect class=\"row\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\"/>"
            )
        }
        Role::Router => write!(
            out,
            "<polygon class=\"row\" points=\"{x},{middle} {},{y} {},{y} {right},{middle} {},{bottom} {},{bottom}\"/>",
            x + tip,
            right - tip,
            right - tip,
            x + tip,
        ),
        Role::Gateway => write!(
            out,
            "<polygon class=\"row\" points=\"{x},{y} {},{y} {right},{middle} {},{bottom} {x},{bottom}\"/>",
            right - tip,
            right - tip,
        ),
    }
}
