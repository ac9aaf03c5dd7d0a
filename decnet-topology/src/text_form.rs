//! Values that serde reads and writes as their text.

/// Converts a value from and to a text, by its `FromStr` and `Display`, for `#[serde(try_from = "String", into = "String")]`.
macro_rules! text_form {
    ($($value:ty: $error:ty),* $(,)?) => {$(
        impl TryFrom<String> for $value {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$value> for String {
            fn from(value: $value) -> Self {
                value.to_string()
            }
        }
    )*};
}

pub(crate) use text_form;
