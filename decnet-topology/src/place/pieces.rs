use super::units::{Needs, Units};

/// A connected part of the tree of units, to be on one member.
#[derive(Debug)]
pub(super) struct Piece {
    /// Each parent before its children; the first is the root.
    pub(super) units: Vec<usize>,
    /// For each unit, the position of its parent in `units`. That of the root is 0.
    above: Vec<usize>,
    pub(super) weight: u32,
    /// None if its units can never be on the same member.
    pub(super) needs: Option<Needs>,
}

/// Splits units into connected pieces. They are in order of the tree, and `starts` has whether one begins a piece. The parent of
/// one that does not is at `above`.
fn split(units: &Units, list: &[usize], above: &[usize], starts: &[bool]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut places = Vec::with_capacity(list.len());
    for (at, &unit) in list.iter().enumerate() {
        let needs = &units.needs[unit];
        if starts[at] {
            places.push((pieces.len(), 0));
            pieces.push(Piece {
                units: vec![unit],
                above: vec![0],
                weight: units.weights[unit],
                needs: Some(needs.clone()),
            });
        } else {
            let (number, parent) = places[above[at]];
            let piece = &mut pieces[number];
            places.push((number, piece.units.len()));
            piece.units.push(unit);
            piece.above.push(parent);
            piece.weight += units.weights[unit];
            if !needs.is_empty() {
                piece.needs = piece.needs.as_ref().and_then(|known| known.with(needs));
            }
        }
    }
    pieces
}

/// Splits all units for which `takes` is true into connected pieces; two adjacent units are together if `joins` says so.
pub(super) fn connected(
    units: &Units,
    takes: impl Fn(usize) -> bool,
    joins: impl Fn(usize, usize) -> bool,
) -> Vec<Piece> {
    let list: Vec<usize> = units.order.iter().copied().filter(|&unit| takes(unit)).collect();
    let mut places = vec![None; units.weights.len()];
    let (mut above, mut starts) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
    for (at, &unit) in list.iter().enumerate() {
        places[unit] = Some(at);
        let parent = units.parents[unit].filter(|&parent| joins(parent, unit));
        let parent = parent.and_then(|parent| places[parent]);
        above.push(parent.unwrap_or(0));
        starts.push(parent.is_none());
    }
    split(units, &list, &above, &starts)
}

/// The open part of a piece below and with one unit.
struct Part {
    /// The position of that unit in the piece.
    at: usize,
    weight: u32,
    needs: Needs,
}

impl Piece {
    /// Cuts the piece into the fewest parts that have at most `room`.
    ///
    /// This is the algorithm of Kundu and Misra ("A Linear Tree Partitioning Algorithm", SIAM J. Comput. 6, 1977): from the leaves
    /// up, a unit keeps the lightest parts below it as long as there is room, and the others are cut off. It gives the fewest parts
    /// where `room` is the same for all. Parts that only some members may have are kept last, so that they do not bind others.
    pub(super) fn cut(&self, units: &Units, room: impl Fn(&Needs) -> Option<u32>) -> Vec<Self> {
        let everywhere = room(&Needs::default());
        let has_room = |needs: &Needs, weight: u32| {
            let room = if needs.is_empty() { everywhere } else { room(needs) };
            room.is_some_and(|room| weight <= room)
        };
        let mut below: Vec<Vec<Part>> = self.units.iter().map(|_| Vec::new()).collect();
        let mut starts = vec![false; self.units.len()];
        starts[0] = true;
        for (at, &unit) in self.units.iter().enumerate().rev() {
            let mut parts = std::mem::take(&mut below[at]);
            parts.sort_by_key(|part| (!part.needs.is_empty(), part.weight, part.at));
            let (mut weight, mut needs) = (units.weights[unit], units.needs[unit].clone());
            for part in parts {
                let sum = weight + part.weight;
                match needs.with(&part.needs).filter(|both| has_room(both, sum)) {
                    Some(both) => (weight, needs) = (sum, both),
                    None => starts[part.at] = true,
                }
            }
            if at > 0 {
                below[self.above[at]].push(Part { at, weight, needs });
            }
        }
        split(units, &self.units, &self.above, &starts)
    }
}
