//! libFuzzer's way to the target `jsonl`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kenning_fuzz::jsonl(data));
