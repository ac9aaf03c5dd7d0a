//! Whether two lines or two rectangles of a picture meet.

type Point = (i64, i64);

/// The number of straight pieces that stand for a curve.
pub(super) const PIECES: i64 = 12;

/// In a picture with more boxes or lines, curves take the shortest way and have their labels at the middle: to compare each with all
/// others takes too long, and nobody follows them.
pub(super) const MOST_COMPARED: usize = 300;

/// A line as straight pieces, with the rectangle around it.
pub(super) struct Trace {
    points: Vec<Point>,
    around: Rectangle,
}

/// A rectangle, from its upper left to its lower right corner.
#[derive(Clone, Copy)]
pub(super) struct Rectangle {
    least: Point,
    most: Point,
}

impl Trace {
    /// Takes the corners of a line, or the four points of a cubic curve.
    pub(super) fn new(line: &[Point], is_curved: bool) -> Self {
        let points = match *line {
            [a, b, c, d] if is_curved => (0..=PIECES).map(|piece| on_curve([a, b, c, d], piece)).collect(),
            _ => line.to_vec(),
        };
        Self {
            around: Rectangle::around(&points),
            points,
        }
    }

    /// Returns whether the lines cross.
    pub(super) fn crosses(&self, other: &Self) -> bool {
        let crosses = |one: &[Point]| {
            pieces_near(&other.points, Rectangle::around(one))
                .any(|piece| cross([one[0], one[1]], [piece[0], piece[1]]))
        };
        self.around.meets(other.around) && pieces_near(&self.points, other.around).any(crosses)
    }
}

/// Returns the pieces of a line that may reach a rectangle.
fn pieces_near(points: &[Point], near: Rectangle) -> impl Iterator<Item = &[Point]> {
    points
        .windows(2)
        .filter(move |piece| Rectangle::around(piece).meets(near))
}

impl Rectangle {
    pub(super) fn around(points: &[Point]) -> Self {
        let fold = |pick: fn(i64, i64) -> i64| {
            let all = points.iter().copied();
            all.reduce(|one, other| (pick(one.0, other.0), pick(one.1, other.1)))
                .unwrap_or_default()
        };
        Self {
            least: fold(i64::min),
            most: fold(i64::max),
        }
    }

    /// Returns whether they have a common point.
    fn meets(self, other: Self) -> bool {
        self.least.0 <= other.most.0
            && other.least.0 <= self.most.0
            && self.least.1 <= other.most.1
            && other.least.1 <= self.most.1
    }

    /// Returns whether they have more than an edge in common.
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.least.0 < other.most.0
            && other.least.0 < self.most.0
            && self.least.1 < other.most.1
            && other.least.1 < self.most.1
    }
}

/// Returns a point of a cubic curve.
pub(super) fn on_curve(points: [Point; 4], piece: i64) -> Point {
    let (t, rest) = (piece, PIECES - piece);
    let weights = [rest.pow(3), 3 * rest.pow(2) * t, 3 * rest * t.pow(2), t.pow(3)];
    let sum = |of: fn(Point) -> i64| {
        weights
            .iter()
            .zip(points)
            .map(|(weight, point)| weight * of(point))
            .sum::<i64>()
    };
    (
        sum(|point| point.0) / PIECES.pow(3),
        sum(|point| point.1) / PIECES.pow(3),
    )
}

/// Returns whether the inner parts of two straight pieces have one common point.
fn cross([a, b]: [Point; 2], [c, d]: [Point; 2]) -> bool {
    let side = |from: Point, to: Point, point: Point| {
        ((to.0 - from.0) * (point.1 - from.1) - (to.1 - from.1) * (point.0 - from.0)).signum()
    };
    side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cross_if_inner_parts_meet() {
        let line = |points: &[Point]| Trace::new(points, false);
        let across = line(&[(0, 50), (100, 50)]);
        assert!(across.crosses(&line(&[(50, 0), (50, 100)])));
        assert!(across.crosses(&line(&[(0, 0), (50, 20), (50, 100)])));
        for apart in [
            [(50, 0), (50, 49)],
            [(200, 0), (200, 100)],
            [(50, 50), (50, 100)],
            [(0, 50), (100, 50)],
        ] {
            assert!(!across.crosses(&line(&apart)), "{apart:?}");
        }
    }

    #[test]
    fn a_curve_crosses_what_its_bend_reaches() {
        let points = [(0, 0), (100, 0), (100, 100), (0, 100)];
        let upright = |x: i64| Trace::new(&[(x, -10), (x, 110)], false);
        assert!(Trace::new(&points, true).crosses(&upright(70)));
        assert!(!Trace::new(&points, true).crosses(&upright(80)));
        assert!(!Trace::new(&points, false).crosses(&upright(110)));
    }
}
