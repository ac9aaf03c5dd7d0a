//! Durations and times on the command line.

use std::time::Duration;

use decnet_engine::{PastTimeError, read_past_time};
use jiff::{Timestamp, Zoned};

/// Longer durations are typing errors.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Reads `30s`, `2m`, `1m30s` or a bare number of seconds.
pub(crate) fn read_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("invalid duration `{text}`; try 30s, 2m or 90");
    let duration = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let signed: jiff::SignedDuration = text.parse().map_err(|_| invalid())?;
        Duration::try_from(signed).map_err(|_| invalid())?
    };
    if duration.is_zero() {
        Err("must be longer than zero".into())
    } else if duration > LONGEST {
        Err("must be 10 years at most".into())
    } else {
        Ok(duration)
    }
}

/// Reads a past time; a text without a time zone is in that of this machine.
pub(crate) fn read_past(text: &str) -> Result<Timestamp, PastTimeError> {
    read_past_time(text, &Zoned::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_forms_of_durations_are_parsed() {
        assert_eq!(read_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(read_duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(read_duration("1m30s"), Ok(Duration::from_secs(90)));
        for invalid in ["", "0", "-1", "-5s", "soon", "18446744073709551615"] {
            assert!(read_duration(invalid).is_err(), "{invalid}");
        }
    }
}
