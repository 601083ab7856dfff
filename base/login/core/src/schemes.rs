//! `/etc/login_schemes.toml`: which names the namespace of a user has.
//!
//! ```toml
//! [user_schemes.root]
//! schemes = ["*"]
//!
//! [user_schemes.user]
//! schemes = ["file", "null", "display*"]
//! ```
//!
//! A user who is not in it, or one of a file that cannot be read, gets [`NARROWEST`].

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::Deserialize;

/// What everybody has: files and the means to run programs on them.
pub const NARROWEST: [&str; 8] = [
    "event", "file", "initfs", "null", "pipe", "rand", "time", "zero",
];

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schemes(BTreeMap<String, Vec<String>>);

/// Where a file is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line, from 1.
    pub line: usize,
    /// How.
    pub why: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user_schemes: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    schemes: Vec<toml::Spanned<String>>,
}

/// Reads the file.
///
/// # Errors
/// The first place that is wrong.
pub fn parse(text: &str) -> Result<Schemes, Error> {
    let at = |start: usize| {
        let before = text.get(..start).unwrap_or(text);
        before.split('\n').count()
    };
    let file: File = toml::from_str(text).map_err(|error| Error {
        line: error.span().map_or(1, |span| at(span.start)),
        why: error.message().to_string(),
    })?;
    let mut schemes = BTreeMap::new();
    for (user, entry) in file.user_schemes {
        let mut names = Vec::new();
        for name in entry.schemes {
            if !is_pattern(name.get_ref()) {
                return Err(Error {
                    line: at(name.span().start),
                    why: format!("`{}` is no scheme's name, nor `prefix*`", name.get_ref()),
                });
            }
            names.push(name.into_inner());
        }
        schemes.insert(user, names);
    }
    Ok(Schemes(schemes))
}

/// A name, or the beginning of names with a `*` behind it.
fn is_pattern(text: &str) -> bool {
    let name = match text.strip_suffix('*') {
        Some("") => return true,
        Some(prefix) => prefix,
        None => text,
    };
    let reserved = matches!(name, "." | ".." | "namespace") && name == text;
    let bad = |c| matches!(c, '/' | ':' | '*' | '\0');
    !name.is_empty() && name.len() <= 255 && !name.contains(bad) && !reserved
}

impl Schemes {
    /// What a user's namespace has.
    #[must_use]
    pub fn of(&self, user: &str) -> Vec<&str> {
        match self.0.get(user) {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => Vec::from(NARROWEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[user_schemes.root]
schemes = ["*"]
[user_schemes.user]
schemes = ["file", "display*", "display.vesa"]
[user_schemes.nobody]
schemes = []
"#;

    #[test]
    fn users_have_what_the_file_says() {
        let schemes = parse(GOOD).unwrap();
        let rows: &[(&str, &[&str])] = &[
            ("root", &["*"]),
            ("user", &["file", "display*", "display.vesa"]),
            ("nobody", &[]),
            ("other", &NARROWEST),
        ];
        for (user, wanted) in rows {
            assert_eq!(schemes.of(user), *wanted, "{user}");
        }
        assert_eq!(parse("").unwrap().of("root"), NARROWEST);
        assert_eq!(Schemes::default().of("root"), NARROWEST);
        assert!(NARROWEST.iter().all(|name| is_pattern(name)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let rows = [
            ("[user_schemes.a]\nschemes = [\"\"]", 2, "no scheme's name"),
            (
                "[user_schemes.a]\nschemes = [\n\"a\",\n\"a/b\"]",
                4,
                "`a/b`",
            ),
            ("[user_schemes.a]\nschemes = [\"*a\"]", 2, "`*a`"),
            ("[user_schemes.a]\nschemes = [\"..\"]", 2, "`..`"),
            (
                "[user_schemes.a]\nschemes = [\"namespace\"]",
                2,
                "`namespace`",
            ),
            ("[user_schemes.a]\n\nscheme = []", 3, "unknown field"),
            ("[user_schemes.a]\nschemes = \"*\"", 2, "invalid type"),
            ("\n\n[users.a]", 3, "unknown field"),
            ("[user_schemes", 1, ""),
            ("[user_schemes.a]\n", 1, "missing field `schemes`"),
        ];
        for (text, line, why) in rows {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.why.contains(why), "{text:?}: {error}");
        }
    }
}
