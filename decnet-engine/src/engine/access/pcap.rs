//! The file format of packet captures (pcap, with times in nanoseconds), which tcpdump and Wireshark read.

use std::io::{self, Write};

use crate::runtime::CapturedPacket;

/// The number of the format with nanoseconds, its version, and Ethernet as the kind of link.
const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);
const ETHERNET: u32 = 1;

/// Writes the header of a file.
pub(super) fn write_header(writer: &mut impl Write, snap_length: u32) -> io::Result<()> {
    let mut header = Vec::with_capacity(24);
    header.extend(MAGIC.to_le_bytes());
    header.extend(VERSION.0.to_le_bytes());
    header.extend(VERSION.1.to_le_bytes());
    // The time zone and the accuracy of times are always 0.
    header.extend([0; 8]);
    header.extend(snap_length.to_le_bytes());
    header.extend(ETHERNET.to_le_bytes());
    writer.write_all(&header)
}

/// Writes a packet.
pub(super) fn write_packet(writer: &mut impl Write, packet: &CapturedPacket) -> io::Result<()> {
    let mut header = Vec::with_capacity(16);
    // The format ends in 2106.
    let seconds = u32::try_from(packet.at.as_second()).unwrap_or(u32::MAX);
    let nanoseconds = u32::try_from(packet.at.subsec_nanosecond()).unwrap_or(0);
    let captured = u32::try_from(packet.data.len()).unwrap_or(u32::MAX);
    for number in [seconds, nanoseconds, captured, packet.length.max(captured)] {
        header.extend(number.to_le_bytes());
    }
    writer.write_all(&header)?;
    writer.write_all(&packet.data)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_file_has_the_bytes_of_the_format() {
        let mut file = Vec::new();
        write_header(&mut file, 96).expect("in memory");
        let packet = CapturedPacket {
            at: Timestamp::new(0x0102_0304, 5).expect("a time"),
            length: 1500,
            data: vec![7; 3],
            dropped: 0,
        };
        write_packet(&mut file, &packet).expect("in memory");
        let expected = [
            &[
                0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 96, 0, 0, 0, 1, 0, 0, 0,
            ][..],
            &[4, 3, 2, 1, 5, 0, 0, 0, 3, 0, 0, 0, 0xdc, 5, 0, 0, 7, 7, 7],
        ]
        .concat();
        assert_eq!(file, expected);
    }
}
