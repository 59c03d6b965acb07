# shellcheck shell=bash
# The small words that the set-up's other files are written in: messages, the package manager, links.
# Sourced by `setup`, which sets `root`, `tools`, `needs`, `missing_packages` and `missing_names`.

declare -A said

# say NAME TEXT: one line about NAME; the same line is not said twice.
say() {
    [ -z "${said[$1 $2]:-}" ] || return 0
    said[$1 $2]=yes
    printf 'set-up: %-12s %s\n' "$1" "$2" >&2
}
warn() { printf 'set-up: warning: %s\n' "$*" >&2; }
fail() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# Holds a lock for the rest of this process, so that parallel verbs do not install the same thing twice.
serialize() {
    command -v flock >/dev/null || return 0
    exec 9>"$tools/lock"
    flock 9
}

# Fills `needs` with what was asked for and what that asks for in turn, each once, in an order that works.
expand_needs() {
    local wanted=" $* "
    case $wanted in *" clang "*) wanted+="lld wasi-sysroot " ;; esac
    case $wanted in *" rust-wasi "*) wanted+="rust " ;; esac
    needs=()
    local name
    for name in rust rust-wasi lld llvm clang wasi-sysroot qemu go capnp shellcheck linux miri; do
        case $wanted in *" $name "*) needs+=("$name") ;; esac
    done
}

# want NAME PACKAGE...: notes that NAME is missing and that these Debian packages bring it, each once.
want() {
    case " ${missing_names[*]} " in *" $1 "*) return 0 ;; esac
    missing_names+=("$1")
    shift
    local package
    for package in "$@"; do
        case " ${missing_packages[*]} " in *" $package "*) ;; *) missing_packages+=("$package") ;; esac
    done
}

# link NAME PATH: makes target/tools/bin/NAME mean PATH.
link() {
    [ "$(readlink "$tools/bin/$1" 2>/dev/null)" = "$2" ] || ln -sfn "$2" "$tools/bin/$1"
}

# outside NAME: the path of a program as PATH has it without target/tools/bin; fails if there is none.
outside() {
    local directory
    local -a directories
    IFS=: read -ra directories <<<"$PATH"
    for directory in "${directories[@]}" /usr/local/bin /usr/bin; do
        [ "$directory" != "$tools/bin" ] || continue
        if [ -x "$directory/$1" ] && [ ! -d "$directory/$1" ]; then
            printf '%s\n' "$directory/$1"
            return 0
        fi
    done
    return 1
}

# link_first NAME CANDIDATE...: links NAME to the first candidate program that exists; fails if none does.
link_first() {
    local name=$1 candidate path
    shift
    for candidate in "$@"; do
        if path=$(outside "$candidate"); then
            link "$name" "$path"
            return 0
        fi
    done
    rm -f "$tools/bin/$name"
    return 1
}

# Installs `missing_packages`, or says how to and exits.
install_packages() {
    local names
    names=$(printf ', %s' "${missing_names[@]}")
    names=${names#, }
    command -v apt-get >/dev/null || fail_without_apt "$names"
    local command="apt-get install --yes --no-remove --no-install-recommends ${missing_packages[*]}"
    [ "$(id -u)" = 0 ] || fail "missing: $names. Only root may install packages; run this, then try again:
    sudo apt-get update && sudo $command"
    say packages "installing ${missing_packages[*]}"
    local log=$tools/apt.log
    : >"$log"
    lists_are_fresh || update_lists "$log"
    if ! run_apt "$log" && ! { update_lists "$log" && run_apt "$log"; }; then
        tail -n 12 "$log" >&2
        fail "could not install: $names (the whole output is in target/tools/apt.log).
    The command was: $command
    Mend what it complains about, or install these by other means, and try again."
    fi
}

run_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-remove --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing_packages[@]}" >>"$1" 2>&1 </dev/null
}

update_lists() {
    say packages "updating the package lists"
    apt-get update --quiet -o DPkg::Lock::Timeout=300 >>"$1" 2>&1 </dev/null
}

# Package lists that are absent or older than a week are fetched again before anything is installed.
lists_are_fresh() {
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -7 -print -quit 2>/dev/null)" ]
}

fail_without_apt() {
    local command
    if command -v dnf >/dev/null; then
        command="sudo dnf install $(names_in dnf)"
        # Fedora's package brings the installer of rustup, not rustup itself.
        case " ${missing_packages[*]} " in *" rustc-web "*) command+=" && rustup-init -y" ;; esac
    elif command -v pacman >/dev/null; then
        command="sudo pacman -S --needed $(names_in pacman)"
    else
        fail "missing: $1. This machine has none of apt-get, dnf and pacman: install these with what it has, and try again."
    fi
    fail "missing: $1. Run this, then try again:
    $command"
}

# names_in SYSTEM: what Fedora (dnf) and Arch (pacman) call the packages that are missing, each once.
names_in() {
    local package name names=""
    for package in "${missing_packages[@]}"; do
        case $1:$package in
            *:rustc-web) name=rustup ;;
            *:cargo-web | *:rust-web-src | *:rust-web-clippy | *:rustfmt-web) continue ;;
            *:libc6-dev) name=gcc ;;
            *:lld-22 | *:llvm-22 | *:clang-22) name=${package%-22} ;;
            dnf:qemu-system-x86) name=qemu-system-x86-core ;;
            dnf:seabios) name=qboot ;;
            pacman:seabios) name=qemu-system-x86-firmware ;;
            dnf:shellcheck) name=ShellCheck ;;
            pacman:python3-pip) name=python-pip ;;
            *) name=$package ;;
        esac
        names+=" $name"
    done
    printf '%s\n' "${names# }"
}

fail_missing() {
    fail "still missing after the installation: ${missing_names[*]} (see target/tools/apt.log)"
}
