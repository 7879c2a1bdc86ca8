//! libFuzzer's way to the target `texts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kenning_fuzz::texts(data));
