//! Writes the seeds of every target into the folder `corpus`, where `cargo fuzz` looks for them.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    for (name, _) in traceparent_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        fs::create_dir_all(&folder)?;
        for (i, seed) in traceparent_fuzz::seeds::of(name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{i:04}")), seed)?;
        }
    }
    Ok(())
}
