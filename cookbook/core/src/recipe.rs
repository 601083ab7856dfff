//! `recipe.toml`.
//!
//! The format is that of Redox's cookbook. Two sources are our own, for machines that reach nothing but
//! package registries: `crate` (a package of crates.io) and `debian` (the upstream archive that Debian
//! keeps in its pool), both with `version` and `sha256`. Also our own: `inputs` says what of a `path` counts,
//! and `c_library = false` that a build has no use for the C library.

use std::path::Path;

use pkg::PackageName;
use serde::Deserialize;
use toml::Spanned;

use crate::FormatError;

/// A recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Where its source is; nothing for a package that is only a list of others, or the folder `source`
    /// beside the recipe.
    pub source: Option<Source>,
    /// How it is built.
    pub template: Template,
    /// Packages whose files it is built with.
    pub build_dependencies: Vec<PackageName>,
    /// Whether it is built with the C library, as everything is that does not say otherwise.
    pub c_library: bool,
    /// Packages that are installed together with it.
    pub run_dependencies: Vec<PackageName>,
    /// Its version, if the recipe says it.
    pub version: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// Packages split off from it.
    pub optional: Vec<OptionalPackage>,
}

/// Where a source comes from, and what is done to it before it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where from.
    pub origin: Origin,
    /// Patch files beside the recipe, in the order in which they apply.
    pub patches: Vec<String>,
    /// A script that prepares the source.
    pub script: Option<String>,
}

/// Where a source comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The source of another recipe, as a path from this one's folder.
    SameAs(String),
    /// A folder of the host, as a path from the recipe's folder. It is built where it is.
    Path {
        /// The folder.
        path: String,
        /// What in it counts as the source; everything, if this is empty.
        inputs: Vec<String>,
    },
    /// A git repository.
    Git {
        /// Where it is.
        url: String,
        /// A branch, if not the usual one.
        branch: Option<String>,
        /// A commit or a tag.
        rev: Option<String>,
    },
    /// An archive.
    Tar {
        /// Where it is.
        url: String,
        /// Its checksum.
        blake3: Option<String>,
    },
    /// A package of crates.io.
    Crate {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// The checksum of its archive.
        sha256: Option<String>,
    },
    /// The upstream archive of a Debian source package.
    Debian {
        /// The source package's name.
        name: String,
        /// The upstream version: what stands before `.orig.tar`.
        version: String,
        /// The checksum of the archive.
        sha256: Option<String>,
    },
}

/// How a recipe is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// It is not: it only names others.
    None,
    /// It is a package of a server.
    Remote,
    /// `cargo install`.
    Cargo {
        /// The folder of the package in the source.
        path: Option<String>,
        /// Flags for cargo.
        flags: Vec<String>,
        /// Packages of the workspace to build, in place of the one at `path`.
        packages: Vec<String>,
        /// Examples to build.
        examples: Vec<String>,
    },
    /// `configure`, `make`, `make install`.
    Configure {
        /// Flags for `configure`.
        flags: Vec<String>,
    },
    /// `cmake`.
    Cmake {
        /// Flags for `cmake`.
        flags: Vec<String>,
    },
    /// `meson`.
    Meson {
        /// Flags for `meson setup`.
        flags: Vec<String>,
    },
    /// A script for bash.
    Custom {
        /// The script.
        script: String,
    },
}

/// A package with some of the files that a recipe makes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionalPackage {
    /// What comes behind the recipe's name and a dot.
    pub name: String,
    /// Packages that are installed together with it.
    #[serde(default)]
    pub dependencies: Vec<PackageName>,
    /// Its files, as patterns with `*`, `?` and `**`.
    #[serde(default)]
    pub files: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: Option<Spanned<RawSource>>,
    #[serde(default)]
    build: RawBuild,
    #[serde(default)]
    package: RawPackage,
    #[serde(default, rename = "optional-packages", alias = "optional_packages")]
    optional: Vec<OptionalPackage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    same_as: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    inputs: Option<Spanned<Vec<String>>>,
    git: Option<Spanned<String>>,
    upstream: Option<Spanned<String>>,
    branch: Option<Spanned<String>>,
    rev: Option<Spanned<String>>,
    shallow_clone: Option<Spanned<bool>>,
    tar: Option<Spanned<String>>,
    blake3: Option<Spanned<String>>,
    #[serde(rename = "crate")]
    package: Option<Spanned<String>>,
    debian: Option<Spanned<String>>,
    version: Option<Spanned<String>>,
    sha256: Option<Spanned<String>>,
    patches: Option<Spanned<Vec<String>>>,
    script: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBuild {
    template: Option<Spanned<String>>,
    #[serde(default)]
    dependencies: Vec<PackageName>,
    #[serde(default, rename = "dev-dependencies", alias = "dev_dependencies")]
    dev_dependencies: Vec<PackageName>,
    c_library: Option<bool>,
    script: Option<Spanned<String>>,
    package_path: Option<Spanned<String>>,
    cargoflags: Option<Spanned<Flags>>,
    cargopackages: Option<Spanned<Vec<String>>>,
    cargoexamples: Option<Spanned<Vec<String>>>,
    configureflags: Option<Spanned<Flags>>,
    cmakeflags: Option<Spanned<Flags>>,
    mesonflags: Option<Spanned<Flags>>,
}

