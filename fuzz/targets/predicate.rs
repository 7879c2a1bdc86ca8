//! libFuzzer's way to the target `predicate`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kenning_fuzz::predicate(data));
