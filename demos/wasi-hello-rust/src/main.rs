//! The smallest honest Rust program: nothing in it knows of capOS.
#![forbid(unsafe_code)]

fn main() {
    println!("Hello from WASI on capOS");
}
