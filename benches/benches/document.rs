//! Reading and writing the maze file as JSON.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, SIZES, Table, maze, plain, repeat};
use decnet_topology::{Draft, Syntax, document};

fn benches(criterion: &mut Criterion) {
    let new = |subject, floor| Table::new(subject, floor).limit(Limit::Ratio(1.5));
    let mut parse = new("parse JSON", "serde_json into plain structs of the same shape");
    let mut print = new(
        "print JSON",
        "serde_json, indented, from plain structs of the same shape",
    );
    for lans in SIZES {
        let maze = maze(lans);
        let mut draft = Draft::from(&maze);
        draft.header.name = "bench".into();
        let text = document::print(&draft, Syntax::Json);
        let structs: plain::Document = serde_json::from_str(&text).expect("a maze file");
        assert_eq!(document::parse(&text, Syntax::Json).as_ref(), Ok(&draft));
        parse.compare(
            criterion,
            &maze,
            repeat(|| document::parse(black_box(&text), Syntax::Json)),
            repeat(|| serde_json::from_str::<plain::Document>(black_box(&text))),
        );
        print.compare(
            criterion,
            &maze,
            repeat(|| document::print(black_box(&draft), Syntax::Json)),
            repeat(|| serde_json::to_string_pretty(black_box(&structs))),
        );
    }
    parse.finish().expect("the results are written");
    print.finish().expect("the results are written");
}

criterion_group!(group, benches);
criterion_main!(group);
