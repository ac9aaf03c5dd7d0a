//! One mutation of a running maze, including its validation.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, maze, repeat};
use decnet_topology::{
    AddDecky, AddLan, AttachDecky, Catalog, DetachDecky, Mutation, MutationContext, Name, Position, RemoveDecky,
    RemoveLan, Stage, UpdateDecky, UpdateLan, apply,
};

const LANS: u32 = 4_000;
fn moved() -> Position {
    Position {
        x: Some(1.into()),
        y: Some(2.into()),
    }
}

fn name(text: &str) -> Name {
    text.parse().expect("a DNS label")
}

/// One mutation of each kind, on deckies and LANs from the middle of the maze.
fn mutations() -> [Mutation; 8] {
    [
        AddLan::new(name("annex")).into(),
        RemoveLan::new(name("annex")).into(),
        AddDecky::new(name("guest"), name("LAN-02000")).services(["ssh"]).into(),
        AttachDecky::new(name("decky-004001"), name("LAN-00007")).into(),
        DetachDecky::new(name("decky-004015"), name("LAN-01433")).into(),
        RemoveDecky::new(name("decky-004001")).into(),
        UpdateDecky::new(name("decky-004001")).services(["ssh", "http"]).into(),
        UpdateLan::new(name("LAN-02000")).at(moved()).into(),
    ]
}

fn benches(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let context = MutationContext::new(&catalog, Stage::Live);
    let maze = maze(LANS);
    let annexed = apply(&maze, &AddLan::new(name("annex")).into(), &context).expect("no LAN has this name");
    let mut table = Table::new("apply", "").limit(Limit::Milliseconds(1.0));
    for mutation in mutations() {
        let before = if let Mutation::RemoveLan(_) = mutation {
            &annexed
        } else {
            &maze
        };
        table.measure(
            criterion,
            mutation.op(),
            before,
            repeat(|| apply(black_box(before), &mutation, &context).expect("each mutation is legal")),
        );
    }
    let mut table_of_clone = Table::new("apply, its clone", "");
    table_of_clone.measure(
        criterion,
        "a clone of the maze",
        &maze,
        repeat(|| black_box(&maze).clone()),
    );
    table.finish().expect("the results are written");
    table_of_clone.finish().expect("the results are written");
}

criterion_group!(group, benches);
criterion_main!(group);
