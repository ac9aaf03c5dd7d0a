/// The state of a decky in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrawnState {
    /// All of it runs.
    Running,
    /// It runs, but something is wrong.
    Degraded,
    /// It does not run.
    Gone,
}

impl DrawnState {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Running => " running",
            Self::Degraded => " degraded",
            Self::Gone => " gone",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Running => "● running",
            Self::Degraded => "▲ degraded",
            Self::Gone => "✕ gone",
        }
    }
}
