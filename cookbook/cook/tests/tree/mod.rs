//! A tree of its own for a test, and the tool in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A C library that is one file.
const LIBRARY: &str = "[build]\ntemplate = 'custom'\nscript = '''\n\
    install -D /dev/null $COOKBOOK_STAGE/usr/lib/libc.a\n'''\n";

/// A tree with recipes that need nothing but a shell.
pub struct Tree {
    folder: TempDir,
}

impl Tree {
    /// A tree with a C library.
    pub fn new() -> Self {
        let tree = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        tree.recipe("relibc", LIBRARY);
        tree
    }

    /// Its top folder.
    pub fn top(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and its folders.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.top().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a recipe.
    pub fn recipe(&self, name: &str, text: &str) {
        self.write(&format!("recipes/x/{name}/recipe.toml"), text);
    }

    /// The tool, to be run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cook"));
        command.args(args).env("CUPRITE_TOP", self.top());
        command
    }

    /// Runs the tool.
    pub fn cook(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs and answers what it said, which is to be a success.
    pub fn good(&self, args: &[&str]) -> String {
        let output = self.cook(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        said
    }

    /// Runs and answers the message, which is to be a failure.
    pub fn bad(&self, args: &[&str]) -> String {
        let output = self.cook(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        let messages =
            said.matches("cook: recipe `").count() + said.matches("cook: recipes/").count();
        assert!(messages <= 1, "{said}");
        said
    }
}

/// A recipe that is a script.
pub fn custom(script: &str) -> String {
    format!("[build]\ntemplate = 'custom'\nscript = '''\n{script}\n'''\n")
}
