use std::{fmt::Write as _, fs, net::Ipv4Addr};

use decnet_topology::{
    Attachment, Catalog, Coordinate, Decky, DeckyId, DrawnState, Graph, Lan, LanBox, LanLink, Layout, Position,
    Topology, TopologyConfig, generate, testing::strategies,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn generated(depth: u8, branching: u8, lans: usize) -> Topology {
    let seeds = 0..30;
    let mazes = seeds.map(|seed| {
        let config = TopologyConfig::builder("corp", depth, branching)
            .deckies_per_lan(1, 4)
            .cross_edge_probability(0.1)
            .seed(seed)
            .build()
            .expect("a value");
        generate(&config, &Catalog::builtin(), &[]).expect("a value")
    });
    mazes
        .min_by_key(|maze| maze.lans().len().abs_diff(lans))
        .expect("a value")
}

fn chain(length: u32) -> Topology {
    let mut builder = Topology::builder().dmz("lan-0", "10.0.0.0/24");
    let ip = |lan: u32, host: u32| Ipv4Addr::from(0x0a00_0000 + lan * 256 + host).to_string();
    for lan in 1..length {
        builder =
            builder
                .lan(&format!("lan-{lan}"), &format!("{}/24", ip(lan, 0)))
                .decky(&format!("decky-{lan}"), |decky| {
                    decky
                        .on(&format!("lan-{}", lan - 1), &ip(lan - 1, 2))
                        .on(&format!("lan-{lan}"), &ip(lan, 3))
                });
    }
    builder.build().expect("a value")
}

fn without_positions(topology: Topology) -> Topology {
    let (lans, deckies) = topology.into_parts();
    let lans = lans.into_iter().map(|lan| lan.at(Position::default())).collect();
    Topology::new(lans, deckies).expect("a value")
}

fn overlap(one: &LanBox, other: &LanBox) -> bool {
    one.x < other.x + other.width
        && other.x < one.x + one.width
        && one.y < other.y + other.height
        && other.y < one.y + one.height
}

fn assert_tidy(layout: &Layout) {
    let mut by_x: Vec<&LanBox> = layout.boxes().iter().collect();
    by_x.sort_by_key(|place| place.x);
    for (at, one) in by_x.iter().enumerate() {
        for other in by_x[at + 1..].iter().take_while(|other| other.x < one.x + one.width) {
            assert!(!overlap(one, other), "{one:?} and {other:?}");
        }
        if let Some(parent) = one.parent {
            let parent = layout
                .boxes()
                .iter()
                .find(|place| place.lan == parent)
                .expect("a value");
            assert!(one.y > parent.y + parent.height, "{one:?} is below {parent:?}");
        }
    }
}

proptest! {
    #[test]
    fn boxes_do_not_overlap_and_are_below_their_parents(maze in strategies::topologies()) {
        let maze = without_positions(maze);
        let layout = Graph::new(&maze).layout();
        assert_tidy(&layout);
        prop_assert_eq!(layout, Graph::new(&maze.clone()).layout());
    }

    #[test]
    fn one_more_decky_moves_boxes_only_downward(maze in strategies::topologies(), which: prop::sample::Index) {
        let maze = without_positions(maze);
        prop_assume!(!maze.lans().is_empty());
        let lan = which.get(maze.lans());
        let next = maze.deckies().last().map_or(0, |decky| decky.id().ordinal() + 1);
        let home = Attachment { lan: lan.id(), ip: lan.subnet().broadcast() };
        let decky = Decky::new(DeckyId::new(next), "one-more".parse().expect("a value")).with_attachments([home]);
        let (lans, mut deckies) = maze.clone().into_parts();
        deckies.push(decky);
        let more = Topology::new(lans, deckies).expect("a value");
        let (before, after) = (Graph::new(&maze).layout(), Graph::new(&more).layout());
        let grown = before.boxes().iter().find(|place| place.lan == lan.id()).expect("a value");
        for (old, new) in before.boxes().iter().zip(after.boxes()) {
            prop_assert_eq!(old.x, new.x);
            prop_assert!(new.y == old.y || new.y > old.y && old.y > grown.y, "{:?} became {:?}", old, new);
        }
    }

    #[test]
    fn a_picture_is_well_formed(maze in strategies::topologies()) {
        let picture = Graph::new(&maze).to_svg();
        prop_assert_eq!(picture.matches("<g ").count(), picture.matches("</g>").count());
        prop_assert!(!picture.contains("<script") && !picture.chars().any(|character| character.is_control() && character != '\n'));
    }
}

#[test]
fn generated_mazes_are_tidy_and_compact() {
    for maze in [generated(3, 4, 60), generated(6, 4, 400)] {
        let layout = Graph::new(&maze).layout();
        assert_tidy(&layout);
        let width = layout
            .boxes()
            .iter()
            .map(|place| place.x + place.width)
            .max()
            .expect("a value");
        let height = layout
            .boxes()
            .iter()
            .map(|place| place.y + place.height)
            .max()
            .expect("a value");
        assert!(width < 3 * height && height < 3 * width, "{width} x {height}");
    }
}

#[test]
fn labels_of_curves_are_beside_boxes_and_other_labels() {
    for seed in 0..20 {
        let config = TopologyConfig::builder("corp", 2, 3)
            .deckies_per_lan(1, 4)
            .cross_edge_probability(0.3)
            .seed(seed)
            .build()
            .expect("a value");
        let maze = generate(&config, &Catalog::builtin(), &[]).expect("a value");
        let layout = Graph::new(&maze).layout();
        // A label of `decky-000`, above its base line.
        let area = |(x, y): (i64, i64)| (x, y - 8, x + 54, y);
        let areas = |links: &[&LanLink]| links.iter().map(|link| area(link.label)).collect::<Vec<_>>();
        let (curved, straight): (Vec<_>, Vec<_>) = layout.links().iter().partition(|link| link.curved);
        let boxes = layout.boxes().iter();
        let mut taken: Vec<_> = boxes
            .map(|place| (place.x, place.y, place.x + place.width, place.y + place.height))
            .collect();
        taken.extend(areas(&straight));
        for label in areas(&curved) {
            let over = taken
                .iter()
                .find(|other| label.0 < other.2 && other.0 < label.2 && label.1 < other.3 && other.1 < label.3);
            assert_eq!(over, None, "seed {seed}: {label:?}");
            taken.push(label);
        }
    }
}

#[test]
fn a_chain_of_4000_lans_is_drawn() {
    let maze = chain(4_000);
    let layout = Graph::new(&maze).layout();
    assert_tidy(&layout);
    assert!(
        layout.boxes()[3_999].collapsed && !layout.boxes()[0].collapsed,
        "the DMZ keeps its rows"
    );
    assert!(Graph::new(&maze).to_svg().contains("lan-3999"));
}

#[test]
fn a_thousand_siblings_with_many_links_are_drawn() {
    let ip = |lan: u32, host: u32| Ipv4Addr::from(0x0a00_0000 + lan * 4096 + host).to_string();
    let mut builder = Topology::builder().dmz("dmz", "10.0.0.0/20");
    for lan in 1..1000 {
        builder = builder
            .lan(&format!("lan-{lan}"), &format!("{}/20", ip(lan, 0)))
            .decky(&format!("decky-{lan}"), |decky| {
                decky.on("dmz", &ip(0, lan + 1)).on(&format!("lan-{lan}"), &ip(lan, 2))
            });
    }
    for lan in 1..500 {
        let other = lan * 7 % 499 + 500;
        builder = builder.decky(&format!("jump-{lan}"), |decky| {
            decky
                .on(&format!("lan-{lan}"), &ip(lan, 3))
                .on(&format!("lan-{other}"), &ip(other, 1000 + lan))
        });
    }
    assert_tidy(&Graph::new(&builder.build().expect("a value")).layout());
}

#[test]
fn an_empty_maze_has_a_picture() {
    assert!(
        Graph::new(&Topology::default())
            .to_svg()
            .contains("Maze of 0 LANs and 0 deckies")
    );
}

#[test]
fn a_stored_position_wins_and_moves_no_other_box() {
    let maze = chain(3);
    let (mut lans, deckies) = maze.clone().into_parts();
    let far = |x: f64, y: f64| Position {
        x: Some(Coordinate::new(x).expect("a value")),
        y: Some(Coordinate::new(y).expect("a value")),
    };
    lans[1] = lans[1].clone().at(far(-300.6, 1e300));
    let moved = Topology::new(lans, deckies).expect("a value");
    let (before, after) = (Graph::new(&maze).layout(), Graph::new(&moved).layout());
    assert_eq!((after.boxes()[1].x, after.boxes()[1].y), (-301, 100_000));
    assert_eq!(
        (&before.boxes()[0], &before.boxes()[2]),
        (&after.boxes()[0], &after.boxes()[2])
    );
    assert!(after.links().iter().all(|link| link.curved), "lines follow the box");
}

#[test]
fn lans_with_a_link_outside_of_the_tree_are_neighbours() {
    let drawn = |crosses: bool| {
        let mut maze = Topology::builder().dmz("dmz", "10.0.0.0/24");
        for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
            maze = maze
                .lan(name, &format!("10.0.{}.0/24", number + 1))
                .decky(name, |decky| {
                    let (above, below) = (format!("10.0.0.{}", number + 2), format!("10.0.{}.2", number + 1));
                    decky.on("dmz", &above).on(name, &below)
                });
        }
        if crosses {
            maze = maze.decky("jump", |decky| decky.on("one", "10.0.1.9").on("three", "10.0.3.9"));
        }
        let maze = maze.build().expect("a value");
        let layout = Graph::new(&maze).layout();
        let mut places: Vec<(i64, String)> = std::iter::zip(layout.boxes(), maze.lans())
            .map(|(place, lan)| (place.x + place.y, lan.name().to_string()))
            .collect();
        // The DMZ is above all.
        places.remove(0);
        places.sort();
        places.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    assert_eq!(drawn(false), ["one", "two", "three"]);
    assert_eq!(drawn(true), ["two", "one", "three"]);
}

#[test]
fn a_link_leads_from_the_home_of_its_decky() {
    let maze = Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .lan("office", "10.0.1.0/24")
        .lan("vault", "10.0.2.0/24")
        .decky("up", |decky| {
            decky.on("office", "10.0.1.2").on("dmz", "10.0.0.2").forwards()
        })
        .decky("down", |decky| decky.on("office", "10.0.1.3").on("vault", "10.0.2.3"))
        .decky("across", |decky| decky.on("vault", "10.0.2.4").on("dmz", "10.0.0.4"))
        .decky("back", |decky| decky.on("dmz", "10.0.0.5").on("office", "10.0.1.5"))
        .build()
        .expect("a value");
    let layout = Graph::new(&maze).layout();
    let name = |lan| maze.lan(lan).map(Lan::name).expect("a value").as_str();
    let links = layout.links().iter();
    let seen: Vec<_> = links
        .map(|link| {
            (
                name(link.from),
                name(link.to),
                link.deckies.len(),
                link.both_ways,
                link.forwards,
                link.curved,
            )
        })
        .collect();
    let expected = [
        ("office", "dmz", 2, true, true, false),
        ("vault", "dmz", 1, false, false, false),
        ("office", "vault", 1, false, false, true),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn states_are_shown_as_text_and_dashes() {
    let maze = chain(3);
    let states = [DrawnState::Degraded, DrawnState::Gone];
    let picture = Graph::new(&maze).to_svg_with(|decky| states.get(decky.ordinal() as usize).copied());
    for shown in [
        "▲ degraded",
        "✕ gone",
        "decky bridge degraded",
        "decky bridge gone",
        "host",
    ] {
        assert_eq!(picture.contains(shown), shown != "host", "{shown}");
    }
}

#[test]
fn names_of_services_cannot_add_markup() {
    let maze = Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .decky("web", |decky| {
            decky
                .on("dmz", "10.0.0.2")
                .services(["</text><script>alert(1)</script>\u{1b}"])
        })
        .build()
        .expect("a value");
    let picture = Graph::new(&maze).to_svg();
    assert!(!picture.contains("<script") && picture.contains("&lt;script&gt;") && picture.contains("\\u{1b}"));
}

/// Writes the pictures to the folder in `DECNET_PICTURES`, to look at them.
#[test]
fn pictures_of_generated_mazes_do_not_change() {
    let pictures = [("maze-60", generated(3, 4, 60)), ("maze-400", generated(6, 4, 400))];
    let mut digests = String::new();
    for (name, maze) in pictures {
        let picture = Graph::new(&maze).to_svg();
        if let Some(folder) = std::env::var_os("DECNET_PICTURES") {
            fs::write(std::path::Path::new(&folder).join(format!("{name}.svg")), &picture).expect("a value");
        }
        let digest = Sha256::digest(&picture);
        write!(digests, "{name}: {} LANs, ", maze.lans().len()).expect("a text takes any line");
        for byte in digest {
            write!(digests, "{byte:02x}").expect("a text takes any digit");
        }
        digests.push('\n');
    }
    insta::assert_snapshot!(digests);
}
