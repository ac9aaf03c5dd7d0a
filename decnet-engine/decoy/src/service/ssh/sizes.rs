//! `df` and `free`, in the units that were asked for.

use std::fmt::Write as _;

use super::files::Memory;

/// The file systems: name, size and used KiB, and where they are mounted.
const FILE_SYSTEMS: &[(&str, u64, u64, &str)] = &[
    ("udev", 1_985_544, 0, "/dev"),
    ("tmpfs", 401_820, 604, "/run"),
    ("/dev/sda1", 30_786_468, 4_120_988, "/"),
    ("tmpfs", 2_009_092, 0, "/dev/shm"),
    ("tmpfs", 5120, 0, "/run/lock"),
];

/// Returns the part of a file system that only root may fill.
fn kept(size: u64) -> u64 {
    if size > 10_000_000 { size / 20 } else { 0 }
}

fn has(arguments: &[&str], letter: char) -> bool {
    arguments
        .iter()
        .any(|argument| argument.starts_with('-') && !argument.starts_with("--") && argument.contains(letter))
}

/// Shows the file systems.
pub(super) fn df(arguments: &[&str]) -> String {
    let is_human = has(arguments, 'h');
    let shown = |kibibytes: u64| {
        if is_human {
            human(kibibytes)
        } else {
            kibibytes.to_string()
        }
    };
    let width = if is_human { [5, 5, 5] } else { [9, 7, 9] };
    let mut text = if is_human {
        String::from("Filesystem      Size  Used Avail Use% Mounted on\n")
    } else {
        String::from("Filesystem     1K-blocks    Used Available Use% Mounted on\n")
    };
    for (name, size, used, at) in FILE_SYSTEMS {
        let left = size - used - kept(*size);
        let percent = (used * 100).div_ceil(used + left);
        let [first, second, third] = width;
        let _ = writeln!(
            text,
            "{name:<14} {:>first$} {:>second$} {:>third$} {percent:>3}% {at}",
            shown(*size),
            shown(*used),
            shown(left),
        );
    }
    text
}

/// Shows the memory.
pub(super) fn free(total: u64, arguments: &[&str]) -> String {
    let memory = Memory::of(total);
    let shown = |kibibytes: u64| match arguments {
        all if has(all, 'h') && kibibytes == 0 => "0B".into(),
        all if has(all, 'h') => human(kibibytes) + "i",
        all if has(all, 'g') => (kibibytes / 1_048_576).to_string(),
        all if has(all, 'm') => (kibibytes / 1024).to_string(),
        all if has(all, 'b') => (kibibytes * 1024).to_string(),
        _ => kibibytes.to_string(),
    };
    let row = |name: &str, values: &[u64]| {
        let values = values.iter().map(|value| format!("{:>12}", shown(*value)));
        format!("{name:<8}{}\n", values.collect::<Vec<_>>().concat())
    };
    let rows = [
        "               total        used        free      shared  buff/cache   available\n".to_owned(),
        row(
            "Mem:",
            &[
                total,
                memory.used,
                memory.free,
                1844,
                memory.buffers + memory.cached,
                memory.available,
            ],
        ),
        row("Swap:", &[998_396, 0, 998_396]),
    ];
    rows.concat()
}

/// Shows the processors.
pub(super) fn lscpu(machine: &str, cores: u32) -> String {
    let last = cores.saturating_sub(1);
    format!(
        "Architecture:            {machine}\n  CPU op-mode(s):        32-bit, 64-bit\n  \
         Address sizes:         43 bits physical, 48 bits virtual\n  Byte Order:            Little Endian\n\
         CPU(s):                  {cores}\n  On-line CPU(s) list:   0-{last}\nVendor ID:               GenuineIntel\n  \
         Model name:            Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz\n    CPU family:          6\n    \
         Model:               85\n    Thread(s) per core:  1\n    Core(s) per socket:  {cores}\n    \
         Socket(s):           1\n    Stepping:            7\n    BogoMIPS:            4389.68\n"
    )
}

/// Returns a size with a unit, rounded up, as coreutils do.
fn human(kibibytes: u64) -> String {
    let mut size = kibibytes;
    let mut rest = 0_u64;
    for unit in ["K", "M", "G"] {
        if size < 1024 {
            let tenths = (size * 10 + (rest * 10).div_ceil(1024)).max(1);
            return match size {
                0 if kibibytes == 0 => "0".into(),
                ..10 if unit != "K" => format!("{}.{}{unit}", tenths / 10, tenths % 10),
                _ => format!("{}{unit}", size + u64::from(rest > 0)),
            };
        }
        (rest, size) = (size % 1024, size / 1024);
    }
    format!("{size}T")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_was_asked_for() {
        assert_eq!(
            df(&["-h"]),
            "Filesystem      Size  Used Avail Use% Mounted on\n\
             udev            1.9G     0  1.9G   0% /dev\n\
             tmpfs           393M  604K  392M   1% /run\n\
             /dev/sda1        30G  4.0G   24G  15% /\n\
             tmpfs           2.0G     0  2.0G   0% /dev/shm\n\
             tmpfs           5.0M     0  5.0M   0% /run/lock\n"
        );
        assert!(
            df(&[]).contains("/dev/sda1       30786468 4120988  25126157  15% /\n"),
            "{}",
            df(&[])
        );
        let row = |arguments: &[&str]| free(4_018_188, arguments).lines().nth(1).unwrap().to_owned();
        assert_eq!(
            row(&[]),
            "Mem:         4018188     1084887      602715        1844     2330586     2852938"
        );
        assert_eq!(
            row(&["-m"]),
            "Mem:            3924        1059         588           1        2275        2786"
        );
    }
}
