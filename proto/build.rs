//! Compiles the protocol with protox, so that no protoc is needed, and keeps
//! the descriptor set for reflection and for the schema tests.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed={}", root.join("laufzettel").display());
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("laufzettel/v1"))? {
        files.push(entry?.path());
    }
    files.sort();
    let set = protox::compile(&files, [&root])?;
    fs::write(out.join("descriptor.bin"), prost::Message::encode_to_vec(&set))?;
    let services = env::var_os("CARGO_FEATURE_SERVICES").is_some();
    tonic_prost_build::configure().build_client(services).build_server(services).compile_fds(set)?;
    Ok(())
}
