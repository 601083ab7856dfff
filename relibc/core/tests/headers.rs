//! The C headers: they compile on their own and together without a warning, and every function they
//! declare is defined in `relibc/libc`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join(name)
}

fn files(root: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, out);
        } else if path.extension().is_some_and(|e| e == extension) {
            out.push(path);
        }
    }
}

fn headers() -> Vec<String> {
    let root = folder("include");
    let mut list = Vec::new();
    files(&root, "h", &mut list);
    let mut names: Vec<String> = list
        .iter()
        .map(|p| p.strip_prefix(&root).unwrap().to_str().unwrap().to_string())
        .filter(|n| !n.starts_with("bits/"))
        .collect();
    names.sort();
    names
}

/// Functions declared: a name before a parenthesis at the outermost level of a declaration.
fn declared() -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for header in headers() {
        let text = std::fs::read_to_string(folder("include").join(&header)).unwrap();
        let mut code = String::new();
        let mut continued = false;
        for line in text.lines() {
            let directive = continued || line.trim_start().starts_with('#');
            continued = directive && line.ends_with('\\');
            if !directive && !line.starts_with("/*") && !line.starts_with("extern \"C\"") {
                code += line;
                code.push('\n');
            }
        }
        for statement in code.split(';') {
            // Bodies of structures have no functions; what follows the last brace counts.
            let statement = statement.rsplit(['{', '}']).next().unwrap();
            let mut statement = statement.replace("__noreturn_c", "").trim().to_string();
            while let Some(rest) = statement.strip_prefix("__attribute__((") {
                statement = rest
                    .split_once("))")
                    .map_or("", |(_, r)| r)
                    .trim_start_matches(')')
                    .trim()
                    .to_string();
            }
            if ["typedef", "extern", "static"]
                .iter()
                .any(|w| statement.starts_with(w))
            {
                continue;
            }
            // `void (*signal(int, …))(int)` declares what stands after the star.
            let head = statement
                .split_once("(*")
                .filter(|(before, _)| !before.contains('('))
                .map_or(statement.as_str(), |(_, inner)| inner);
            let Some((before, _)) = head.split_once('(') else {
                continue;
            };
            let name: String = before
                .chars()
                .rev()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            let compilers = name.starts_with("__builtin") || name == "_Alignas" || name == "sizeof";
            if !name.is_empty() && !compilers {
                out.insert(name);
            }
        }
    }
    out
}

/// Functions defined: `fn name` within the C ABI crate, whose macros all use that form.
fn defined() -> BTreeSet<String> {
    let mut list = Vec::new();
    files(&folder("libc/src"), "rs", &mut list);
    let mut out: BTreeSet<String> = [
        "memcpy",
        "memmove",
        "memset",
        "memcmp",
        "bcmp",
        "strlen",
        "nearbyintl",
        "nexttoward",
        "nexttowardf",
        "strtold",
        "wcstold",
        "setjmp",
        "_setjmp",
        "longjmp",
        "_longjmp",
        "sigsetjmp",
        "siglongjmp",
    ]
    .map(String::from)
    .into();
    for path in list {
        let text = std::fs::read_to_string(path).unwrap();
        let mut rest = text.as_str();
        while let Some((_, tail)) = rest.split_once("fn ") {
            let name: String = tail
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            out.insert(name);
            rest = tail;
        }
    }
    out
}

#[test]
fn every_declared_function_is_defined() {
    let (declared, defined) = (declared(), defined());
    assert!(
        declared.len() > 1000,
        "only {} declarations found",
        declared.len()
    );
    let missing: Vec<_> = declared.difference(&defined).collect();
    assert!(missing.is_empty(), "declared, not defined:\n{missing:#?}");
}

#[test]
fn every_declared_variable_is_defined() {
    let mut sources = Vec::new();
    files(&folder("libc/src"), "rs", &mut sources);
    let text: String = sources
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut declared = BTreeSet::new();
    for header in headers() {
        let text = std::fs::read_to_string(folder("include").join(&header)).unwrap();
        let variables = text.lines().filter_map(|line| {
            line.strip_prefix("extern ")
                .filter(|rest| !rest.starts_with('"'))
        });
        declared.extend(variables.map(|rest| {
            let end = rest.find(['[', ';']).unwrap();
            let name = rest[..end].rsplit([' ', '*']).next().unwrap();
            name.to_string()
        }));
    }
    assert!(declared.len() > 10, "only {declared:?} found");
    let missing: Vec<_> = declared
        .iter()
        .filter(|name| {
            !text.contains(&format!("pub static {name}:"))
                && !text.contains(&format!("pub static mut {name}:"))
        })
        .collect();
    assert!(missing.is_empty(), "declared, not defined: {missing:?}");
}

