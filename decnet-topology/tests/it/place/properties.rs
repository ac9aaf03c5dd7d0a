use decnet_topology::{Distribution, Member, PlaceRequest, PlacementRules, Topology, place, testing::strategies};
use proptest::{prelude::*, sample::Index};

use super::maze::{cuts, id, member, name, sound, tree};

/// The parents and the deckies of a tree of LANs.
type Shape = (Vec<usize>, Vec<usize>);

fn shapes(most: usize) -> impl Strategy<Value = Shape> {
    let below = prop::collection::vec((any::<Index>(), 1_usize..=4), 0..most);
    (0_usize..=4, below).prop_map(|(dmz, below)| {
        let parents = below
            .iter()
            .enumerate()
            .map(|(at, (parent, _))| parent.index(at + 1))
            .collect();
        let deckies = [dmz]
            .into_iter()
            .chain(below.iter().map(|(_, deckies)| *deckies))
            .collect();
        (parents, deckies)
    })
}

fn members(most: usize) -> impl Strategy<Value = Vec<Member>> {
    prop::collection::vec((0_u32..=12, any::<bool>(), any::<bool>(), 118_u16..=9000), 1..=most).prop_map(|members| {
        let members = (1..).zip(members);
        let member = |(number, (capacity, public, quiet, mtu))| {
            let mut member = member(number, capacity);
            member.mtu = mtu;
            let labels = [("public", public), ("quiet", quiet)]
                .into_iter()
                .filter(|(_, has)| *has);
            labels.fold(member, |member, (label, _)| member.labelled(name(label)))
        };
        members.map(member).collect()
    })
}

/// Rules about LANs of a maze.
fn rules(maze: &Topology, pins: &[Index], apart: &[Index], spread: bool) -> PlacementRules {
    let lan = |at: &Index| at.get(maze.lans()).name().clone();
    let rules = PlacementRules::default().distribute(if spread {
        Distribution::Spread
    } else {
        Distribution::Pack
    });
    let rules = pins.iter().fold(rules, |rules, at| rules.pin(lan(at), name("quiet")));
    if apart.is_empty() {
        rules
    } else {
        rules.apart(apart.iter().map(lan))
    }
}

/// Finds the fewest parts of at most `room` deckies into which a tree can be cut, by trying all cuts; none if a LAN is too large.
fn fewest_parts((parents, deckies): &Shape, room: usize) -> Option<u32> {
    let edges = parents.len();
    let fits = |cut: u32| {
        let mut sums = deckies.clone();
        for edge in (0..edges).rev() {
            if cut & (1 << edge) == 0 {
                sums[parents[edge]] += sums[edge + 1];
            }
        }
        sums.iter().all(|&sum| sum <= room)
    };
    (0..1_u32 << edges)
        .filter(|&cut| fits(cut))
        .map(|cut| cut.count_ones() + 1)
        .min()
}

proptest! {
    #[test]
    fn a_placement_is_sound_and_the_same_each_time(
        maze in strategies::topologies(),
        members in members(4),
        pins in prop::collection::vec(any::<Index>(), 0..=2),
        apart in prop::collection::vec(any::<Index>(), 0..=3),
        spread: bool,
    ) {
        let rules = rules(&maze, &pins, &apart, spread);
        let request = PlaceRequest::new(id(7), members).with_rules(rules);
        let placed = place(&maze, &request);
        prop_assert_eq!(&place(&maze.clone(), &request.clone()), &placed);
        match placed {
            Ok(placement) => {
                let placement = sound(&maze, &request, placement);
                let again = request.clone().after(placement.clone());
                prop_assert_eq!(place(&maze, &again).expect("it stays"), placement.clone());
                prop_assert_eq!(place(&maze, &again.force()).expect("it stays"), placement);
            }
            Err(refused) => prop_assert!(!refused.faults.is_empty()),
        }
    }

    #[test]
    fn equal_members_get_the_fewest_cuts_if_there_are_enough(shape in shapes(9), room in 4_u32..=16) {
        let maze = tree(&shape.0, &shape.1);
        let parts = fewest_parts(&shape, room as usize).expect("every LAN fits");
        let members = (1..=u8::try_from(parts).expect("few")).map(|number| member(number, room));
        let request = PlaceRequest::new(id(7), members);
        let placement = sound(&maze, &request, place(&maze, &request).expect("there is room"));
        prop_assert_eq!(cuts(&maze, &placement), parts as usize - 1);
    }

    #[test]
    fn no_placement_has_fewer_cuts_than_the_largest_member_needs(shape in shapes(9), members in members(4)) {
        let maze = tree(&shape.0, &shape.1);
        let most = members.iter().map(|member| member.capacity).max().expect("a member");
        let request = PlaceRequest::new(id(7), members);
        if let Ok(placement) = place(&maze, &request) {
            let cuts = cuts(&maze, &sound(&maze, &request, placement));
            prop_assert!(cuts + 1 >= fewest_parts(&shape, most as usize).expect("it was placed") as usize);
        }
    }

    #[test]
    fn a_maze_is_placed_if_the_fleet_has_some_room_left(
        shape in shapes(12),
        members in members(5),
        larger in any::<Index>(),
    ) {
        let maze = tree(&shape.0, &shape.1);
        let mut members = members;
        let capacity: u32 = members.iter().map(|member| member.capacity).sum();
        let deckies = shape.1.iter().sum::<usize>();
        let largest = shape.1.iter().max().copied().expect("the DMZ");
        let least = u32::try_from(deckies + members.len() * largest.saturating_sub(1)).expect("few");
        let at = larger.index(members.len());
        members[at].capacity += least.saturating_sub(capacity);
        prop_assert!(place(&maze, &PlaceRequest::new(id(7), members)).is_ok());
    }

    #[test]
    fn a_maze_that_grows_stays_where_it_is(
        shape in shapes(12),
        members in members(4),
        first in any::<Index>(),
        spread: bool,
    ) {
        let lans = first.index(shape.1.len()) + 1;
        let before = tree(&shape.0[..lans - 1], &shape.1[..lans]);
        let after = tree(&shape.0, &shape.1);
        let rules = rules(&before, &[], &[], spread);
        let request = PlaceRequest::new(id(7), members).with_rules(rules);
        let Ok(placement) = place(&before, &request) else { return Ok(()) };
        let request = request.after(placement.clone());
        if let Ok(grown) = place(&after, &request) {
            let grown = sound(&after, &request, grown);
            for (lan, host) in &placement.lans {
                prop_assert_eq!(host, &grown.lans[lan]);
            }
            for (lan, stretched) in &placement.stretched {
                prop_assert_eq!(stretched.vni, grown.stretched[lan].vni);
            }
        }
    }

    #[test]
    fn a_lost_member_moves_no_other_lan(shape in shapes(12), members in members(4), lost in any::<Index>()) {
        let maze = tree(&shape.0, &shape.1);
        let request = PlaceRequest::new(id(7), members.clone());
        let Ok(before) = place(&maze, &request) else { return Ok(()) };
        let lost = lost.get(&members).name.clone();
        let mut left: Vec<Member> = members.into_iter().filter(|member| member.name != lost).collect();
        left.push(member(9, 100));
        let request = PlaceRequest::new(id(7), left).after(before.clone()).force();
        let after = sound(&maze, &request, place(&maze, &request).expect("there is room"));
        for (lan, host) in before.lans.iter().filter(|(_, host)| **host != lost) {
            prop_assert_eq!(host, &after.lans[lan]);
        }
    }
}
