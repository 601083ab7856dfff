//! Errors in files that people write.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct FormatError {
    /// Which file.
    pub file: PathBuf,
    /// Where in it, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl FormatError {
    /// An error at the byte `span` of `text`; without a span, at the beginning.
    pub fn new(
        file: &Path,
        text: &str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
    ) -> Self {
        let start = span.map_or(0, |span| span.start);
        let before = text.as_bytes().iter().take(start);
        Self {
            file: file.to_owned(),
            line: before.filter(|byte| **byte == b'\n').count() + 1,
            message: message.into(),
        }
    }

    /// What the parser says, with its place.
    pub fn toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        // The parser's message may go on with hints on further lines.
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        Self::new(file, text, error.span(), message)
    }
}
