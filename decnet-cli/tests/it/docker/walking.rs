//! Walks the pages whose commands need Docker.

use super::{daily::shop::replace_base, lab::Lab};
use crate::walk::{ON_DOCKER, WIDTHS, assert_none, page::Page, prepare, walk};

#[test]
#[ignore = "needs Docker"]
fn every_page_on_docker_shows_what_its_commands_print() {
    let mut differences = Vec::new();
    for name in ON_DOCKER {
        for columns in WIDTHS {
            // Whatever a page leaves is removed at its end.
            let lab = Lab::empty();
            prepare(&lab.sandbox);
            replace_base(&lab.sandbox.path("examples/mazes/shop"));
            differences.extend(walk(&Page::read(name), &lab.sandbox, columns));
        }
    }
    assert_none(&differences);
}
