//! Links the programs for the chip, and hands the core's vectors to the one that checks them.

use std::{env, fmt::Write, fs, path::Path};

#[path = "../../traceparent/tests/common/vectors.rs"]
#[allow(dead_code, reason = "only two columns are needed")]
mod vectors;

use vectors::Vector;

fn main() {
    // `link.x` is of `cortex-m-rt`, and includes `memory.x`.
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rustc-link-arg-bins=-Tlink.x");

    let mut code = String::new();
    for (name, file) in [("TRACEPARENTS", vectors::TRACEPARENT), ("TRACESTATES", vectors::TRACESTATE)] {
        writeln!(code, "pub const {name}: &[(bool, &[u8])] = &[").unwrap();
        for Vector { input, verdict, .. } in vectors::read(file).filter(is_value) {
            writeln!(code, "    ({}, b\"{}\"),", verdict.starts_with("ok"), input.escape_ascii()).unwrap();
        }
        writeln!(code, "];").unwrap();
    }
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap()).join("vectors.rs"), code).unwrap();
    println!("cargo:rerun-if-changed=../../traceparent/tests");
}

/// Whether a line has room for this value, and arrives with nothing added and nothing lost.
fn is_value(vector: &Vector) -> bool {
    vector.input.len() <= 1000
        && !vector.input.contains(&b'\n')
        && !vector.input.first().is_some_and(u8::is_ascii_whitespace)
        && !vector.input.last().is_some_and(u8::is_ascii_whitespace)
}
