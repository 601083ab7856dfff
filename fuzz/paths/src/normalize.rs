//! Any text as a path and as the current directory: normal forms are normal, and `getcwd` answers
//! what it was told or nothing.
#![no_main]

use cwd_cap::{Cwd, Path, normalize, split_last};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str, &str)| {
    let (bytes, start, path) = input;
    if let Ok(path) = Path::new(bytes) {
        let (before, _, _) = split_last(path);
        assert!(path.as_str().starts_with(before));
    }
    if let Ok(text) = normalize(path) {
        assert_eq!(normalize(&text).as_deref(), Ok(&*text));
        let plain = |name: &str| !matches!(name, "" | "." | "..");
        assert!(text == "/" || text.split('/').skip(1).all(plain));
    }
    let mut cwd = Cwd::new((), Some(start));
    cwd.chdir((), path);
    let mut buf = [0; 4097];
    if let Ok(len) = cwd.getcwd(&mut buf) {
        let text = std::str::from_utf8(&buf[..len - 1]).expect("text of a path");
        assert_eq!(normalize(text).as_deref(), Ok(text));
    }
});
