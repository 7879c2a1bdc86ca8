//! The compact model as a part of the program, if the build knew where it is: `FILE` is written by
//! the build.

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));
