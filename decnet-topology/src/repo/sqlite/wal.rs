//! The write-ahead log of SQLite, read without SQLite: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.
//!
//! SQLite needs an index of the log in a file next to it, and cannot create it on a full disk or in a read-only folder. Committed
//! changes can still be read: each frame of the log has a page, and checksums that prove it.

/// The length of the log's header, and of a frame's header.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The magic number of a log; the last bit says that its checksums are big-endian.
const MAGIC: u32 = 0x377f_0682;

/// Applies the committed frames of a log to a database. An invalid log, or one with another salt, changes nothing.
pub(super) fn apply(database: &mut Vec<u8>, log: &[u8]) {
    let Some(header) = Header::read(log) else { return };
    let mut sums = header.sums;
    let mut frames = Vec::new();
    let mut committed = (0, 0);
    for frame in log[HEADER..].chunks_exact(FRAME_HEADER + header.page_size) {
        let (head, page) = frame.split_at(FRAME_HEADER);
        sums = header.sum(header.sum(sums, &head[..8]), page);
        if (word(head, 8), word(head, 12)) != header.salts || (word(head, 16), word(head, 20)) != sums {
            break;
        }
        frames.push((word(head, 0), page));
        if let pages @ 1.. = word(head, 4) {
            committed = (frames.len(), pages);
        }
    }
    let (count, pages) = committed;
    if count == 0 {
        return;
    }
    database.resize(pages as usize * header.page_size, 0);
    for (number, page) in frames.into_iter().take(count) {
        let start = (number as usize).wrapping_sub(1).wrapping_mul(header.page_size);
        if let Some(place) = database.get_mut(start..start.wrapping_add(header.page_size)) {
            place.copy_from_slice(page);
        }
    }
}

struct Header {
    big_endian: bool,
    page_size: usize,
    salts: (u32, u32),
    sums: (u32, u32),
}

impl Header {
    fn read(log: &[u8]) -> Option<Self> {
        let head = log.get(..HEADER)?;
        let magic = word(head, 0);
        let header = Self {
            big_endian: magic & 1 == 1,
            page_size: word(head, 8) as usize,
            salts: (word(head, 16), word(head, 20)),
            sums: (word(head, 24), word(head, 28)),
        };
        let is_sound = magic & !1 == MAGIC
            && header.page_size.is_power_of_two()
            && (512..=65536).contains(&header.page_size)
            && header.sum((0, 0), &head[..24]) == header.sums;
        is_sound.then_some(header)
    }

    /// Continues the checksums over more bytes.
    fn sum(&self, (mut one, mut two): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let read = |at: usize| {
            let number = word(bytes, at);
            if self.big_endian { number } else { number.swap_bytes() }
        };
        for at in (0..bytes.len()).step_by(8) {
            one = one.wrapping_add(read(at)).wrapping_add(two);
            two = two.wrapping_add(read(at + 4)).wrapping_add(one);
        }
        (one, two)
    }
}

/// Reads a big-endian number.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_be_bytes)
}
