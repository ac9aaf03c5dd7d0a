//! Runs one operation on a maze of 1 000 LANs a number of times, so that `instructions` can count it under callgrind: `counted
//! validate 3`.
//!
//! The preparation does not depend on the number, so the difference of two runs is the operation alone.

use std::{error::Error, hint::black_box};

use decnet_benches::{drawn, maze};
use decnet_topology::{
    AddDecky, Catalog, Draft, Mutation, MutationContext, RuleSet, Stage, Syntax, apply, canonical_hash, document,
    generate, validate,
};

const LANS: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, times] = arguments.as_slice() else {
        return Err("usage: counted SUBJECT TIMES".into());
    };
    let times = 0..times.parse::<u32>()?;
    let catalog = Catalog::builtin();
    let maze = maze(LANS);
    match subject.as_str() {
        "generate" => {
            let (config, _) = drawn(LANS);
            times.for_each(|_| drop(black_box(generate(&config, &catalog, &[]))));
        }
        "validate" => times.for_each(|_| drop(black_box(validate(&maze, &catalog, RuleSet::deploy())))),
        "hash" => times.for_each(|_| {
            black_box(canonical_hash(&maze));
        }),
        "parse" => {
            let mut draft = Draft::from(&maze);
            draft.header.name = "bench".into();
            let text = document::print(&draft, Syntax::Json);
            times.for_each(|_| drop(black_box(document::parse(&text, Syntax::Json))));
        }
        "apply" => {
            let add = AddDecky::new("guest".parse()?, "LAN-00500".parse()?).services(["ssh"]);
            let (add, context) = (Mutation::from(add), MutationContext::new(&catalog, Stage::Live));
            times.for_each(|_| drop(black_box(apply(&maze, &add, &context))));
        }
        other => return Err(format!("`{other}` is not one of generate, validate, hash, parse, apply").into()),
    }
    Ok(())
}
