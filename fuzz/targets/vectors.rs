//! libFuzzer's way to the target `vectors`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kenning_fuzz::vectors(data));
