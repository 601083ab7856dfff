//! Building recipes and what they need, at most two at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs::File;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use cookbook_core::graph::{self, Graph};
use cookbook_core::recipe::{Recipe, Template};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::build::{self, Job};
use crate::state::{self, State};
use crate::tree::{C_LIBRARY, Tree};
use crate::{files, package};

/// How many recipes are built at once.
const WORKERS: usize = 2;

/// Keeps others from building in the same tree while it lives.
#[derive(Debug)]
pub struct Lock {
    // Held by being open.
    _file: File,
}

impl Lock {
    /// Waits until nobody else builds in the tree.
    pub fn take(tree: &Tree) -> Result<Self> {
        let path = tree.build().join("cook.lock");
        files::make_folder(&tree.build())?;
        let locking = || format!("cannot lock {}", path.display());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(locking)?;
        if file.try_lock().is_err() {
            eprintln!("cook: waiting for another cook that builds in this tree");
            file.lock().with_context(locking)?;
        }
        Ok(Self { _file: file })
    }
}

/// Recipes and what they need.
#[derive(Debug)]
pub struct Plan<'a> {
    tree: &'a Tree,
    recipes: BTreeMap<String, (PathBuf, Recipe)>,
    graph: Graph,
    quiet: bool,
}

/// The name of the recipe that makes a package.
pub fn recipe_of(package: &str) -> &str {
    package.split('.').next().unwrap_or(package)
}

impl<'a> Plan<'a> {
    /// Reads the recipes of `packages`, and those of everything that they need, to be built or to run.
    pub fn new(tree: &'a Tree, packages: &[String]) -> Result<Self> {
        let mut recipes: BTreeMap<String, (PathBuf, Recipe)> = BTreeMap::new();
        // Every package beside who needs it.
        let mut left: Vec<(String, Option<String>)> = packages
            .iter()
            .rev()
            .map(|name| (name.clone(), None))
            .collect();
        let mut roots = Vec::new();
        while let Some((package, needed_by)) = left.pop() {
            let name = recipe_of(&package).to_owned();
            if let Some((_, recipe)) = recipes.get(&name) {
                need_part(recipe, &package, needed_by.as_deref())?;
                continue;
            }
            let Some(folder) = tree.recipe_folder(&name) else {
                let missing: graph::Error<Infallible> = graph::Error::Missing { name, needed_by };
                return Err(missing.into());
            };
            let (recipe, _) = tree.recipe(folder)?;
            need_part(&recipe, &package, needed_by.as_deref())?;
            let optional = recipe.optional.iter().flat_map(|part| &part.dependencies);
            let needed = recipe.run_dependencies.iter().chain(optional);
            left.extend(
                needed
                    .chain(&recipe.build_dependencies)
                    .filter(|need| !need.is_host())
                    .map(|need| (need.without_prefix().to_owned(), Some(name.clone()))),
            );
            if build::needs_c_library(&name, &recipe) {
                left.push((C_LIBRARY.to_owned(), Some(name.clone())));
            }
            recipes.insert(name.clone(), (folder.to_owned(), recipe));
            roots.push(name);
        }
        let graph = Graph::new(roots, |name| {
            let recipe = recipes.get(name).map(|(_, recipe)| recipe);
            Ok::<_, Infallible>(recipe.map(|recipe| needs(name, recipe)))
        })?;
        Ok(Self {
            tree,
            recipes,
            graph,
            quiet: false,
        })
    }

    /// Every recipe, after those that it is built with.
    pub fn order(&self) -> &[String] {
        self.graph.order()
    }

    /// With no word of what is built, unless somebody at a terminal waits.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The packages that are installed together with `packages`, these included.
    pub fn installed(&self, packages: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left: Vec<String> = packages.into_iter().collect();
        while let Some(package) = left.pop() {
            let Some((_, recipe)) = self.recipes.get(recipe_of(&package)) else {
                continue;
            };
            let part = package.split_once('.').map(|(_, part)| part);
            let needs = match recipe
                .optional
                .iter()
                .find(|o| Some(o.name.as_str()) == part)
            {
                Some(optional) => &optional.dependencies,
                None => &recipe.run_dependencies,
            };
            if found.insert(package) {
                left.extend(needs.iter().map(|need| need.without_prefix().to_owned()));
            }
        }
        found
    }

