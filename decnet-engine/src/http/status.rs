//! The status and the hint of each error code. Only this file decides them.

use axum::http::StatusCode;

/// Returns the status for the stable code of an error.
pub(super) fn status_of(code: &str) -> StatusCode {
    match code {
        "SYNTAX" | "generation_missing" | "invalid_header" | "invalid_parameter" | "malformed"
        | "unknown_parameter" => StatusCode::BAD_REQUEST,
        "unauthorized" => StatusCode::UNAUTHORIZED,
        "certificate_needed"
        | "certificate_refused"
        | "forbidden"
        | "foreign_host"
        | "foreign_origin"
        | "host_unknown"
        | "token_name"
        | "token_unknown" => StatusCode::FORBIDDEN,
        "not_found" | "unknown_decky" | "unknown_service" => StatusCode::NOT_FOUND,
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "slow_body" => StatusCode::REQUEST_TIMEOUT,
        "DECKY_NAME_DUP" | "FORCE_REQUIRED" | "FROZEN_WHILE_LIVE" | "LAN_NAME_DUP" | "busy" | "destructive"
        | "differs" | "fleet_missing" | "foreign" | "host_cloned" | "host_full" | "host_lost" | "host_name_taken"
        | "host_taken" | "left_on_docker" | "mutation_conflict" | "mutation_queued" | "name_taken" | "not_running"
        | "other_agent" | "plan_changed" | "port_taken" | "protocol_mismatch" | "queue_not_empty"
        | "status_conflict" | "subnet_claimed" | "superseded" | "token_used" | "subnet_taken" | "version_conflict"
        | "vni_taken" | "wrong_status" => StatusCode::CONFLICT,
        "token_expired" => StatusCode::GONE,
        "upgrade_needed" => StatusCode::UPGRADE_REQUIRED,
        "body_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "unsupported_media_type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "agent_mode"
        | "exhausted"
        | "hosts_unknown"
        | "not_placed"
        | "hash_mismatch"
        | "idempotency_key_reused"
        | "invalid"
        | "invalid_body"
        | "invalid_config"
        | "invalid_name"
        | "invalid_request"
        | "malformed_target"
        | "mutation_rejected"
        | "mutation_unreadable"
        | "name_mismatch"
        | "not_shuffled"
        | "peer_address"
        | "publish_maps_nothing"
        | "subnets"
        | "underlay_missing"
        | "underlay_unknown"
        | "addresses" => StatusCode::UNPROCESSABLE_ENTITY,
        "agent_refused"
        | "agent_superseded"
        | "agent_untrusted"
        | "agent_version"
        | "deploy_failed"
        | "docker"
        | "docker_too_old"
        | "image_unavailable"
        | "not_well"
        | "reap_incomplete"
        | "teardown_incomplete" => StatusCode::BAD_GATEWAY,
        "agent_unreachable"
        | "auth_unavailable"
        | "database_locked"
        | "database_read_only"
        | "database_refused"
        | "database_unreachable"
        | "docker_unreachable"
        | "host_unreachable"
        | "interrupted"
        | "stopping"
        | "too_many_bodies"
        | "too_many_changes"
        | "too_many_operations"
        | "too_many_streams"
        | "too_many_tickets" => StatusCode::SERVICE_UNAVAILABLE,
        "docker_timeout" | "timed_out" => StatusCode::GATEWAY_TIMEOUT,
        "disk_full" => StatusCode::INSUFFICIENT_STORAGE,
        // The codes of mutations and findings: the maze refuses the request.
        code if code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns after how many seconds a request that was refused with this code may succeed.
pub(super) fn retry_after_of(code: &str) -> Option<u64> {
    code.starts_with("too_many_").then_some(1)
}

/// Returns what the client can do about an error, by its code.
pub(super) fn hint_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "SUBNET_POOL_EXHAUSTED" | "exhausted" => "choose a larger range, or tear mazes down",
        "SUBNET_SPECIAL" => "use a private range: 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        "SYNTAX" => "send one JSON object: {\"op\": …, \"payload\": {…}}",
        "UNKNOWN_DECKY" | "UNKNOWN_LAN" | "unknown_decky" => "GET …/deckies and …/lans list what the maze has",
        "agent_superseded" | "superseded" => "another master has taken over; stop this one",
        "agent_unreachable" => "check that `decnet agent` runs on that host and that its port is reachable",
        "agent_untrusted" => {
            "check the clocks of both hosts; if the certificate has expired, or the authority was replaced while the host was off, enrol the host again"
        }
        "agent_version" | "protocol_mismatch" => "install the same version of decnet on both hosts",
        "body_too_large" => "a maze file has at most 64 MiB, any other body 1 MiB",
        "busy" => "wait until the other process is done; its lease expires",
        "deploy_failed" => "fix the cause and deploy again",
        "FORCE_REQUIRED" | "destructive" => "repeat it with `\"force\": true`; POST …/plan shows the steps first",
        "differs" => "POST …/mutations changes a running maze",
        "disk_full" => "free some space and try again; nothing was lost",
        "docker_timeout" => "the daemon is overloaded or stuck; try again later",
        "docker_unreachable" => "start Docker on the host of the server, then try again",
        "host_lost" => {
            "`decnet agent --state FOLDER --orphan-after 1m` on the host removes what is there; `\"force\": true` records the maze as torn down without that"
        }
        "agent_mode" | "hosts_unknown" => "`decnet host list` lists the hosts",
        "fleet_missing" => {
            "`decnet host enroll NAME` adds a host; `decnet host list --all` lists those that were revoked"
        }
        "host_full" | "vni_taken" => "another request placed deckies meanwhile: repeat it",
        "host_taken" => "tear the maze of that host down first, or choose another host",
        "host_unreachable" => "start the host or its agent; `decnet host show HOST` shows its state",
        "not_placed" => {
            "`decnet host list` lists the hosts with their capacities and labels; `\"force\": true` moves what cannot stay"
        }
        "underlay_missing" => "let the host join again: `decnet host enroll NAME --underlay ADDRESS`",
        "host_unknown" => "enrol the host again: `decnet host enroll NAME` makes a token",
        "token_expired" | "token_name" | "token_unknown" | "token_used" => {
            "`decnet host enroll NAME` on the master makes a new token for a host"
        }
        "forbidden" => "use a token with a wider scope: `decnet token create --scope …`",
        "idempotency_key_reused" => "use a new key for a new request",
        "left_on_docker" => "POST …/teardown removes it",
        "method_not_allowed" => "the header `Allow` lists the methods",
        "name_taken" => "choose another name, or DELETE the other maze; tear it down first if it runs",
        "queue_not_empty" => "GET …/mutations lists the queue; try again when it is empty",
        "slow_body" => "send the body without pauses",
        "status_conflict" | "version_conflict" => "GET the topology again, and repeat the change with its new ETag",
        "subnet_claimed" | "subnet_taken" => "choose another subnet: GET /next-subnet returns a free one",
        "teardown_incomplete" => "POST …/teardown again continues it",
        "too_many_bodies" | "too_many_changes" | "too_many_operations" | "too_many_streams" | "too_many_tickets" => {
            "try again later"
        }
        "unauthorized" => "send `Authorization: Bearer TOKEN`; `decnet token create` makes a token",
        "unsupported_media_type" => "send `Content-Type: application/json`: curl --json does",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_mutations_are_refusals_and_unknown_codes_are_faults_of_the_server() {
        for (code, status) in [
            ("RESULT_INVALID", 422),
            ("WRONG_TYPE", 422),
            ("SYNTAX", 400),
            ("FORCE_REQUIRED", 409),
            ("not_found", 404),
            ("database_damaged", 500),
            ("docker_unreachable", 503),
        ] {
            assert_eq!(status_of(code).as_u16(), status, "{code}");
        }
    }
}
