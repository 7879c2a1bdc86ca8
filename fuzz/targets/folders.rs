//! libFuzzer's way to the target `folders`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kenning_fuzz::folders(data));
