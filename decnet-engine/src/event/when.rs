use jiff::{Span, Timestamp, Zoned, civil};

/// The reason why a text is not a past time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum PastTimeError {
    /// The text has none of the forms.
    #[error("invalid time `{text}`; try 2030-01-31T12:00:00Z, 2030-01-31 12:00, -2h or \"3 days ago\"")]
    #[strum(serialize = "malformed_time")]
    Malformed {
        /// The text.
        text: String,
    },
    /// The time does not exist, or is out of range.
    #[error("invalid time `{text}`: {reason}")]
    #[strum(serialize = "time_out_of_range")]
    OutOfRange {
        /// The text.
        text: String,
        /// The reason.
        reason: String,
    },
    /// The text is a span into the future.
    #[error("`{text}` is in the future; write -{text} for the past")]
    #[strum(serialize = "future_time")]
    Future {
        /// The text.
        text: String,
    },
}

impl PastTimeError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// Reads a past time as people write it: RFC 3339, a date and time in the time zone of `now`, or a time ago such as `-2h` or
/// `3 days ago`.
///
/// ```
/// use decnet_engine::read_past_time;
///
/// let now = "2030-01-31T12:00:00[UTC]".parse()?;
/// for text in ["-2h", "2 hours ago", "2030-01-31 10:00", "2030-01-31T11:00:00+01:00"] {
///     assert_eq!(read_past_time(text, &now)?.to_string(), "2030-01-31T10:00:00Z");
/// }
/// assert!(read_past_time("2h", &now).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_past_time(text: &str, now: &Zoned) -> Result<Timestamp, PastTimeError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("now") {
        return Ok(now.timestamp());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let out_of_range = |error: jiff::Error| PastTimeError::OutOfRange {
        text: text.into(),
        reason: error.to_string(),
    };
    if let Ok(at) = text.parse::<civil::DateTime>() {
        let at = at.to_zoned(now.time_zone().clone());
        return at.map(|at| at.timestamp()).map_err(out_of_range);
    }
    let malformed = |_| PastTimeError::Malformed { text: text.into() };
    let span: Span = text.parse().map_err(malformed)?;
    if span.is_positive() {
        return Err(PastTimeError::Future { text: text.into() });
    }
    Ok(now.checked_add(span).map_err(out_of_range)?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, PastTimeError> {
        let now = "2030-01-31T12:00:00[UTC]".parse().expect("a time");
        read_past_time(text, &now).map(|at| at.to_string())
    }

    #[test]
    fn usual_forms_of_times_are_parsed() {
        for (text, expected) in [
            ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00Z"),
            ("2030-01-31", "2030-01-31T00:00:00Z"),
            ("2030-01-31 12:00", "2030-01-31T12:00:00Z"),
            ("-2h", "2030-01-31T10:00:00Z"),
            ("90m ago", "2030-01-31T10:30:00Z"),
            ("-1 day", "2030-01-30T12:00:00Z"),
            (" now ", "2030-01-31T12:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_invalid_or_future_time_is_refused() {
        for text in ["", "soon", "2030-13-01", "-"] {
            let error = read(text).expect_err(text);
            assert_eq!(error.code(), "malformed_time", "{text}");
        }
        for text in ["2h", "in 2 hours"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("-90000 years").expect_err("too early").code(), "malformed_time");
        assert_eq!(read("-19000 years").expect_err("too early").code(), "time_out_of_range");
    }
}