    /// Builds what is not up to date. Answers the names of what was built.
    pub fn build(&self) -> Result<Vec<String>> {
        package::ensure_key(self.tree)?;
        let show = Show::new(self.quiet);
        let mut outputs: BTreeMap<String, String> = BTreeMap::new();
        let mut waiting: Vec<&String> = self.graph.order().iter().collect();
        let mut built = Vec::new();
        let mut failure: Option<Error> = None;
        let (sender, done) = mpsc::channel();
        thread::scope(|scope| {
            let mut running = 0;
            loop {
                let mut later = Vec::new();
                for name in std::mem::take(&mut waiting) {
                    let ready = self
                        .graph
                        .needs(name)
                        .iter()
                        .all(|n| outputs.contains_key(n));
                    if failure.is_some() || !ready || running == WORKERS {
                        later.push(name);
                        continue;
                    }
                    match self.check(name, &outputs) {
                        Err(error) => failure = Some(in_recipe(name, error)),
                        Ok(Check::Fresh(output)) => {
                            outputs.insert(name.clone(), output);
                        }
                        Ok(Check::Stale(fingerprint)) => {
                            running += 1;
                            let sender = sender.clone();
                            let show = &show;
                            scope.spawn(move || {
                                let result = self.build_one(name, fingerprint, show);
                                // Nobody listens any more only if this thread is not waited for.
                                let _ = sender.send((name, result));
                            });
                        }
                    }
                }
                waiting = later;
                // What is fresh makes others ready at once.
                let ready = |name: &&String| {
                    self.graph
                        .needs(name)
                        .iter()
                        .all(|n| outputs.contains_key(n))
                };
                if failure.is_none() && running < WORKERS && waiting.iter().any(ready) {
                    continue;
                }
                if running == 0 {
                    break;
                }
                let Ok((name, result)) = done.recv() else {
                    break;
                };
                running -= 1;
                match result {
                    Ok(output) => {
                        outputs.insert(name.clone(), output);
                        built.push(name.clone());
                    }
                    Err(error) if failure.is_none() => failure = Some(in_recipe(name, error)),
                    // One message is enough; the other's log is there.
                    Err(_) => {}
                }
            }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(built),
        }
    }

    fn check(&self, name: &str, outputs: &BTreeMap<String, String>) -> Result<Check> {
        let (folder, recipe) = self.recipe(name)?;
        let closure = self.graph.closure(name);
        let needs: Vec<(&str, &str)> = closure
            .iter()
            .map(|need| (*need, outputs.get(*need).map_or("", String::as_str)))
            .collect();
        let fingerprint = state::fingerprint(self.tree, folder, recipe, &needs)?;
        Ok(match State::read(self.tree, name) {
            Some(state) if state.fingerprint == fingerprint => Check::Fresh(state.output),
            _ => Check::Stale(fingerprint),
        })
    }

    fn build_one(&self, name: &str, fingerprint: String, show: &Show) -> Result<String> {
        let (folder, recipe) = self.recipe(name)?;
        let line = show.start(name);
        let started = Instant::now();
        let sysroot: Vec<String> = self
            .graph
            .closure(name)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let job = Job {
            tree: self.tree,
            name,
            folder,
            recipe,
            sysroot: &sysroot,
        };
        let result = job.run().and_then(|output| {
            let state = State {
                fingerprint,
                output: output.hash,
                packages: output.packages,
            };
            state.write(self.tree, name)?;
            Ok(state.output)
        });
        show.end(name, line, result.is_ok(), started.elapsed());
        result
    }

    fn recipe(&self, name: &str) -> Result<(&PathBuf, &Recipe)> {
        let found = self
            .recipes
            .get(name)
            .map(|(folder, recipe)| (folder, recipe));
        found.with_context(|| format!("no recipe `{name}` was read"))
    }
}

/// Fails if a package is a part that its recipe does not split off.
fn need_part(recipe: &Recipe, package: &str, needed_by: Option<&str>) -> Result<()> {
    let Some((name, part)) = package.split_once('.') else {
        return Ok(());
    };
    if recipe.optional.iter().any(|optional| optional.name == part) {
        return Ok(());
    }
    let whose = needed_by.map_or(String::new(), |by| format!(", which `{by}` depends on"));
    bail!("recipe `{name}` has no package `{part}`{whose}")
}

/// What a recipe is built with.
fn needs(name: &str, recipe: &Recipe) -> Vec<String> {
    if recipe.template == Template::None {
        return Vec::new();
    }
    let mut needs: Vec<String> = Vec::new();
    if build::needs_c_library(name, recipe) {
        needs.push(C_LIBRARY.to_owned());
    }
    let targets = recipe
        .build_dependencies
        .iter()
        .filter(|need| !need.is_host());
    needs.extend(targets.map(|need| need.name().to_owned()));
    needs
}

fn in_recipe(name: &str, error: Error) -> Error {
    error.context(format!("recipe `{name}`"))
}

/// Whether there is something to build.
enum Check {
    /// No; this came out last time.
    Fresh(String),
    /// Yes; this is what it depends on.
    Stale(String),
}

/// Shows what is being built.
enum Show {
    /// On a terminal, which shows what is under way.
    Bars(MultiProgress),
    /// A line for each beginning and end.
    Lines,
    /// Not at all.
    Nothing,
}

impl Show {
    fn new(quiet: bool) -> Self {
        if std::io::stderr().is_terminal() {
            Self::Bars(MultiProgress::new())
        } else if quiet {
            Self::Nothing
        } else {
            Self::Lines
        }
    }

    fn start(&self, name: &str) -> Option<ProgressBar> {
        let all = match self {
            Self::Bars(all) => all,
            Self::Lines => {
                eprintln!("cook: {name}");
                return None;
            }
            Self::Nothing => return None,
        };
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        let line = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_message(name.to_owned());
        let line = all.add(line);
        line.enable_steady_tick(Duration::from_millis(200));
        Some(line)
    }

    fn end(&self, name: &str, line: Option<ProgressBar>, good: bool, time: Duration) {
        if let Some(line) = line {
            line.finish_and_clear();
        }
        if good {
            let text = format!("cook: {name} done in {} s", time.as_secs());
            match self {
                // What cannot be shown is not worth a failure.
                Self::Bars(all) => drop(all.println(text)),
                Self::Lines => eprintln!("{text}"),
                Self::Nothing => {}
            }
        }
    }
}
