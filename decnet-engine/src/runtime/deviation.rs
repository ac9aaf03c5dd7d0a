//! Descriptions of the differences between a base's network and its state.

use decnet_decoy::protocol::{Deviation, StateReport};

/// Describes what the kernel refused, or otherwise the differences; none if there are none.
pub(crate) fn describe(report: &StateReport) -> Option<String> {
    let parts: Vec<_> = if report.refused.is_empty() {
        report.deviations.iter().map(describe_one).collect()
    } else {
        report.refused.clone()
    };
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn describe_one(deviation: &Deviation) -> String {
    match deviation {
        Deviation::InterfaceMissing(ip) => format!("interface missing: {ip}"),
        Deviation::InterfaceUndeclared(ip) => format!("undeclared interface: {ip}"),
        Deviation::ForwardingOn(ip) => format!("forwarding on: interface {ip}"),
        Deviation::ForwardingOff(ip) => format!("forwarding off: interface {ip}"),
        Deviation::Unguarded { address, guard, value } => format!("{guard:?} is {value}: interface {address}"),
        Deviation::OtherMac { address, mac } => format!("hardware address {mac}: interface {address}"),
        Deviation::RouteMissing(route) => format!("route missing: {} via {}", route.to, route.via),
        Deviation::RouteUndeclared(to) => format!("undeclared route: {to}"),
        Deviation::DefaultRouteMissing => "default route missing".into(),
        Deviation::Uncontained => "containment missing".into(),
        Deviation::NotRedirected => "ports not redirected: visitors see the ports inside the containers".into(),
        // A decoy program of another version may report more.
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, text: Option<&str>) {
        let report: StateReport = serde_json::from_str(json).expect("a report");
        assert_eq!(describe(&report).as_deref(), text);
    }

    #[test]
    fn a_report_is_described_by_its_refusals_or_else_its_differences() {
        check(
            r#"{"deviations":[{"route_missing":{"to":"10.0.0.0/24","via":"10.0.1.2"}}],"refused":["route 10.0.0.0/24 via 10.0.1.2: Network is unreachable (os error 101)"]}"#,
            Some("route 10.0.0.0/24 via 10.0.1.2: Network is unreachable (os error 101)"),
        );
        check(
            r#"{"deviations":[{"route_missing":{"to":"10.0.0.0/24","via":"10.0.1.2"}},{"forwarding_off":"10.0.1.1"}],"refused":[]}"#,
            Some("route missing: 10.0.0.0/24 via 10.0.1.2; forwarding off: interface 10.0.1.1"),
        );
        check(r#"{"deviations":[],"refused":[]}"#, None);
    }
}
