//! Where the labels of curves are: not over a box, and not over another label.

use super::{
    crossing::{PIECES, on_curve},
    parts::{LanBox, SIDE},
};

type Point = (i64, i64);

/// The width of a character.
const CHARACTER: i64 = 6;
/// The longest label, in pixels: a longer one is shortened.
pub(in crate::graph) const LABEL: i64 = 100;
/// The height of a label above its base line.
const HEIGHT: i64 = 10;
/// The space around a label.
const SPACE: i64 = 2;

/// A rectangle, from its upper left to its lower right corner.
type Area = (Point, Point);

/// The places that are taken by boxes and labels.
pub(super) struct Labels {
    taken: Vec<Area>,
}

impl Labels {
    pub(super) fn new(boxes: &[LanBox]) -> Self {
        let area = |placed: &LanBox| {
            (
                (placed.x, placed.y),
                (placed.x + placed.width, placed.y + placed.height),
            )
        };
        Self {
            taken: boxes.iter().map(area).collect(),
        }
    }

    /// Takes the place of a label of this many characters.
    pub(super) fn take(&mut self, label: Point, characters: i64) {
        self.taken.push(area(label, characters));
    }

    /// Takes the free place beside a curve that is nearest to its middle. Returns none if no place is free.
    pub(super) fn beside(&mut self, curve: &[Point], characters: i64) -> Option<Point> {
        let &[start, first, second, end] = curve else {
            return None;
        };
        let middle = PIECES / 2;
        let pieces = (0..middle).flat_map(|step| [middle - step, middle + step]);
        let width = characters.saturating_mul(CHARACTER).min(LABEL);
        let places = pieces.flat_map(|piece| {
            let (x, y) = on_curve([start, first, second, end], piece);
            [(x + 6, y - 4), (x - 6 - width, y - 4)]
        });
        // Between two boxes that are side by side there is no room, but above the gap there is.
        let above = [
            ((start.0 + end.0 - width) / 2, start.1.min(end.1)),
            (start.0 - width / 2, start.1),
            (end.0 - width / 2, end.1),
        ];
        let above = above.map(|(x, y)| (x, y - SIDE - 6));
        let found = places
            .chain(above)
            .find(|&place| self.is_free(area(place, characters)))?;
        self.take(found, characters);
        Some(found)
    }

    fn is_free(&self, ((left, top), (right, bottom)): Area) -> bool {
        let overlaps = |&((x, y), (end_x, end_y)): &Area| x < right && left < end_x && y < bottom && top < end_y;
        !self.taken.iter().any(overlaps)
    }
}

fn area((x, y): Point, characters: i64) -> Area {
    let width = characters.saturating_mul(CHARACTER).min(LABEL);
    ((x - SPACE, y - HEIGHT), (x + width + SPACE, y + SPACE))
}
