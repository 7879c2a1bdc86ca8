//! Puts the compact model into the library if `KENNING_MODEL_FILE` names it. Without it the library
//! is the same, and has no model inside.
#![allow(clippy::disallowed_methods, reason = "a build is told by its environment")]

use std::path::Path;

const WITHOUT: &str = "/// There is none.\npub(crate) static FILE: Option<&[u8]> = None;\n";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=KENNING_MODEL_FILE");
    let model = std::env::var("KENNING_MODEL_FILE").ok();
    let model = model.filter(|path| Path::new(path).is_file());
    let code = model.map_or(WITHOUT.to_owned(), |path| {
        println!("cargo::rerun-if-changed={path}");
        with(&path)
    });
    let folder = std::env::var("OUT_DIR").expect("cargo names the folder");
    std::fs::write(Path::new(&folder).join("built_in.rs"), code).expect("the folder is writable");
}

/// Begins where a line of the processor's cache does, so that no read of weights touches two.
fn with(path: &str) -> String {
    format!(
        "#[repr(C, align(64))]\nstruct Aligned<T: ?Sized>(T);\n\
         static BUILT_IN: &Aligned<[u8]> = &Aligned(*include_bytes!({path:?}));\n\
         /// Its bytes.\npub(crate) static FILE: Option<&[u8]> = Some(&BUILT_IN.0);\n"
    )
}
