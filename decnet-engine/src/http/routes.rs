//! The table of routes. The router and the description of the API both come from it.

use std::future::ready;

use axum::http::Method;

use super::{
    allocation,
    auth::scope::AccessScope,
    catalog, events, history, lifecycle, metrics, mutations, operations, parts, picture,
    route::{
        Access, BodyKind, Parameter,
        ParameterKind::{self, Flag, Number, Text, Time, Word},
        Route,
    },
    topologies, visits,
};

/// Makes a route from the path of its handler, or of a function that answers without waiting.
macro_rules! route {
    ($method:ident $path:literal, $id:literal, $summary:literal, fn $($handler:ident)::+) => {
        Route::new(Method::$method, $path, $id, $summary, |api, call| Box::pin(ready($($handler)::+(&api, &call))))
    };
    ($method:ident $path:literal, $id:literal, $summary:literal, $($handler:ident)::+) => {
        Route::new(Method::$method, $path, $id, $summary, |api, call| Box::pin($($handler)::+(api, call)))
    };
}

const READ: Access = Access::Scope(AccessScope::Read);
const ADMIN: Access = Access::Scope(AccessScope::Admin);
const STREAM: Access = Access::Ticket(AccessScope::Read);

const LIMIT: Parameter = Parameter {
    name: "limit",
    kind: ParameterKind::Number(1000),
    is_required: false,
    about: "The largest number of rows, up to 1000; 100 if it is not given.",
};
const OFFSET: Parameter = Parameter {
    name: "offset",
    kind: ParameterKind::Number(1 << 31),
    is_required: false,
    about: "How many rows to skip.",
};

const fn parameter(name: &'static str, kind: ParameterKind, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        is_required: false,
        about,
    }
}

/// Returns all routes.
pub(super) fn table() -> Vec<Route> {
    let mut table = stored();
    table.extend(maze());
    table.extend(running());
    table.extend(server());
    table
}

/// The routes of stored topologies.
fn stored() -> Vec<Route> {
    const LIST: &[Parameter] = &[
        parameter("status", Text, "Only these statuses, separated by commas."),
        parameter("name", Text, "Only topologies with this name."),
        LIMIT,
        OFFSET,
    ];
    const CREATE: &[Parameter] = &[parameter(
        "agent",
        Text,
        "The name of a host: its agent plans and deploys the whole maze.",
    )];
    const VALIDATE: &[Parameter] = &[
        parameter(
            "live",
            Flag,
            "Whether to use the rules for running mazes, which allow a temporary lack of a DMZ.",
        ),
        parameter(
            "against_store",
            Flag,
            "Whether to check for overlaps with stored mazes too.",
        ),
    ];
    const SYNTAX: &[Parameter] = &[parameter(
        "syntax",
        Word(&["json", "yaml"]),
        "`json` if it is not given.",
    )];
    const AT: &[Parameter] = &[Parameter {
        is_required: true,
        ..parameter("time", Time, "The time, like 2030-01-31T12:00:00Z.")
    }];
    const DRAW: &[Parameter] = &[
        parameter("states", Flag, "Whether to draw the states of the deckies on Docker."),
        parameter("time", Time, "Draws the deckies of that time in the LANs of now."),
    ];
    vec![
        route!(GET "/topologies", "list_topologies", "Lists topologies in order of creation.", topologies::list)
            .query(LIST)
            .answers(&[(200, "TopologyPage")]),
        route!(POST "/topologies", "create_topology", "Stores a maze file as a new topology.", topologies::create)
            .query(CREATE)
            .body(BodyKind::Document)
            .answers(&[(201, "Stored")]),
        route!(POST "/topologies/generate", "generate_topology", "Generates a maze from a config and stores it.", topologies::generate)
            .body(BodyKind::Json("Config"))
            .answers(&[(201, "Stored")]),
        route!(POST "/topologies/blank", "create_blank_topology", "Stores a maze without deckies.", topologies::blank)
            .body(BodyKind::Json("Blank"))
            .answers(&[(201, "Stored")]),
        route!(POST "/topologies/validate", "validate_topology", "Validates a maze file and stores nothing.", topologies::validate)
            .access(READ)
            .query(VALIDATE)
            .body(BodyKind::Document)
            .answers(&[(200, "Validation")]),
        route!(GET "/topologies/{id}", "get_topology", "Returns a topology with its maze.", topologies::get)
            .answers(&[(200, "Topology")]),
        route!(PUT "/topologies/{id}", "replace_topology", "Replaces the maze of a pending topology.", topologies::replace)
            .body(BodyKind::Document)
            .answers(&[(200, "Stored")]),
        route!(DELETE "/topologies/{id}", "delete_topology", "Deletes a topology that does not run.", topologies::delete)
            .answers(&[(204, "")]),
        route!(GET "/topologies/{id}/document", "get_document", "Returns the maze file.", topologies::document)
            .query(SYNTAX)
            .answers(&[(200, "Document")]),
        route!(GET "/topologies/{id}/state", "get_state", "Returns the state of the deckies on Docker.", topologies::state)
            .answers(&[(200, "Object")]),
        route!(GET "/topologies/{id}/status-events", "list_status_events", "Lists the changes of status, oldest first.", history::status_events)
            .answers(&[(200, "Object")]),
        route!(GET "/topologies/{id}/at", "get_deckies_at", "Returns the deckies at a time.", history::at)
            .query(AT)
            .answers(&[(200, "Object")]),
        route!(GET "/topologies/{id}/graph.svg", "draw_topology", "Draws a topology.", picture::draw)
            .query(DRAW)
            .answers(&[(200, "Picture")]),
        route!(GET "/topologies/{id}/analysis", "analyse_topology", "Returns how many deckies an intruder must take over to reach each LAN and decky.", picture::analyse)
            .answers(&[(200, "Object")]),
    ]
}

