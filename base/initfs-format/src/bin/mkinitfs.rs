//! `mkinitfs`: writes an initial file system from host files and folders.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Write an initial file system (a cpio "newc" archive, the same bytes for the same contents).
#[derive(Parser)]
#[command(name = "mkinitfs")]
struct Args {
    /// The archive to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Host files and folders, as PATH (keeps its last component) or PATH=NAME-IN-THE-ARCHIVE.
    #[arg(required = true)]
    inputs: Vec<String>,
}

fn main() -> ExitCode {
    match make(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mkinitfs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn make(args: &Args) -> Result<()> {
    let mut builder = initfs::Builder::new();
    for input in &args.inputs {
        let (host, name) = match input.split_once('=') {
            Some((host, name)) => (Path::new(host), name),
            None => {
                let host = Path::new(input);
                match host.file_name().and_then(|name| name.to_str()) {
                    Some(name) => (host, name),
                    None => bail!("{input}: has no last component to keep; write {input}=NAME"),
                }
            }
        };
        builder.host(host, name.trim_matches('/'))?;
    }
    std::fs::write(&args.output, builder.finish())
        .with_context(|| format!("cannot write {}", args.output.display()))
}
