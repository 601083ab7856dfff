//! What is known of a recipe's last build.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cookbook_core::fingerprint::Builder;
use cookbook_core::recipe::{Origin, Recipe};
use serde::{Deserialize, Serialize};

use crate::fetch::Chain;
use crate::tree::Tree;
use crate::{files, toolchain};

/// Changes when the same recipe is to be built in another way.
const WAY: &str = "1";

/// A recipe's last build.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct State {
    /// What it depended on.
    pub fingerprint: String,
    /// What came out: the hash of the packages' files.
    pub output: String,
    /// The packages.
    pub packages: Vec<String>,
}

impl State {
    fn file(tree: &Tree, name: &str) -> std::path::PathBuf {
        tree.recipe_build(name).join("state.toml")
    }

    /// The last build's state, if there is one and its packages are still there.
    pub fn read(tree: &Tree, name: &str) -> Option<Self> {
        let text = fs::read_to_string(Self::file(tree, name)).ok()?;
        let state: Self = toml::from_str(&text).ok()?;
        let there = |name: &String| tree.package(name).is_file();
        state.packages.iter().all(there).then_some(state)
    }

    /// Forgets the last build: its files are about to be replaced.
    pub fn forget(tree: &Tree, name: &str) -> Result<()> {
        files::remove(&Self::file(tree, name))
    }

    /// Keeps it.
    pub fn write(&self, tree: &Tree, name: &str) -> Result<()> {
        let text = toml::to_string(self).context("cannot write a state")?;
        files::write(&Self::file(tree, name), text.as_bytes())
    }
}

/// What the build of a recipe depends on. `needs` are the recipes whose files it is built with, each
/// with what came out of its build.
pub fn fingerprint(
    tree: &Tree,
    folder: &Path,
    recipe: &Recipe,
    needs: &[(&str, &str)],
) -> Result<String> {
    let mut builder = Builder::new("recipe");
    builder.part("way", WAY);
    builder.part("prelude", crate::build::PRELUDE);
    toolchain::fingerprint(tree, &mut builder)?;
    // Packages that another key signed cannot be installed.
    files::fingerprint(&tree.public_key(), "key", &mut builder)?;
    // The recipe, its patches, and whatever else it has with it.
    files::fingerprint(folder, "recipe", &mut builder)?;
    let chain = Chain::new(tree, folder, recipe.source.as_ref())?;
    for other in chain.recipes.iter().skip(1) {
        files::fingerprint(other, "same_as", &mut builder)?;
    }
    if let Some(source) = &chain.source {
        match &source.origin {
            Origin::Path { path, inputs } => {
                let path = chain.recipe().join(path);
                if inputs.is_empty() {
                    files::fingerprint(&path, "source", &mut builder)?;
                }
                for input in inputs {
                    files::fingerprint(&path.join(input), input, &mut builder)?;
                }
            }
            // Followed above.
            Origin::SameAs(_) => {}
            // The recipe's text says which archive, and its checksum.
            Origin::Tar { .. } | Origin::Crate { .. } | Origin::Debian { .. } => {}
            // A branch moves; what it is at is asked only when something else changes.
            Origin::Git { .. } => {}
        }
    }
    for (name, output) in needs {
        builder.part(name, output);
    }
    Ok(builder.finish().to_string())
}
