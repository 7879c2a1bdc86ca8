//! libFuzzer's way to the target `stored`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kenning_fuzz::stored(data));
