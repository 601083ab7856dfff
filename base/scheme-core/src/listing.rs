//! Directory entries of schemes with a few fixed names.

use syscall::{
    dirent::{DirEntry, DirentBuf, DirentKind},
    error::EINVAL,
};

/// Fills a buffer with the entries behind the `after`-th, of no particular kind; gives its length.
/// `header` is the length of a header that the caller wants.
///
/// # Errors
/// `EINVAL` for a bad header, or a buffer without room for the next entry.
pub fn fill<S: AsRef<str>>(
    buffer: &mut [u8],
    header: u64,
    after: u64,
    names: impl Iterator<Item = S>,
) -> Result<usize, i32> {
    let header = u16::try_from(header).map_err(|_| EINVAL)?;
    let mut entries = DirentBuf::new(buffer, header).ok_or(EINVAL)?;
    let mut any = false;
    for (cookie, name) in (1..).zip(names).filter(|(cookie, _)| *cookie > after) {
        let put = entries.entry(DirEntry {
            inode: cookie,
            next_opaque_id: cookie,
            name: name.as_ref(),
            kind: DirentKind::Unspecified,
        });
        match put {
            Ok(()) => any = true,
            Err(_) if any => break,
            Err(error) => return Err(error.errno),
        }
    }
    Ok(entries.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscall::dirent::{DirentHeader, DirentIter};

    const NAMES: [&str; 3] = ["functions", "00-02.0", "00-03.0"];

    fn list(room: usize) -> Result<std::vec::Vec<std::string::String>, i32> {
        let (mut found, mut after) = (std::vec::Vec::new(), 0);
        loop {
            let mut buffer = std::vec![0; room];
            let header = size_of::<DirentHeader>() as u64;
            let len = fill(&mut buffer, header, after, NAMES.iter())?;
            if len == 0 {
                return Ok(found);
            }
            for entry in DirentIter::new(&buffer[..len]) {
                let (header, name) = entry.unwrap();
                after = header.next_opaque_id;
                let name = name.split(|byte| *byte == 0).next().unwrap();
                found.push(std::string::String::from_utf8(name.to_vec()).unwrap());
            }
        }
    }

    #[test]
    fn a_listing_comes_whole_in_any_pieces() {
        for room in [40, 64, 100, 1000] {
            assert_eq!(list(room).unwrap(), NAMES, "{room}");
        }
        assert_eq!(list(20), Err(EINVAL));
        assert_eq!(fill(&mut [0; 99], 1, 0, NAMES.iter()), Err(EINVAL));
        assert_eq!(fill(&mut [0; 99], 1 << 16, 0, NAMES.iter()), Err(EINVAL));
    }
}