/// One string with blanks between flags, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flags {
    Line(String),
    List(Vec<String>),
}

impl Flags {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPackage {
    #[serde(default)]
    dependencies: Vec<PackageName>,
    version: Option<String>,
    description: Option<String>,
    /// Libraries that upstream links dynamically; programs here are static.
    #[serde(default)]
    #[expect(dead_code, reason = "accepted for the format's sake")]
    shared_deps: Vec<PackageName>,
}

/// Reports with the file at hand.
struct Place<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn at<T>(&self, value: &Spanned<T>, message: impl Into<String>) -> FormatError {
        FormatError::new(self.file, self.text, Some(value.span()), message)
    }

    /// Fails if one of `keys` is there, of which `owner` makes no use.
    fn refuse(&self, keys: &[Key<'_>], owner: &str) -> Result<(), FormatError> {
        match keys
            .iter()
            .find_map(|key| key.1.clone().map(|s| (key.0, s)))
        {
            None => Ok(()),
            Some((name, span)) => Err(FormatError::new(
                self.file,
                self.text,
                Some(span),
                format!("key `{name}` has no meaning with {owner}"),
            )),
        }
    }
}

/// A key's name and, if it is there, its place.
type Key<'a> = (&'a str, Option<std::ops::Range<usize>>);

fn key<'a, T>(name: &'a str, value: &Option<Spanned<T>>) -> Key<'a> {
    (name, value.as_ref().map(Spanned::span))
}

fn inner<T>(value: Option<Spanned<T>>) -> Option<T> {
    value.map(Spanned::into_inner)
}

impl Recipe {
    /// Reads a recipe. `file` is only for messages.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FormatError> {
        let raw: File =
            toml::from_str(text).map_err(|error| FormatError::toml(file, text, &error))?;
        let place = Place { file, text };
        let source = raw
            .source
            .map(|source| parse_source(source, &place))
            .transpose()?;
        let mut build_dependencies = raw.build.dependencies.clone();
        build_dependencies.extend(raw.build.dev_dependencies.iter().cloned());
        let c_library = raw.build.c_library.unwrap_or(true);
        let template = parse_template(raw.build, &place)?;
        let version = raw
            .package
            .version
            .or_else(|| match &source.as_ref()?.origin {
                Origin::Crate { version, .. } | Origin::Debian { version, .. } => {
                    Some(version.clone())
                }
                Origin::Tar { url, .. } => version_in(url),
                _ => None,
            });
        Ok(Self {
            source,
            template,
            build_dependencies,
            c_library,
            run_dependencies: raw.package.dependencies,
            version,
            description: raw.package.description,
            optional: raw.optional,
        })
    }
}

fn parse_source(raw: Spanned<RawSource>, place: &Place<'_>) -> Result<Source, FormatError> {
    let span = raw.span();
    let raw = raw.into_inner();
    let kinds = [
        key("same_as", &raw.same_as),
        key("path", &raw.path),
        key("git", &raw.git),
        key("tar", &raw.tar),
        key("crate", &raw.package),
        key("debian", &raw.debian),
    ];
    let mut given = kinds.iter().filter(|kind| kind.1.is_some());
    let Some((kind, _)) = given.next() else {
        return Err(FormatError::new(
            place.file,
            place.text,
            Some(span),
            "`source` says no origin: one of `path`, `tar`, `git`, `crate`, `debian`, `same_as`",
        ));
    };
    if let Some((second, at)) = given.next() {
        return Err(FormatError::new(
            place.file,
            place.text,
            at.clone(),
            format!("`source` has two origins, `{kind}` and `{second}`"),
        ));
    }
    // Keys by the origins that they belong to.
    let refused: Vec<Key<'_>> = [
        (key("inputs", &raw.inputs), &["path"] as &[&str]),
        (key("upstream", &raw.upstream), &["git"]),
        (key("branch", &raw.branch), &["git"]),
        (key("rev", &raw.rev), &["git"]),
        (key("shallow_clone", &raw.shallow_clone), &["git"]),
        (key("blake3", &raw.blake3), &["tar"]),
        (key("version", &raw.version), &["crate", "debian"]),
        (key("sha256", &raw.sha256), &["crate", "debian"]),
        (
            key("patches", &raw.patches),
            &["git", "tar", "crate", "debian"],
        ),
        (
            key("script", &raw.script),
            &["git", "tar", "crate", "debian"],
        ),
    ]
    .into_iter()
    .filter(|(_, owners)| !owners.contains(kind))
    .map(|(key, _)| key)
    .collect();
    place.refuse(&refused, &format!("`{kind}`"))?;
    checksum(&raw.blake3, place)?;
    checksum(&raw.sha256, place)?;
    let versioned = |name: &Spanned<String>| match &raw.version {
        Some(version) => plain(name, place).and_then(|name| Ok((name, plain(version, place)?))),
        None => Err(place.at(name, format!("`{kind}` needs a `version`"))),
    };
    let origin = if let Some(path) = raw.same_as {
        Origin::SameAs(path.into_inner())
    } else if let Some(path) = raw.path {
        Origin::Path {
            path: path.into_inner(),
            inputs: inner(raw.inputs).unwrap_or_default(),
        }
    } else if let Some(url) = raw.git {
        Origin::Git {
            url: url.into_inner(),
            branch: inner(raw.branch),
            rev: inner(raw.rev),
        }
    } else if let Some(url) = raw.tar {
        Origin::Tar {
            url: url.into_inner(),
            blake3: inner(raw.blake3),
        }
    } else if let Some(name) = &raw.package {
        let (name, version) = versioned(name)?;
        Origin::Crate {
            name,
            version,
            sha256: inner(raw.sha256),
        }
    } else if let Some(name) = &raw.debian {
        let (name, version) = versioned(name)?;
        Origin::Debian {
            name,
            version,
            sha256: inner(raw.sha256),
        }
    } else {
        unreachable!("one of the kinds was found")
    };
    Ok(Source {
        origin,
        patches: inner(raw.patches).unwrap_or_default(),
        script: inner(raw.script),
    })
}

