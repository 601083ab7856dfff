use super::*;

fn parse(text: &str) -> Result<Recipe, FormatError> {
    Recipe::parse(Path::new("r/recipe.toml"), text)
}

fn names(names: &[&str]) -> Vec<PackageName> {
    names
        .iter()
        .map(|n| PackageName::new(*n).unwrap())
        .collect()
}

#[test]
fn origins() {
    let sum = "ab".repeat(32);
    let rows: &[(&str, Origin)] = &[
        (
            "git = 'https://x/y.git'\nbranch = 'b'\nrev = 'r'\nupstream = 'u'\nshallow_clone = true",
            Origin::Git {
                url: "https://x/y.git".into(),
                branch: Some("b".into()),
                rev: Some("r".into()),
            },
        ),
        (
            "tar = 'https://x/y-1.2.tar.gz'",
            Origin::Tar {
                url: "https://x/y-1.2.tar.gz".into(),
                blake3: None,
            },
        ),
        (
            &format!("crate = 'sd'\nversion = '1.0.0'\nsha256 = '{sum}'"),
            Origin::Crate {
                name: "sd".into(),
                version: "1.0.0".into(),
                sha256: Some(sum.clone()),
            },
        ),
        (
            "debian = 'dash'\nversion = '0.5.12'",
            Origin::Debian {
                name: "dash".into(),
                version: "0.5.12".into(),
                sha256: None,
            },
        ),
        ("same_as = '../x'", Origin::SameAs("../x".into())),
        (
            "path = '../..'\ninputs = ['a', 'b/c']",
            Origin::Path {
                path: "../..".into(),
                inputs: vec!["a".into(), "b/c".into()],
            },
        ),
    ];
    for (text, origin) in rows {
        let recipe = parse(&format!("[source]\n{text}\n")).unwrap();
        assert_eq!(&recipe.source.unwrap().origin, origin, "{text}");
    }
}

#[test]
fn templates() {
    let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
    let rows: &[(&str, Template)] = &[
        ("", Template::None),
        ("template = 'none'", Template::None),
        ("template = 'remote'", Template::Remote),
        (
            "template = 'cargo'\npackage_path = 'cli'\ncargoflags = '--no-default-features  --bin x'",
            Template::Cargo {
                path: Some("cli".into()),
                flags: list(&["--no-default-features", "--bin", "x"]),
                packages: vec![],
                examples: vec![],
            },
        ),
        (
            "template = 'cargo'\ncargoflags = ['--a b']\ncargopackages = ['p']\ncargoexamples = ['e']",
            Template::Cargo {
                path: None,
                flags: list(&["--a b"]),
                packages: list(&["p"]),
                examples: list(&["e"]),
            },
        ),
        (
            "template = 'configure'\nconfigureflags = ['--x']",
            Template::Configure {
                flags: list(&["--x"]),
            },
        ),
        (
            "template = 'cmake'\ncmakeflags = ['-DX=1']",
            Template::Cmake {
                flags: list(&["-DX=1"]),
            },
        ),
        (
            "template = 'meson'\nmesonflags = ['-Dx=1']",
            Template::Meson {
                flags: list(&["-Dx=1"]),
            },
        ),
        (
            "template = 'custom'\nscript = 'make'",
            Template::Custom {
                script: "make".into(),
            },
        ),
    ];
    for (text, template) in rows {
        assert_eq!(
            &parse(&format!("[build]\n{text}\n")).unwrap().template,
            template,
            "{text}"
        );
    }
}

#[test]
fn the_rest() {
    let recipe = parse(
        "[build]\ndependencies = ['zlib', 'host:autoconf']\ndev-dependencies = ['x']\n\
         [package]\ndependencies = ['a']\nversion = '7'\ndescription = 'd'\nshared_deps = ['b']\n\
         [[optional-packages]]\nname = 'dev'\nfiles = ['usr/include/**']\n",
    )
    .unwrap();
    assert_eq!(
        recipe.build_dependencies,
        names(&["zlib", "host:autoconf", "x"])
    );
    assert_eq!(recipe.run_dependencies, names(&["a"]));
    assert_eq!(recipe.version.as_deref(), Some("7"));
    assert_eq!(recipe.optional[0].name, "dev");
}

#[test]
fn versions() {
    let rows = [
        ("tar = 'https://x.org/a/libogg-1.3.3.tar.xz'", Some("1.3.3")),
        ("tar = 'https://x.org/v2.0/thing.tar.xz'", None),
        ("tar = 'https://x.org/a5.tar.xz'", None),
        ("crate = 'a'\nversion = '0.1.2-rc1'", Some("0.1.2-rc1")),
        ("path = '.'", None),
    ];
    for (text, version) in rows {
        let recipe = parse(&format!("[source]\n{text}\n")).unwrap();
        assert_eq!(recipe.version.as_deref(), version, "{text}");
    }
}

/// Every error names its line and the key.
#[test]
fn errors() {
    let rows = [
        ("[source]\n\ntaR = 'x'", 3, "unknown field `taR`"),
        ("[sorce]\n", 1, "unknown field `sorce`"),
        ("[build]\ntemplate = 'crago'", 2, "unknown template `crago`"),
        ("[build]\ntemplate = 'custom'", 2, "needs a `script`"),
        (
            "[build]\ntemplate = 'cargo'\nconfigureflags = []",
            3,
            "`configureflags` has no meaning",
        ),
        (
            "[build]\nscript = 'x'",
            2,
            "`script` has no meaning with template `none`",
        ),
        ("[source]\n", 1, "says no origin"),
        (
            "[source]\npath = '.'\ntar = 'x'",
            3,
            "two origins, `path` and `tar`",
        ),
        (
            "[source]\npath = '.'\nrev = 'x'",
            3,
            "`rev` has no meaning with `path`",
        ),
        (
            "[source]\npath = '.'\npatches = []",
            3,
            "`patches` has no meaning",
        ),
        ("[source]\ncrate = 'x'", 2, "needs a `version`"),
        (
            "[source]\ncrate = '../x'\nversion = '1'",
            2,
            "no name or version",
        ),
        (
            "[source]\ntar = 'x'\nblake3 = 'xyz'",
            3,
            "64 hexadecimal digits",
        ),
        ("[build]\ndependencies = ['a/b']", 2, "a/b"),
        ("[package]\nversion = 1", 2, "invalid type"),
        (
            "[[optional-packages]]\nname = 'x'\nfile = []",
            3,
            "unknown field `file`",
        ),
        ("a = \n", 1, ""),
    ];
    for (text, line, message) in rows {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.to_string().starts_with("r/recipe.toml:"));
    }
}
