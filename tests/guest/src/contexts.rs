//! The list of contexts, as `/scheme/sys/context` has it.

/// A context, by its line.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its process; 0 for a server of the kernel's.
    pub pid: u32,
    /// Where it is in its life.
    pub status: &'a str,
    /// What it waits for.
    pub wait: &'a str,
    /// Its program.
    pub name: &'a str,
}

/// The contexts of a text.
pub fn listed(text: &str) -> impl Iterator<Item = Listed<'_>> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let pid = words.next()?.parse().ok()?;
        let mut words = words.skip(2);
        let (status, wait) = (words.next()?, words.next()?);
        let name = words.next().unwrap_or("");
        Some(Listed {
            pid,
            status,
            wait,
            name,
        })
    })
}
