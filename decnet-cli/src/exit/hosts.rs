//! Hints for errors about the hosts of a fleet.

use decnet_topology::PlaceFault;

/// Returns the hint for the first reason why a maze has no place.
pub(super) fn hint_of_place(fault: Option<&PlaceFault>) -> &'static str {
    match fault {
        Some(PlaceFault::LabelMissing { .. } | PlaceFault::GatewayNotPublic { .. } | PlaceFault::LabelLost { .. }) => {
            "`decnet host list` shows the labels; `decnet host enroll HOST --label LABEL` lets a host join again with one, and `--pin LAN=` removes the pins of a LAN"
        }
        Some(PlaceFault::RuleUnknownLan { .. }) => {
            "`decnet graph`, with the maze or its file, shows the LANs; `--pin LAN=` removes the pins of one, `--apart ''` removes all groups"
        }
        Some(PlaceFault::MemberDrained { .. }) => {
            "`decnet host drain HOST --undo` lets the host have deckies again; `decnet host list` shows others"
        }
        Some(PlaceFault::MemberSilent { .. }) => "`decnet host show HOST` says why a host does not answer",
        _ => "`decnet host list` lists the hosts and their capacities; --force moves what cannot stay",
    }
}

/// Returns the hint for an error about the hosts of a fleet.
pub(super) fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "agent_refused" => "the log of the agent on that host says more; `decnet host show HOST` shows its state",
        "agent_superseded" => "another master has taken over the maze; run the command again",
        "agent_unreachable" => {
            "check that `decnet agent` runs on that host, its address, and that TCP 7378 is open; `decnet host show HOST` shows its state"
        }
        "agent_untrusted" => {
            "check the clocks of both machines, and `decnet host rotate-ca --status`; if its certificate has expired, let the host join again: `decnet host enroll HOST`"
        }
        "agent_version" => "install the same version of decnet on all machines",
        "authority_damaged" => {
            "update decnet on this machine if it is older than on other masters; otherwise restore the newest backup of the database"
        }
        "authority_newer" => "install the newer version of decnet on all masters",
        "clock_off" => "set the clocks of both hosts, for instance by NTP; then join with a new token",
        "exposed_key" => "remove the permissions of others: `chmod 700` for the folder, `chmod 600` for its files",
        "folder_in_use" => "stop the other agent, or give this one a folder of its own with --state",
        "invalid_certificate" | "invalid_key" | "not_read" => {
            "restore the file, or let the host join again: `decnet host enroll NAME` on the master makes a token"
        }
        "host_cloned" => {
            "the folder of the agent was copied: stop one of the two; give that machine a name of its own with `decnet host enroll NAME`"
        }
        "host_full" => {
            "another command placed deckies there meanwhile: run the command again; `decnet host list` lists the hosts and their capacities"
        }
        "vni_taken" => "another command placed a maze meanwhile: run the command again",
        "fleet_missing" => {
            "check --db; `decnet host list --all` lists the hosts, and `decnet host enroll NAME` adds one"
        }
        "host_lost" => {
            "on that host, `decnet agent --state FOLDER --orphan-after 1m` removes what is there; `decnet teardown MAZE --force` records the maze as torn down without that"
        }
        "host_name_taken" => {
            "give this host another name; or make a new token: this machine then takes the place of the other one"
        }
        "host_revoked" => {
            "to join again, make a token on the master: `decnet host enroll NAME`; if a part of a maze is still here, `decnet agent --state FOLDER --orphan-after 1m` removes it"
        }
        "host_unknown" => "let the host join again, with a new token: `decnet host enroll NAME` on the master makes it",
        "host_unreachable" => "`decnet host show HOST` shows its state; start the host or its agent",
        "host_taken" => "tear that maze down first, or take another host",
        "hosts_unknown" => "`decnet host list` lists the hosts; --hosts chooses others, and --hosts '' allows all",
        "host_profile" => "correct the flag; `decnet host enroll --help` describes it",
        "no_host" => "`decnet host list --all` lists the hosts",
        "not_joined" => "join first: --join TOKEN --name NAME --master HOST:PORT",
        "not_movable" => "tear it down, and deploy it with --agent on another host",
        "not_moved" => "fix what is said for each maze, and run `decnet host drain HOST --move` again",
        "not_placed" => "`decnet host list` lists the hosts and their capacities; --force moves what cannot stay",
        "underlay_missing" => "let the host join again with its address: `decnet host enroll NAME --underlay ADDRESS`",
        "other_agent" => {
            "leave --agent out; or save the file (`decnet show MAZE --document`), remove the maze (`decnet teardown MAZE`, `decnet delete MAZE`), and deploy the file with --agent"
        }
        "other_authority" => {
            "check the address of the master, and that the token was made by it; if its authority was replaced since, make a new token on the master"
        }
        "peer_address" => "write the address and the port, as in 10.0.0.5:7379",
        "peer_not_tls" => "check the address and the port: `decnet host serve` listens on 7379, an agent on 7378",
        "peer_unreachable" => "check that the master runs, its address, and the firewall",
        "peer_untrusted" => {
            "check the clocks of both hosts; if the certificate has expired, or the authority was replaced meanwhile, join with a new token"
        }
        "protocol_mismatch" => "install the same version of decnet on both hosts",
        "rotation_not_begun" => "begin with `decnet host rotate-ca`",
        "rotation_pending" => {
            "`decnet host rotate-ca --finish` finishes it, and --status says which hosts are waited for"
        }
        "rotation_waits" => {
            "check that `decnet host serve` and the agents run, and try again after half a minute; --force loses these hosts until they join again, and `decnet host revoke` removes one that is gone"
        }
        "token_expired" | "token_malformed" | "token_name" | "token_unknown" | "token_used" => {
            "make a new token on the master for the name of this host; a token works once, for 15 minutes"
        }
        "underlay_unknown" => "make another token with `decnet host enroll NAME --underlay ADDRESS`",
        _ => return None,
    })
}