fn compile(compiler: &str, standard: &str, suffix: &str, source: &str) {
    let path = std::env::temp_dir().join(format!(
        "relibc-headers-{}-{standard}.{suffix}",
        std::process::id()
    ));
    std::fs::write(&path, source).unwrap();
    let output = Command::new(compiler)
        .args([
            "--target=x86_64-unknown-none-elf",
            "-nostdinc",
            "-ffreestanding",
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Werror",
            "-fsyntax-only",
        ])
        .arg(format!("-std={standard}"))
        .arg("-I")
        .arg(folder("include"))
        .arg(&path)
        .output();
    std::fs::remove_file(&path).unwrap();
    let output = output.unwrap_or_else(|e| panic!("{compiler}: {e} (make deps installs it)"));
    assert!(
        output.status.success(),
        "{compiler} {standard}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn headers_compile_without_a_warning() {
    let all: String = headers()
        .iter()
        .map(|h| format!("#include <{h}>\n"))
        .collect::<String>()
        + "int translated;\n";
    compile("clang", "c11", "c", &all);
    compile("clang++", "c++17", "cc", &all);
    for header in headers() {
        compile(
            "clang",
            "c11",
            "c",
            &format!("#include <{header}>\n#include <{header}>\nint translated;\n"),
        );
    }
}

#[test]
fn types_have_the_sizes_of_the_abi() {
    let assertions: String = [
        ("struct stat", 144),
        ("struct dirent", 280),
        ("struct timespec", 16),
        ("struct timeval", 16),
        ("struct tm", 56),
        ("struct sigaction", 32),
        ("siginfo_t", 48),
        ("stack_t", 24),
        ("struct termios", 60),
        ("pthread_attr_t", 32),
        ("pthread_mutex_t", 12),
        ("pthread_cond_t", 8),
        ("pthread_rwlock_t", 4),
        ("pthread_barrier_t", 24),
        ("pthread_mutexattr_t", 20),
        ("sem_t", 8),
        ("fd_set", 128),
        ("struct epoll_event", 24),
        ("struct sockaddr_storage", 128),
        ("struct sockaddr_un", 110),
        ("struct utsname", 390),
        ("struct statvfs", 88),
        ("struct rusage", 144),
        ("struct passwd", 48),
        ("struct group", 32),
        ("struct msghdr", 56),
        ("struct addrinfo", 48),
        ("mcontext_t", 864),
        ("wchar_t", 4),
        ("mbstate_t", 8),
        ("struct sockaddr_in6", 28),
        ("struct itimerval", 32),
        ("struct tms", 32),
        ("struct pollfd", 8),
        ("sigset_t", 8),
        ("off_t", 8),
        ("mode_t", 4),
    ]
    .iter()
    .map(|(t, n)| format!("_Static_assert(sizeof({t}) == {n}, \"{t}\");\n"))
    .collect();
    let all: String = headers()
        .iter()
        .map(|h| format!("#include <{h}>\n"))
        .collect();
    compile(
        "clang",
        "gnu11",
        "c",
        &(all + &assertions + "int translated;\n"),
    );
}

/// Words in the code of the guest's C tests, macros expanded: what stands in their own lines.
fn called() -> BTreeSet<String> {
    let tests = folder("../tests/guest/c");
    let mut sources = Vec::new();
    files(&tests, "c", &mut sources);
    let mut out = BTreeSet::new();
    for source in sources {
        let output = Command::new("clang")
            .args([
                "--target=x86_64-unknown-none-elf",
                "-nostdinc",
                "-ffreestanding",
            ])
            .args(["-std=gnu11", "-D_GNU_SOURCE", "-E", "-I"])
            .arg(folder("include"))
            .arg(&source)
            .output()
            .unwrap_or_else(|e| panic!("clang: {e} (make deps installs it)"));
        assert!(
            output.status.success(),
            "{}:\n{}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut own = false;
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            if let Some(marker) = line.strip_prefix("# ") {
                own = marker.contains("/tests/guest/c/");
                continue;
            }
            if own {
                // What is said in a string is not called.
                let code: String = line.split('"').step_by(2).collect();
                let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
                out.extend(words.map(String::from));
            }
        }
    }
    out
}

#[test]
fn every_declared_function_is_called_by_a_test() {
    let (declared, called) = (declared(), called());
    let missing: Vec<_> = declared.difference(&called).collect();
    assert!(
        missing.is_empty(),
        "no program of tests/guest/c calls {} of {} functions:\n{missing:?}",
        missing.len(),
        declared.len()
    );
}
