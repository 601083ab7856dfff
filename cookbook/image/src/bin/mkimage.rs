//! `mkimage`: disk images and initial file systems from host files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use image::{Config, DiskImage, Programs, Tree};

/// Make bootable disk images and initial file systems, the same bytes for the same contents.
#[derive(Parser)]
#[command(name = "mkimage")]
enum Args {
    /// Write a disk image: GPT, EFI system partition with the loader, RedoxFS root partition.
    Disk {
        /// The image to write.
        #[arg(short, long)]
        output: PathBuf,
        /// The image's settings: sizes and files.
        #[arg(short, long)]
        config: PathBuf,
        /// The UEFI program to boot.
        #[arg(short, long)]
        loader: PathBuf,
        /// Host files and folders to put into the root file system, as HOST=/PATH.
        files: Vec<String>,
    },
    /// Initial file systems, from tables of programs.
    #[command(subcommand)]
    Initfs(Initfs),
}

#[derive(Subcommand)]
enum Initfs {
    /// Print the guest packages that the tables name, as arguments for cargo.
    Packages {
        /// The tables (TOML).
        tables: Vec<PathBuf>,
    },
    /// Put what the tables name into a folder.
    Stage {
        /// The folder.
        #[arg(short, long)]
        output: PathBuf,
        /// The folder that holds the guest programs.
        #[arg(short, long)]
        binaries: PathBuf,
        /// The tables (TOML); of two entries for one path the later table's counts.
        tables: Vec<PathBuf>,
    },
    /// Write the initial file system.
    Build {
        /// The archive to write.
        #[arg(short, long)]
        output: PathBuf,
        /// The folder that holds the guest programs.
        #[arg(short, long)]
        binaries: PathBuf,
        /// The tables (TOML); of two entries for one path the later table's counts.
        tables: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    match carry_out(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mkimage: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(args: Args) -> Result<()> {
    match args {
        Args::Disk {
            output,
            config,
            loader,
            files,
        } => disk(&output, &config, &loader, &files),
        Args::Initfs(Initfs::Packages { tables }) => {
            let programs = read(&tables)?;
            let arguments: Vec<_> = programs
                .packages()
                .iter()
                .map(|name| format!("-p {name}"))
                .collect();
            println!("{}", arguments.join(" "));
            Ok(())
        }
        Args::Initfs(Initfs::Stage {
            output,
            binaries,
            tables,
        }) => Ok(read(&tables)?.stage(&binaries, &output)?),
        Args::Initfs(Initfs::Build {
            output,
            binaries,
            tables,
        }) => write(&output, &read(&tables)?.build(&binaries)?),
    }
}

fn disk(output: &Path, config: &Path, loader: &Path, files: &[String]) -> Result<()> {
    let config = Config::read(config)?;
    let loader =
        fs::read(loader).with_context(|| format!("cannot read the loader {}", loader.display()))?;
    let mut root = Tree::new();
    for file in files {
        match file.split_once('=') {
            Some((host, path)) => root.put_host(Path::new(host), path)?,
            None => bail!("{file:?} is not of the form HOST=/PATH"),
        }
    }
    config.put_files(&mut root)?;
    let image = DiskImage {
        layout: config.layout(),
        loader: &loader,
        root: &root,
    };
    image.write(output)?;
    Ok(())
}

fn read(tables: &[PathBuf]) -> Result<Programs> {
    let mut programs = Programs::default();
    for table in tables {
        programs.extend(&Programs::read(table)?);
    }
    Ok(programs)
}

/// Writes `bytes` to `path`, unless they are there already: a build that changes nothing leaves
/// nothing newer behind.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
