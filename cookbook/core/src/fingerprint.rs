//! What a build depends on, as one hash.

use std::fmt;

/// Collects what a build depends on. Everything has a name and a length, so that no two different
/// collections make the same bytes.
#[derive(Clone, Debug)]
pub struct Builder(blake3::Hasher);

/// The hash of what was collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(blake3::Hash);

impl Builder {
    /// Nothing yet; `domain` keeps fingerprints of different things apart.
    pub fn new(domain: &str) -> Self {
        let mut builder = Self(blake3::Hasher::new());
        builder.field(domain.as_bytes());
        builder
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds a part.
    pub fn part(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.field(name.as_bytes());
        self.field(value.as_ref());
        self
    }

    /// The hash.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.0.finalize())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_confused() {
        let hash = |domain: &str, parts: &[(&str, &str)]| {
            let mut builder = Builder::new(domain);
            for (name, value) in parts {
                builder.part(name, value);
            }
            builder.finish().to_string()
        };
        let all = [
            hash("a", &[]),
            hash("b", &[]),
            hash("a", &[("x", "")]),
            hash("a", &[("", "x")]),
            hash("a", &[("x", "y")]),
            hash("a", &[("xy", "")]),
            hash("a", &[("x", "y"), ("z", "")]),
            hash("a", &[("x", ""), ("y", "z")]),
            hash("a", &[("z", ""), ("x", "y")]),
        ];
        for (i, first) in all.iter().enumerate() {
            assert_eq!(first.len(), 64);
            for second in &all[i + 1..] {
                assert_ne!(first, second);
            }
        }
        assert_eq!(hash("a", &[("x", "y")]), hash("a", &[("x", "y")]));
    }
}
