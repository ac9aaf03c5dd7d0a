#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decnet_decoy::fuzzing::log_line(bytes));
