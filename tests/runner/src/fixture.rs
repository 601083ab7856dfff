//! The trees of `tests/resolve-cases.toml`, for file systems that cannot be written to.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tree_fixture::cases::{ROOT_NAME, Which, fixture};
use tree_fixture::{HostBuilder, build};

/// The folders of the two trees.
const TREES: [(&str, Which); 2] = [("rows-a", Which::Resolve), ("rows-b", Which::Policing)];

/// Makes both in a new folder; they will be found at the absolute path `at`.
pub fn make(folder: &Path, at: &str) -> Result<()> {
    for (name, which) in TREES {
        let top = folder.join(name);
        let context = || format!("cannot make the trees in {}", folder.display());
        fs::create_dir_all(&top).with_context(context)?;
        let fixture = fixture(which, &format!("{at}/{name}/{ROOT_NAME}"));
        build(&fixture, &mut HostBuilder::new(&top)).with_context(context)?;
    }
    Ok(())
}
