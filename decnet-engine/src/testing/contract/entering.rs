//! Commands in containers, copies of files, captures of packets.

use std::net::Ipv4Addr;

use decnet_topology::rng;
use futures_util::StreamExt as _;

use super::stage::Lab;
use crate::{
    desired::BaseSpec,
    runtime::{CapturePlace, CaptureRequest, CommandOutput, CommandRequest, CopyRequest, RunningCommand, RuntimeError},
};

fn command(lab: &Lab, base: &BaseSpec, words: &[&str]) -> CommandRequest {
    CommandRequest {
        instance: lab.instance,
        container: base.name.clone(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        input: false,
        terminal: None,
    }
}

fn copy(lab: &Lab, base: &BaseSpec, path: &str) -> CopyRequest {
    CopyRequest {
        instance: lab.instance,
        container: base.name.clone(),
        path: path.into(),
    }
}

async fn copy_error(lab: &Lab, request: CopyRequest) -> RuntimeError {
    let first = lab.runtime.copy_out(request).next().await.expect("an item");
    first.expect_err("it is refused")
}

pub(super) async fn a_program_that_does_not_exist_exits_with_126_or_127(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let request = command(lab, &base, &["/nothing/here", "argument"]);
    let RunningCommand {
        mut output, control, ..
    } = lab.runtime.run_command(request).await.expect("started");
    let mut said = Vec::new();
    while let Some(piece) = output.next().await {
        match piece.expect("output") {
            CommandOutput::Stdout(bytes) | CommandOutput::Stderr(bytes) => said.extend(bytes),
        }
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("/nothing/here"), "{said}");
    // Docker 20.10 has 126.
    let code = control.exit_code().await.expect("it ended");
    assert!(matches!(code, 126 | 127), "{code}");
}

pub(super) async fn a_command_in_an_unknown_stopped_or_foreign_container_is_refused(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let known = command(lab, &base, &["/nothing/here"]);
    let stranger = CommandRequest {
        instance: rng::instance_id(),
        ..known.clone()
    };
    let refused = lab.runtime.run_command(stranger).await;
    assert!(matches!(refused, Err(RuntimeError::Foreign { .. })), "{refused:?}");
    let unknown = CommandRequest {
        container: lab.base("nobody", &[]).name,
        ..known.clone()
    };
    let refused = lab.runtime.run_command(unknown).await;
    assert!(matches!(refused, Err(RuntimeError::Gone { .. })), "{refused:?}");
    lab.outside.stop(&base.name);
    let refused = lab.runtime.run_command(known).await;
    assert!(matches!(refused, Err(RuntimeError::Conflict { .. })), "{refused:?}");
}

pub(super) async fn a_copy_of_nothing_or_from_a_foreign_container_is_refused(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let known = copy(lab, &base, "/nothing/here");
    let error = copy_error(lab, known.clone()).await;
    assert!(matches!(error, RuntimeError::NoSuchPath { .. }), "{error:?}");
    let stranger = CopyRequest {
        instance: rng::instance_id(),
        ..known.clone()
    };
    let error = copy_error(lab, stranger).await;
    assert!(matches!(error, RuntimeError::Foreign { .. }), "{error:?}");
    let unknown = CopyRequest {
        container: lab.base("nobody", &[]).name,
        ..known
    };
    let error = copy_error(lab, unknown).await;
    assert!(matches!(error, RuntimeError::Gone { .. }), "{error:?}");
}

pub(super) async fn a_capture_on_an_unknown_or_foreign_network_or_base_is_refused(lab: &Lab) {
    let base = lab.create_base("near", "web").await;
    let places = [
        CapturePlace::Network(base.interfaces[0].network.clone()),
        CapturePlace::Base {
            base: base.name.clone(),
            address: Some(base.interfaces[0].ip),
        },
    ];
    for place in places {
        let request = CaptureRequest {
            instance: rng::instance_id(),
            place,
            snap_length: 100,
        };
        let refused = lab.runtime.capture(request).await;
        assert!(matches!(refused, Err(RuntimeError::Foreign { .. })), "{refused:?}");
    }
    for place in [
        CapturePlace::Network(lab.network_name("nothing")),
        CapturePlace::Base {
            base: lab.base("nobody", &[]).name,
            address: Some(Ipv4Addr::LOCALHOST),
        },
    ] {
        let request = CaptureRequest {
            instance: lab.instance,
            place,
            snap_length: 100,
        };
        let refused = lab.runtime.capture(request).await;
        assert!(matches!(refused, Err(RuntimeError::Gone { .. })), "{refused:?}");
    }
}
