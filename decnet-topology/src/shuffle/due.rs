use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Shuffle;
use crate::{
    id::{DeckyId, TopologyId},
    rng::RandomStream,
    secret::InstallationSecret,
};

/// Decides when a decky is shuffled. It follows from the secret of the store, so every process computes the same times, and an
/// intruder cannot predict them.
///
/// The times of a rule are on a grid over all time: `phase + k · every + delay(k)`, in milliseconds since 1970. The phase is
/// drawn for each decky, so the deckies of a maze are not shuffled at the same time. The delay is drawn for each `k`, from 0 up
/// to `jitter · every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShuffleKey(u64);

impl ShuffleKey {
    /// Derives the key of a decky.
    pub fn new(secret: &InstallationSecret, topology: TopologyId, decky: DeckyId) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"decnet.shuffle/1\0");
        hash.update(secret.as_bytes());
        hash.update(topology.to_string());
        hash.update(b"\0");
        hash.update(decky.to_string());
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(first))
    }

    /// Returns the first due time after another time; none if it is beyond the end of time.
    pub fn due_after(self, rule: &Shuffle, after: Timestamp) -> Option<Timestamp> {
        let every = i64::try_from(rule.every().as_millis()).ok()?;
        let spread = i64::try_from(rule.longest_delay().as_millis()).ok()?;
        let phase = self.draw("shuffle.phase", 0, every);
        let after = after.as_millisecond();
        let first = (after - phase - spread).div_euclid(every);
        // The due times ascend: a delay is less than the interval.
        (first..).take(4).find_map(|number| {
            let delay = self.draw("shuffle.delay", number, spread);
            let due = phase + number.checked_mul(every)?.checked_add(delay)?;
            Timestamp::from_millisecond(due).ok().filter(|_| due > after)
        })
    }

    /// Opens the stream for the services of the shuffle that is due at a time.
    pub fn services(self, due: Timestamp) -> RandomStream {
        RandomStream::new(self.0, "shuffle.services", due.as_millisecond().cast_unsigned())
    }

    /// Draws one of the numbers below a bound, which is not negative.
    fn draw(self, kind: &'static str, ordinal: i64, bound: i64) -> i64 {
        let bound = u64::try_from(bound).unwrap_or_default();
        let drawn = RandomStream::new(self.0, kind, ordinal.cast_unsigned()).below(bound);
        drawn.cast_signed()
    }
}

impl Shuffle {
    /// Returns the shortest time between two due times of a decky.
    pub fn shortest_gap(&self) -> SignedDuration {
        let gap = self.every().saturating_sub(self.longest_delay());
        SignedDuration::try_from(gap).unwrap_or(SignedDuration::MAX)
    }
}
