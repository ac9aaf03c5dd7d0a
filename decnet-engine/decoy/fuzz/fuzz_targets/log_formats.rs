#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decnet_engine::testing::log_formats(bytes));
