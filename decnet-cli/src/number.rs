//! Numbers on the command line.

use std::num::{NonZeroI128, NonZeroU16};

/// Reads a whole number. The range of the type is the allowed one.
pub(crate) fn whole<T: TryFrom<i128>>(text: &str) -> Result<T, String> {
    let number: i128 = text
        .trim()
        .parse()
        .map_err(|_| "it must be a whole number, like 5".to_owned())?;
    T::try_from(number).map_err(|_| {
        if number < 0 {
            "it is negative"
        } else {
            "it is too large"
        }
        .to_owned()
    })
}

/// Reads a whole number from 1.
pub(crate) fn positive<T: TryFrom<NonZeroI128>>(text: &str) -> Result<T, String> {
    let number = NonZeroI128::new(whole(text)?).filter(|number| number.get() > 0);
    let number = number.ok_or_else(|| "it must be at least 1".to_owned())?;
    T::try_from(number).map_err(|_| "it is too large".to_owned())
}

/// Reads the number of workers.
pub(crate) fn workers(text: &str) -> Result<u16, String> {
    positive(text).map(NonZeroU16::get)
}

/// Reads a probability. The config checks its range.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    text.trim()
        .parse()
        .map_err(|_| "it must be a number from 0 to 1, like 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_range_and_another_text_are_refused_in_words() {
        assert_eq!(whole::<u64>(" 7 "), Ok(7));
        assert_eq!(whole::<i64>("-7"), Ok(-7));
        assert_eq!(whole::<u64>("-7"), Err("it is negative".into()));
        assert_eq!(whole::<u16>("70000"), Err("it is too large".into()));
        assert_eq!(whole::<u64>("x"), Err("it must be a whole number, like 5".into()));
        for low in ["0", "-1"] {
            assert_eq!(workers(low), Err("it must be at least 1".into()), "{low}");
        }
        assert_eq!(workers("70000"), Err("it is too large".into()));
        assert!(workers("1").is_ok() && fraction("0.5") == Ok(0.5) && fraction("half").is_err());
    }
}
