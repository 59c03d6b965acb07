//! Tells the linker where the stage's sections go.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo::rustc-link-arg-bins=-T{folder}/../targets/boot.ld");
    println!("cargo::rerun-if-changed=../targets/boot.ld");
}
