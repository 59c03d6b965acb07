# shellcheck shell=bash
# Where Rust comes from: the pinned toolchain through rustup where that is, else Debian's rustc-web packages.
# Sourced by `setup`. The choice becomes links in target/tools/bin, so every verb and every nested build uses one compiler.

pinned=$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$root/rust-toolchain.toml")
rust_tools=(cargo rustc rustdoc rustfmt cargo-fmt clippy-driver cargo-clippy)
rustup_toolchain=${RUSTUP_HOME:-${HOME:?}/.rustup}/toolchains/$pinned-$(uname -m)-unknown-linux-gnu
rust_packages=(rustc-web cargo-web rust-web-src rust-web-clippy rustfmt-web libc6-dev)
rust_chosen=

need_rust() {
    [ -n "$rust_chosen" ] || choose_rust
    case $rust_chosen in
        rustup) use_rust "$rustup_toolchain/bin" "rustup" ;;
        debian)
            if debian_has_rust; then
                use_rust /usr/bin "Debian's packages"
            elif command -v apt-get >/dev/null; then
                want "rust $pinned" "${rust_packages[@]}"
            else
                want "rust $pinned (through rustup)" "${rust_packages[@]}"
            fi
            ;;
    esac
}

# Programs for wasm32-wasip1 need that target's std: rustup's comes compiled; Debian's is built from source against a
# newer C library than Debian has.
need_rust_wasi() {
    if [ "$rust_chosen" = rustup ]; then
        [ "$1" != look ] || say rust-wasi "compiled std of the toolchain"
        return
    fi
    [ "$1" != look ] || say rust-wasi "std is built from source"
    need_lld "$1"
    need_wasi_sysroot "$1"
}

# rustup is asked to download only when a file is missing: its own check needs the network even if all is there.
choose_rust() {
    case ${RUST_FROM:-} in
        rustup)
            rustup_has_rust || find_rustup >/dev/null || fail "RUST_FROM=rustup, but this machine has no rustup.
    Install it, or use Debian's compiler: RUST_FROM=debian"
            rustup_has_rust || install_with_rustup || fail "rustup could not provide Rust $pinned (see target/tools/rustup.log).
    Mend what it complains about, or use Debian's compiler: RUST_FROM=debian"
            rust_chosen=rustup
            ;;
        debian) rust_chosen=debian ;;
        "")
            if rustup_has_rust; then
                rust_chosen=rustup
            elif [ "$(cat "$tools/rust-from" 2>/dev/null)" = debian ] && debian_has_rust; then
                rust_chosen=debian
            elif install_with_rustup; then
                rust_chosen=rustup
            else
                rust_chosen=debian
            fi
            ;;
        *) fail "RUST_FROM=$RUST_FROM means nothing here; it is debian, rustup, or unset for whichever is there" ;;
    esac
}

rustup_has_rust() {
    local name
    for name in "${rust_tools[@]}"; do
        [ -x "$rustup_toolchain/bin/$name" ] || return 1
    done
    [ -f "$rustup_toolchain/lib/rustlib/src/rust/library/core/src/lib.rs" ] \
        && [ -d "$rustup_toolchain/lib/rustlib/wasm32-wasip1/lib" ] \
        && [ -d "$rustup_toolchain/lib/rustlib/x86_64-unknown-none/lib" ]
}

# The path of rustup, which may be installed without being in PATH.
find_rustup() {
    outside rustup && return
    local installed=${CARGO_HOME:-$HOME/.cargo}/bin/rustup
    [ -x "$installed" ] && printf '%s\n' "$installed"
}

install_with_rustup() {
    local rustup
    rustup=$(find_rustup) || return 1
    say rust "installing $pinned with rustup"
    if timeout 1200 "$rustup" toolchain install "$pinned" --no-self-update --profile minimal \
        -c rust-src,clippy,rustfmt -t wasm32-wasip1,x86_64-unknown-none \
        >"$tools/rustup.log" 2>&1 </dev/null && rustup_has_rust; then
        return 0
    fi
    warn "rustup did not provide Rust $pinned: $(grep -m 1 '^error' "$tools/rustup.log" || echo 'see target/tools/rustup.log')"
    return 1
}

debian_has_rust() {
    local name
    for name in "${rust_tools[@]}"; do
        [ -x "/usr/bin/$name" ] || return 1
    done
    [ -f /usr/lib/rustlib/src/rust/library/core/src/lib.rs ] && command -v cc >/dev/null
}

# use_rust DIRECTORY ORIGIN: links the compiler of DIRECTORY, and refuses versions that nobody has tried.
use_rust() {
    local name version
    for name in "${rust_tools[@]}"; do
        link "$name" "$1/$name"
    done
    printf '%s\n' "$rust_chosen" >"$tools/rust-from"
    version=$("$1/rustc" --version) || fail "$1/rustc does not run: $version"
    version=${version#rustc }
    version=${version%% *}
    case $version in
        "$pinned") ;;
        1.95.* | 1.96.* | 1.97.*)
            warn "Rust $version is used; $pinned is the pinned one, so figures are printed and not gated" ;;
        *) fail "Rust $version from $1 is not supported: 1.95 to 1.97 are, and $pinned is pinned. Install that with rustup." ;;
    esac
    say rust "$version ($2)"
}

# The nightly with Miri, beside the pinned compiler and never instead of it; tools/test/src/miri.rs looks for the same.
miri_nightly=nightly-2026-06-01

need_miri() {
    local folder rustup
    folder=${RUSTUP_HOME:-$HOME/.rustup}/toolchains/$miri_nightly-x86_64-unknown-linux-gnu
    if ! [ -x "$folder/bin/cargo-miri" ] || ! [ -d "$folder/lib/rustlib/src/rust/library/core" ]; then
        rustup=$(find_rustup) || fail "Miri needs a nightly compiler, and this machine has no rustup. Install that."
        say miri "installing $miri_nightly with rustup"
        timeout 1200 "$rustup" toolchain install "$miri_nightly" --no-self-update --profile minimal -c miri,rust-src \
            >"$tools/rustup.log" 2>&1 </dev/null || fail "rustup did not provide $miri_nightly (see target/tools/rustup.log)"
    fi
    say miri "$miri_nightly"
}
