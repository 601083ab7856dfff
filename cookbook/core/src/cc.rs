//! The C compiler's command line.
//!
//! clang is both compiler and driver. It knows no target `x86_64-unknown-redox` that it could link for, so
//! it is told of one that it can (ELF, x86-64, static, another C library than the host's), without
//! the macros that would make a program believe it is on Linux, and with our headers and library only.
//! Everything that a caller says stays in its order; only what would make something else than a static
//! program is refused or dropped.

/// What is to be done with a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Run clang with these arguments.
    Run(Vec<String>),
    /// Print this line and end.
    Print(String),
    /// Print this complaint and fail.
    Refuse(String),
}

/// Flags that every call begins with. A target of Linux with musl is the nearest relative that clang
/// can link for by itself.
const BASE: [&str; 15] = [
    "--target=x86_64-unknown-linux-musl",
    "-U__linux__",
    "-U__linux",
    "-Ulinux",
    "-U__gnu_linux__",
    "-D__redox__=1",
    "-Qunused-arguments",
    "-nostdlibinc",
    "-fno-pic",
    "-fno-pie",
    "-fno-stack-protector",
    "-funwind-tables",
    "-mcmodel=small",
    "-fuse-ld=lld",
    "-static",
];

/// Flags for linking, in front of everything that the caller says.
const LINK: [&str; 6] = [
    "-no-pie",
    "-nostdlib",
    "-Wl,--gc-sections",
    "-Wl,--eh-frame-hdr",
    "-Wl,-z,norelro",
    "-Wl,-e,_start",
];

/// Every flag that calls begin with: what they make depends on these.
pub fn flags() -> impl Iterator<Item = &'static str> {
    BASE.into_iter().chain(LINK)
}

/// Flags whose value is the next word, so that the value is not taken for an input.
const TAKES_VALUE: [&str; 24] = [
    "-o",
    "-I",
    "-D",
    "-U",
    "-L",
    "-l",
    "-T",
    "-z",
    "-u",
    "-e",
    "-x",
    "-include",
    "-imacros",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-MF",
    "-MT",
    "-MQ",
    "-Xlinker",
    "-Xclang",
    "-Xpreprocessor",
    "-Xassembler",
    "-arch",
];

/// What to do with `args`, the words behind the compiler's name, of which those that name a response file
/// are replaced by what is in it. `sysroot` has `include` and `lib`; `map` is where files are said to be,
/// as `FROM=TO` with colons between.
pub fn plan(args: &[String], sysroot: &str, map: &str) -> Plan {
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("-dumpmachine") {
        return Plan::Print("x86_64-unknown-redox".to_owned());
    }
    if let Some(flag) = args
        .iter()
        .find(|arg| ["-shared", "-pie", "-static-pie"].contains(&arg.as_str()))
    {
        return Plan::Refuse(format!(
            "{flag}: programs of this system are static: there are no shared objects and no loader for them"
        ));
    }
    let mut inputs = false;
    let mut value = false;
    for arg in args {
        if value {
            value = false;
        } else if TAKES_VALUE.contains(&arg.as_str()) {
            value = true;
        } else if arg == "-" || !arg.starts_with('-') {
            inputs = true;
        }
    }
    let stops = ["-c", "-S", "-E", "-M", "-MM", "-fsyntax-only"];
    let links = inputs && !stops.iter().any(|flag| has(flag));
    let mut words: Vec<String> = BASE.iter().map(|word| (*word).to_owned()).collect();
    words.push(format!("--sysroot={sysroot}"));
    words.push(format!("--gcc-toolchain={sysroot}/none"));
    if !has("-nostdinc") {
        words.push(format!("-isystem{sysroot}/include"));
    }
    for pair in map.split(':').filter(|pair| !pair.is_empty()) {
        words.push(format!("-ffile-prefix-map={pair}"));
    }
    let whole = links && !has("-r");
    if links {
        // A relocatable object keeps everything, and has no entry.
        let flags = LINK.iter().filter(|flag| whole || !flag.starts_with("-Wl"));
        words.extend(flags.map(|word| (*word).to_owned()));
    }
    let dropped = [
        "-rdynamic",
        "-pthread",
        "-fPIC",
        "-fpic",
        "-fPIE",
        "-fpie",
        "-static",
        "-no-pie",
    ];
    words.extend(
        args.iter()
            .filter(|arg| !dropped.contains(&arg.as_str()))
            .cloned(),
    );
    if whole && !has("-nostdlib") && !has("-nodefaultlibs") {
        words.push(format!("-L{sysroot}/lib"));
        words.push("-lc".to_owned());
    }
    Plan::Run(words)
}

