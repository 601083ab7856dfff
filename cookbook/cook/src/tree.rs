//! Where things are in the tree.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cookbook_core::recipe::Recipe;

/// The architecture that packages are for.
pub const ARCH: &str = "x86_64";
/// The target of programs.
pub const TARGET: &str = "x86_64-unknown-redox";
/// The C library, which everything is built with.
pub const C_LIBRARY: &str = "relibc";

/// The tree that recipes are in and that builds happen in.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Its top folder.
    pub top: PathBuf,
    recipes: BTreeMap<String, PathBuf>,
}

impl Tree {
    /// The tree at `CUPRITE_TOP`, or the one that this program belongs to.
    pub fn find() -> Result<Self> {
        let top = match env::var_os("CUPRITE_TOP") {
            Some(top) => PathBuf::from(top),
            None => {
                let program = env::current_exe().context("cannot find this program")?;
                // Builds have a folder of that name, too.
                let holds = |folder: &&Path| {
                    folder.join("recipes").is_dir() && folder.join("config").is_dir()
                };
                match program.ancestors().skip(1).find(holds) {
                    Some(top) => top.to_owned(),
                    None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")),
                }
            }
        };
        let top = top
            .canonicalize()
            .with_context(|| format!("cannot find the tree {}", top.display()))?;
        let mut recipes = BTreeMap::new();
        let folder = top.join("recipes");
        if folder.is_dir() {
            collect(&folder, &mut recipes)?;
        }
        Ok(Self { top, recipes })
    }

    /// The folder of a recipe.
    pub fn recipe_folder(&self, name: &str) -> Option<&Path> {
        self.recipes.get(name).map(PathBuf::as_path)
    }

    /// The names of all recipes.
    pub fn recipe_names(&self) -> impl Iterator<Item = &str> {
        self.recipes.keys().map(String::as_str)
    }

    /// Reads a recipe; answers it with its text.
    pub fn recipe(&self, folder: &Path) -> Result<(Recipe, String)> {
        let file = folder.join("recipe.toml");
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let shown = file.strip_prefix(&self.top).unwrap_or(&file);
        let recipe = Recipe::parse(shown, &text)?;
        Ok((recipe, text))
    }

    /// Everything that is built.
    pub fn build(&self) -> PathBuf {
        self.top.join("build")
    }

    /// Where a recipe is built.
    pub fn recipe_build(&self, name: &str) -> PathBuf {
        self.build().join("recipes").join(name)
    }

    /// What was fetched.
    pub fn sources(&self) -> PathBuf {
        self.build().join("sources")
    }

    /// Packages.
    pub fn repo(&self) -> PathBuf {
        self.top.join("repo").join(ARCH)
    }

    /// A package.
    pub fn package(&self, name: &str) -> PathBuf {
        self.repo().join(format!("{name}.pkgar"))
    }

    /// The key that a package's signature is checked with.
    pub fn public_key(&self) -> PathBuf {
        self.top.join("repo/id_ed25519.pub.toml")
    }

    /// The key that packages are signed with.
    pub fn secret_key(&self) -> PathBuf {
        self.build().join("keys/id_ed25519.toml")
    }

    /// The log of a recipe's build.
    pub fn log(&self, name: &str) -> PathBuf {
        self.build().join("logs").join(format!("recipe-{name}.log"))
    }

    /// Cargo's intermediate files, shared by all programs, so that `std` is built once.
    pub fn cargo_build(&self) -> PathBuf {
        self.build().join("target/std")
    }

    /// Host programs under the target's names: compilers, archivers.
    pub fn bin(&self) -> PathBuf {
        self.build().join("host/bin")
    }

    /// Scripts of the tree.
    pub fn tools(&self) -> PathBuf {
        self.top.join("tools")
    }

    /// The C library and headers that programs are linked with when no recipe says otherwise.
    pub fn sysroot(&self) -> PathBuf {
        self.build().join("sysroot")
    }
}

/// Finds the folders with a recipe. A folder below a recipe's is that recipe's business.
fn collect(folder: &Path, recipes: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let reading = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if !path.is_dir() {
            continue;
        }
        if !path.join("recipe.toml").is_file() {
            collect(&path, recipes)?;
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(other) = recipes.insert(name.clone().into_owned(), path.clone()) {
            bail!(
                "two recipes have the name `{name}`: {} and {}",
                other.display(),
                path.display()
            );
        }
    }
    Ok(())
}
