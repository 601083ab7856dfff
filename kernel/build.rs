//! Tells the linker where the kernel's layout is.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg-bins=-T{folder}/linker.ld");
    println!("cargo:rerun-if-changed=linker.ld");
}