/// A name or a version that becomes part of a file's name.
fn plain(value: &Spanned<String>, place: &Place<'_>) -> Result<String, FormatError> {
    let text = value.get_ref();
    let good = |c: char| c.is_ascii_alphanumeric() || "+-._~:".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(good) {
        Ok(text.clone())
    } else {
        Err(place.at(value, format!("{text:?} is no name or version")))
    }
}

fn checksum(value: &Option<Spanned<String>>, place: &Place<'_>) -> Result<(), FormatError> {
    match value {
        Some(sum)
            if sum.get_ref().len() != 64
                || !sum.get_ref().bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            Err(place.at(sum, "a checksum has 64 hexadecimal digits"))
        }
        _ => Ok(()),
    }
}

fn parse_template(raw: RawBuild, place: &Place<'_>) -> Result<Template, FormatError> {
    let name = raw
        .template
        .as_ref()
        .map_or("none", |name| name.get_ref().as_str())
        .to_owned();
    let keys = [
        (key("script", &raw.script), "custom"),
        (key("package_path", &raw.package_path), "cargo"),
        (key("cargoflags", &raw.cargoflags), "cargo"),
        (key("cargopackages", &raw.cargopackages), "cargo"),
        (key("cargoexamples", &raw.cargoexamples), "cargo"),
        (key("configureflags", &raw.configureflags), "configure"),
        (key("cmakeflags", &raw.cmakeflags), "cmake"),
        (key("mesonflags", &raw.mesonflags), "meson"),
    ];
    let flags = |flags: Option<Spanned<Flags>>| inner(flags).map_or(Vec::new(), Flags::into_list);
    let refused: Vec<Key<'_>> = keys
        .into_iter()
        .filter(|(_, owner)| *owner != name)
        .map(|(key, _)| key)
        .collect();
    let template = match (name.as_str(), &raw.template) {
        ("none", _) => Template::None,
        ("remote", _) => Template::Remote,
        ("cargo", _) => Template::Cargo {
            path: inner(raw.package_path),
            flags: flags(raw.cargoflags),
            packages: inner(raw.cargopackages).unwrap_or_default(),
            examples: inner(raw.cargoexamples).unwrap_or_default(),
        },
        ("configure", _) => Template::Configure {
            flags: flags(raw.configureflags),
        },
        ("cmake", _) => Template::Cmake {
            flags: flags(raw.cmakeflags),
        },
        ("meson", _) => Template::Meson {
            flags: flags(raw.mesonflags),
        },
        ("custom", Some(at)) => match inner(raw.script) {
            Some(script) => Template::Custom { script },
            None => return Err(place.at(at, "template `custom` needs a `script`")),
        },
        (_, Some(at)) => {
            return Err(place.at(
                at,
                format!(
                    "unknown template `{name}`, expected one of `cargo`, `configure`, `cmake`, \
                     `meson`, `custom`, `remote`, `none`"
                ),
            ));
        }
        (_, None) => unreachable!("without a template the name is `none`"),
    };
    place.refuse(&refused, &format!("template `{name}`"))?;
    Ok(template)
}

/// The first thing in an archive's name that looks like a version.
fn version_in(url: &str) -> Option<String> {
    let name = url.rsplit('/').next()?;
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let version: String = name[start..]
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let version = version.trim_end_matches('.');
    version.contains('.').then(|| version.to_owned())
}

#[cfg(test)]
mod tests;
