//! libFuzzer's way to the target `csv`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kenning_fuzz::csv(data));