/// The routes of the parts of a maze.
fn maze() -> Vec<Route> {
    vec![
        route!(GET "/topologies/{id}/lans", "list_lans", "Lists the LANs.", parts::lans).answers(&[(200, "Object")]),
        route!(POST "/topologies/{id}/lans", "add_lan", "Adds a LAN.", parts::add_lan)
            .body(BodyKind::Json("AddLan"))
            .answers(&[(201, "Object"), (202, "QueuedMutation")]),
        route!(GET "/topologies/{id}/lans/{lan}", "get_lan", "Returns a LAN.", parts::lan).answers(&[(200, "Object")]),
        route!(PATCH "/topologies/{id}/lans/{lan}", "update_lan", "Changes a LAN.", parts::update_lan)
            .body(BodyKind::Json("LanPatch"))
            .answers(&[(200, "Object"), (202, "QueuedMutation")]),
        route!(DELETE "/topologies/{id}/lans/{lan}", "remove_lan", "Removes a LAN.", parts::remove_lan)
            .answers(&[(204, ""), (202, "QueuedMutation")]),
        route!(GET "/topologies/{id}/lans/{lan}/next-ip", "next_ip", "Returns the next free address of a LAN.", allocation::next_ip)
            .answers(&[(200, "Object")]),
        route!(GET "/topologies/{id}/deckies", "list_deckies", "Lists the deckies.", parts::deckies)
            .answers(&[(200, "Object")]),
        route!(POST "/topologies/{id}/deckies", "add_decky", "Adds a decky.", parts::add_decky)
            .body(BodyKind::Json("AddDecky"))
            .answers(&[(201, "Object"), (202, "QueuedMutation")]),
        route!(GET "/topologies/{id}/deckies/{decky}", "get_decky", "Returns a decky.", parts::decky)
            .answers(&[(200, "Object")]),
        route!(PATCH "/topologies/{id}/deckies/{decky}", "update_decky", "Changes a decky.", parts::update_decky)
            .body(BodyKind::Json("DeckyPatch"))
            .answers(&[(200, "Object"), (202, "QueuedMutation")]),
        route!(DELETE "/topologies/{id}/deckies/{decky}", "remove_decky", "Removes a decky.", parts::remove_decky)
            .answers(&[(204, ""), (202, "QueuedMutation")]),
        route!(GET "/topologies/{id}/edges", "list_edges", "Lists the attachments of deckies to LANs.", parts::edges)
            .answers(&[(200, "Object")]),
        route!(POST "/topologies/{id}/edges", "attach_decky", "Attaches a decky to a LAN.", parts::attach)
            .body(BodyKind::Json("AttachDecky"))
            .answers(&[(201, "Object"), (202, "QueuedMutation")]),
        route!(GET "/topologies/{id}/edges/{decky}/{lan}", "get_edge", "Returns the attachment of a decky to a LAN.", parts::edge)
            .answers(&[(200, "Object")]),
        route!(DELETE "/topologies/{id}/edges/{decky}/{lan}", "detach_decky", "Detaches a decky from a LAN.", parts::detach)
            .answers(&[(204, ""), (202, "QueuedMutation")]),
    ]
}

