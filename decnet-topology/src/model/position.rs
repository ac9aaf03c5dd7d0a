use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// A position on the canvas of an editor. It has no effect on the maze.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Position {
    /// The distance to the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<Coordinate>,
    /// The distance downward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<Coordinate>,
}

/// A coordinate of a [`Position`]: a finite number. Negative zero becomes zero.
///
/// ```
/// use decnet_topology::Coordinate;
///
/// let x = Coordinate::new(-0.5)?;
/// assert_eq!(x.get(), -0.5);
/// assert!(Coordinate::new(f64::NAN).is_err());
/// # Ok::<(), decnet_topology::NotFinite>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Coordinate(f64);

/// The refusal of a coordinate that is not a finite number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a coordinate must be a finite number")]
pub struct NotFinite;

impl NotFinite {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "not_finite"
    }
}

impl Coordinate {
    /// Checks that the number is finite.
    pub fn new(number: f64) -> Result<Self, NotFinite> {
        // The sum of -0.0 and 0.0 is 0.0.
        if number.is_finite() {
            Ok(Self(number + 0.0))
        } else {
            Err(NotFinite)
        }
    }

    /// Returns the number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Coordinate {
    type Error = NotFinite;

    fn try_from(number: f64) -> Result<Self, NotFinite> {
        Self::new(number)
    }
}

impl From<i32> for Coordinate {
    fn from(number: i32) -> Self {
        Self(number.into())
    }
}

impl From<Coordinate> for f64 {
    fn from(coordinate: Coordinate) -> Self {
        coordinate.0
    }
}

impl FromStr for Coordinate {
    type Err = NotFinite;

    fn from_str(text: &str) -> Result<Self, NotFinite> {
        text.parse().map_err(|_| NotFinite).and_then(Self::new)
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Coordinate {
    fn schema_name() -> Cow<'static, str> {
        f64::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        f64::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinate_is_finite_and_its_zero_has_no_sign() {
        for infinite in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Coordinate::new(infinite), Err(NotFinite));
        }
        for text in ["inf", "NaN", "1e999", "", "x"] {
            assert_eq!(text.parse::<Coordinate>(), Err(NotFinite), "{text}");
        }
        for (number, written) in [
            (-0.0, "0.0"),
            (0.0, "0.0"),
            (-1.5, "-1.5"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            let coordinate = Coordinate::new(number).expect("finite");
            assert_eq!(serde_json::to_string(&coordinate).expect("a number"), written);
            assert_eq!(serde_json::from_str::<Coordinate>(written).expect("finite"), coordinate);
        }
    }
}
