//! The lists of contexts, as the kernel's `sys` scheme has them.

/// A line of `/scheme/sys/context`.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its process; 0 for a server of the kernel's.
    pub pid: u32,
    /// Whether it has ended.
    pub ended: bool,
    /// Its program.
    pub name: &'a str,
}

/// The contexts of `/scheme/sys/context`.
pub fn listed(text: &str) -> impl Iterator<Item = Listed<'_>> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let pid = words.next()?.parse().ok()?;
        let state = words.nth(3)?;
        Some(Listed {
            pid,
            ended: state.contains('Z'),
            name: words.next_back()?,
        })
    })
}

/// A line of `/scheme/sys/waits`.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// Its process.
    pub pid: u32,
    /// What it waits for.
    pub wait: &'a str,
    /// Its program.
    pub name: &'a str,
}

/// The contexts of `/scheme/sys/waits`.
pub fn waiting(text: &str) -> impl Iterator<Item = Waiting<'_>> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some(Waiting {
            pid: words.next()?.parse().ok()?,
            wait: words.next()?,
            name: words.next().unwrap_or(""),
        })
    })
}
