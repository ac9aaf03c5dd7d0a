//! The coordinates of a picture, and the number of crossings, next to Graphviz `dot` on the same maze.

use std::{
    fmt::Write as _,
    hint::black_box,
    io::{self, Write as _},
    iter,
    process::{Command, Stdio},
};

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, drawn_from, maze, repeat};
use decnet_topology::{Graph, LanId, LanLink, Topology};

type Point = (f64, f64);

/// The number of straight pieces that stand for a curve.
const PIECES: u32 = 16;

/// How many mazes of each size are drawn.
const MAZES: u64 = 8;

/// A line between two LANs, as straight pieces.
struct Line {
    ends: [LanId; 2],
    points: Vec<Point>,
}

/// Counts the pairs of lines that cross. Lines of the same LAN are not counted: they may leave it at the same place.
fn crossings(lines: &[Line]) -> usize {
    let pairs = lines
        .iter()
        .enumerate()
        .flat_map(|(at, one)| lines[at + 1..].iter().map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| !one.ends.iter().any(|lan| other.ends.contains(lan)) && meet(&one.points, &other.points))
        .count()
}

fn meet(one: &[Point], other: &[Point]) -> bool {
    let pieces = |points: &[Point]| iter::zip(points.to_vec(), points[1..].to_vec()).collect::<Vec<_>>();
    let (one, other) = (pieces(one), pieces(other));
    one.iter()
        .any(|(a, b)| other.iter().any(|(c, d)| cross(*a, *b, *c, *d)))
}

/// Checks whether the inner parts of two straight pieces have one common point.
fn cross(a: Point, b: Point, c: Point, d: Point) -> bool {
    let side = |from: Point, to: Point, point: Point| {
        ((to.0 - from.0) * (point.1 - from.1) - (to.1 - from.1) * (point.0 - from.0)).signum()
    };
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

/// The straight pieces of a cubic curve, without its first point.
fn curve(points: [Point; 4]) -> impl Iterator<Item = Point> {
    (1..=PIECES).map(move |piece| {
        let t = f64::from(piece) / f64::from(PIECES);
        let weights = [
            (1.0 - t).powi(3),
            3.0 * (1.0 - t).powi(2) * t,
            3.0 * (1.0 - t) * t * t,
            t.powi(3),
        ];
        iter::zip(weights, points).fold((0.0, 0.0), |sum, (weight, point)| {
            (sum.0 + weight * point.0, sum.1 + weight * point.1)
        })
    })
}

#[expect(clippy::cast_precision_loss, reason = "coordinates are less than 2^53")]
fn ours(link: &LanLink) -> Line {
    let mut points: Vec<Point> = link.points.iter().map(|(x, y)| (*x as f64, *y as f64)).collect();
    if let (true, &[a, b, c, d]) = (link.curved, points.as_slice()) {
        points = iter::once(a).chain(curve([a, b, c, d])).collect();
    }
    Line {
        ends: [link.from, link.to],
        points,
    }
}

/// Draws the boxes of the layout and its links with `dot`, from top to bottom.
fn with_dot(maze: &Topology) -> io::Result<Vec<Line>> {
    let layout = Graph::new(maze).layout();
    let position = |lan: LanId| maze.lan_index(lan).expect("a LAN of the maze");
    let mut graph = "graph { node [shape=box fixedsize=true label=\"\"];\n".to_owned();
    for lan in layout.boxes() {
        // Inches of 72 points; one pixel of a layout is one point.
        #[expect(clippy::cast_precision_loss, reason = "sizes are less than 2^53")]
        let (width, height) = (lan.width as f64 / 72.0, lan.height as f64 / 72.0);
        writeln!(graph, "{} [width={width} height={height}];", position(lan.lan)).expect("a text takes all");
    }
    for link in layout.links() {
        writeln!(graph, "{} -- {};", position(link.from), position(link.to)).expect("a text takes all");
    }
    graph.push('}');
    let mut dot = Command::new("dot")
        .arg("-Tplain")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = dot.stdin.take().ok_or_else(|| io::Error::other("no input"))?;
    input.write_all(graph.as_bytes())?;
    drop(input);
    let output = dot.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("dot ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter(|line| line.starts_with("edge "))
        .map(|line| edge(line, maze).ok_or_else(|| io::Error::other(format!("not an edge of plain output: {line}"))))
        .collect()
}

/// Reads `edge TAIL HEAD N X1 Y1 … XN YN STYLE COLOR`: a chain of cubic curves.
fn edge(line: &str, maze: &Topology) -> Option<Line> {
    let mut words = line.split(' ').skip(1);
    let mut lan = || Some(maze.lans().get(words.next()?.parse::<usize>().ok()?)?.id());
    let ends = [lan()?, lan()?];
    let count: usize = words.next()?.parse().ok()?;
    let numbers: Vec<f64> = words.take(2 * count).map_while(|word| word.parse().ok()).collect();
    let controls: Vec<Point> = numbers.chunks_exact(2).map(|point| (point[0], point[1])).collect();
    let mut points = vec![*controls.first()?];
    for at in (1..controls.len()).step_by(3) {
        points.extend(curve([
            controls[at - 1],
            controls[at],
            *controls.get(at + 1)?,
            *controls.get(at + 2)?,
        ]));
    }
    Some(Line { ends, points })
}

#[expect(clippy::cast_precision_loss, reason = "fewer lines than 2^53")]
fn beside_dot() {
    let mut table = Table::new("layout, crossings", "`dot` with the same boxes and links")
        .count()
        .limit(Limit::Ratio(1.0));
    for lans in [7, 30, 60, 100, 400] {
        let (mut lines, mut count, mut floor) = (0, 0, 0);
        for maze in (0..MAZES).map(|seed| drawn_from(lans, seed).1) {
            let ours: Vec<Line> = Graph::new(&maze).layout().links().iter().map(ours).collect();
            let theirs = match with_dot(&maze) {
                Ok(lines) => lines,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    println!("Graphviz is not installed: crossings are not compared");
                    return;
                }
                Err(error) => panic!("{error}"),
            };
            lines += ours.len();
            count += crossings(&ours);
            floor += crossings(&theirs);
        }
        table.push(
            format!("{MAZES} mazes of about {lans} LANs"),
            lines,
            count as f64,
            Some(floor as f64),
        );
    }
    table.finish().expect("the results are written");
}

fn all(criterion: &mut Criterion) {
    let mut table = Table::new("layout", "");
    for lans in [10, 100, 1_000, 4_000] {
        let maze = maze(lans);
        table.measure(criterion, "", &maze, repeat(|| Graph::new(black_box(&maze)).layout()));
    }
    table.also(Limit::Milliseconds(20.0));
    table.finish().expect("the results are written");
    beside_dot();
}

criterion_group!(benches, all);
criterion_main!(benches);