/// The routes of running topologies.
fn running() -> Vec<Route> {
    const MUTATIONS: &[Parameter] = &[
        parameter("state", Text, "Only these states, separated by commas."),
        LIMIT,
        OFFSET,
    ];
    const LOGS: &[Parameter] = &[
        parameter("decky", Text, "Only visits of deckies with this name."),
        parameter("service", Text, "Only visits of services with this name."),
        parameter("since", Time, "Only visits of this time or later."),
        LIMIT,
    ];
    const PAGE: &[Parameter] = &[LIMIT, OFFSET];
    const JOB: &[(u16, &str)] = &[(200, "Operation"), (202, "Operation")];
    vec![
        route!(GET "/topologies/{id}/mutations", "list_mutations", "Lists the mutations in the order in which they were queued.", mutations::list)
            .query(MUTATIONS)
            .answers(&[(200, "Object")]),
        route!(POST "/topologies/{id}/mutations", "submit_mutation", "Edits a pending topology, or queues a mutation of a running one.", mutations::submit)
            .body(BodyKind::Json("Mutation"))
            .answers(&[(200, "Object"), (202, "QueuedMutation")]),
        route!(GET "/topologies/{id}/mutations/{number}", "get_mutation", "Returns a mutation.", mutations::get)
            .answers(&[(200, "Object")]),
        route!(POST "/topologies/{id}/plan", "plan", "Plans an operation and changes nothing.", lifecycle::plan)
            .access(READ)
            .body(BodyKind::OptionalJson("Plan"))
            .answers(&[(200, "Object")]),
        route!(POST "/topologies/{id}/deploy", "deploy", "Deploys a topology.", lifecycle::deploy)
            .body(BodyKind::OptionalJson("Deploy"))
            .answers(JOB),
        route!(POST "/topologies/{id}/teardown", "teardown", "Tears a topology down.", lifecycle::teardown)
            .body(BodyKind::OptionalJson("Teardown"))
            .answers(JOB),
        route!(POST "/topologies/{id}/reconcile", "reconcile", "Makes Docker match the maze again.", lifecycle::reconcile)
            .body(BodyKind::OptionalJson("Reconcile"))
            .answers(JOB),
        route!(POST "/topologies/{id}/restart", "restart", "Restarts a decky or one of its services.", lifecycle::restart)
            .body(BodyKind::Json("Restart"))
            .answers(JOB),
        route!(POST "/topologies/{id}/verify", "verify", "Verifies from inside the deckies that the maze works as declared.", lifecycle::verify)
            .answers(JOB),
        route!(GET "/topologies/{id}/logs", "list_visits", "Lists stored visits, oldest first.", visits::logs)
            .query(LOGS)
            .answers(&[(200, "Object")]),
        route!(GET "/topologies/{id}/events", "follow_topology", "Follows the events of a topology.", events::one)
            .access(STREAM)
            .answers(&[(200, "EventStream")]),
        route!(GET "/operations", "list_operations", "Lists the long operations without their results, oldest first.", fn operations::list)
            .query(PAGE)
            .answers(&[(200, "Object")]),
        route!(GET "/operations/{operation}", "get_operation", "Returns a long operation.", operations::get)
            .answers(&[(200, "Operation")]),
        route!(DELETE "/operations/{operation}", "cancel_operation", "Interrupts a long operation, which undoes its changes.", fn operations::cancel)
            .answers(&[(202, "Operation")]),
    ]
}

/// The routes of the server.
fn server() -> Vec<Route> {
    const SUBNET: &[Parameter] = &[
        parameter("base", Text, "The pool: 10.0.0.0/8, or the short form 172.20."),
        parameter("prefix", Number(32), "The length of the subnet; 24 if it is not given."),
    ];
    vec![
        route!(GET "/services", "list_services", "Lists the services that deckies may run.", fn catalog::services)
            .answers(&[(200, "Object")]),
        route!(GET "/archetypes", "list_archetypes", "Lists the archetypes.", fn catalog::archetypes)
            .answers(&[(200, "Object")]),
        route!(GET "/next-subnet", "next_subnet", "Returns the next free subnet.", allocation::next_subnet)
            .query(SUBNET)
            .answers(&[(200, "Object")]),
        route!(POST "/reap-orphans", "reap_orphans", "Removes Docker resources of mazes that are not stored.", lifecycle::reap)
            .access(ADMIN)
            .body(BodyKind::OptionalJson("Reap"))
            .answers(&[(200, "Operation"), (202, "Operation")]),
        route!(GET "/events", "follow", "Follows the events of all topologies.", events::all)
            .access(STREAM)
            .answers(&[(200, "EventStream")]),
        route!(POST "/tickets", "issue_ticket", "Issues a ticket for one event stream, for a minute.", fn events::ticket)
            .access(READ)
            .answers(&[(200, "Object")]),
        route!(GET "/healthz", "healthz", "Returns whether the server can read its store.", catalog::healthz)
            .access(Access::Public)
            .answers(&[(200, "Object")]),
        route!(GET "/metrics", "metrics", "Returns counters in the text format of Prometheus.", metrics::metrics)
            .answers(&[(200, "Text")]),
        route!(GET "/openapi.json", "openapi", "Describes this API.", fn catalog::openapi)
            .access(Access::Public)
            .answers(&[(200, "Object")]),
    ]
}