/// The words of a response file: between blanks, with quotes and backslashes as compilers read them.
pub fn response(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Vec<String> {
        match plan(&response(line), "/s", "/a=/b:/c=/d") {
            Plan::Run(words) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn has(words: &[String], word: &str) -> bool {
        words.iter().any(|w| w == word)
    }

    #[test]
    fn what_links() {
        let rows = [
            ("x.c", true),
            ("x.c -o x -lm", true),
            ("x.o y.o libz.a", true),
            ("-x c -", true),
            ("-c x.c", false),
            ("x.c -c -o x.o", false),
            ("-E x.c", false),
            ("-S x.c", false),
            ("-M x.c", false),
            ("-MM x.c", false),
            ("-fsyntax-only x.c", false),
            ("-MD -MF x.d x.c", true),
            ("--version", false),
            ("-v", false),
            ("-print-search-dirs", false),
            ("-print-file-name=libc.a", false),
            // Values are no inputs.
            ("-o x", false),
            ("-include x.h -L y", false),
        ];
        for (line, links) in rows {
            let words = run(line);
            assert_eq!(has(&words, "-lc"), links, "{line}");
            assert_eq!(has(&words, "-nostdlib"), links, "{line}");
            assert!(has(&words, "-isystem/s/include"), "{line}");
            assert!(has(&words, "-ffile-prefix-map=/c=/d"), "{line}");
        }
    }

    #[test]
    fn special() {
        let words = run("-r x.o y.o -o z.o");
        assert!(
            has(&words, "-nostdlib") && !has(&words, "-lc") && !has(&words, "-Wl,--gc-sections")
        );
        let words = run("-nostdlib x.c");
        assert!(!has(&words, "-lc"));
        let words = run("-nostdinc -c x.c");
        assert!(!has(&words, "-isystem/s/include"));
        let words = run("-fPIC -pthread -rdynamic x.c");
        assert!(!has(&words, "-fPIC") && !has(&words, "-pthread") && !has(&words, "-rdynamic"));
        for flag in ["-shared", "-pie", "-static-pie"] {
            let plan = plan(&response(&format!("{flag} x.o")), "/s", "");
            assert!(
                matches!(&plan, Plan::Refuse(why) if why.starts_with(flag)),
                "{plan:?}"
            );
        }
        let plan = plan(&response("-dumpmachine"), "/s", "");
        assert_eq!(plan, Plan::Print("x86_64-unknown-redox".into()));
    }

    /// What the caller says stays in its order, and libraries come behind it.
    #[test]
    fn order() {
        let words = run("a.o -Wl,--start-group -lx b.o -Wl,--end-group -la c.c -lx");
        let at = |word: &str| words.iter().position(|w| w == word).unwrap();
        let order = [
            "a.o",
            "-Wl,--start-group",
            "b.o",
            "-Wl,--end-group",
            "-la",
            "c.c",
            "-lc",
        ];
        for pair in order.windows(2) {
            assert!(at(pair[0]) < at(pair[1]), "{words:?}");
        }
        assert_eq!(words.iter().filter(|w| *w == "-lx").count(), 2);
    }

    #[test]
    fn response_files() {
        let rows: &[(&str, &[&str])] = &[
            ("", &[]),
            (" a  b\n\tc ", &["a", "b", "c"]),
            ("'a b' \"c d\" e\\ f", &["a b", "c d", "e f"]),
            (r#""a\"b" 'c\d'"#, &["a\"b", r"c\d"]),
            ("'' x", &["", "x"]),
            (r"-DX=\'1\'", &["-DX='1'"]),
            ("a\\", &["a"]),
        ];
        for (text, words) in rows {
            assert_eq!(&response(text), words, "{text}");
        }
    }
}
