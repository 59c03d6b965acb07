//! What reaches QEMU and what reaches the image: the machine, the parts, and what is printed instead of a run.

use std::fs;

use capos_abi::image::Image;
use capos_cli::image::{NamedPart, write};
use capos_manifest_model::decode;

use crate::support::{MODULE, Tree, outcome, shown};

/// A machine that keeps the image and ends well.
const KEEPS: &str = "while [ $# -gt 0 ]; do
    if [ \"$1\" = -initrd ]; then cat \"$2\" > $here/image; fi
    shift
done
cat $here/outcome >&$control; exit 33";

fn keeps() -> Tree {
    let tree = Tree::with_emulator(KEEPS);
    tree.give("outcome", &outcome(0, 0, ""));
    tree
}

fn run(tree: &Tree, arguments: &[&str]) {
    let shown = tree.run(arguments);
    assert_eq!((shown.status, &*shown.stderr), (0, ""), "{arguments:?}");
}

/// Makes of the image that was passed beside the prepared system one that is whole by itself, as `capos build` does.
fn keep_whole(tree: &Tree, name: &str) {
    let part = |name: &str, contents: &[u8]| NamedPart { name: name.to_owned(), contents: contents.to_vec() };
    let prepared = [
        ("kernel", "kernel.elf"),
        ("init", "init.elf"),
        ("virtio-console", "virtio-console.elf"),
        ("virtio-rng", "virtio-rng.elf"),
        ("capos-wasm", "capos-wasm.elf"),
    ];
    let read = |file| fs::read(tree.path("lib/capos").join(file)).unwrap();
    let mut parts: Vec<NamedPart> = prepared.iter().map(|(name, file)| part(name, &read(file))).collect();
    let bytes = fs::read(tree.path("path/image")).unwrap();
    let image = Image::parse(&bytes).unwrap();
    parts.extend(image.parts().map(|it| part(it.name, image.contents(&it))));
    let mut whole = Vec::new();
    write(&parts, &mut whole).unwrap();
    fs::write(tree.path("work").join(name), whole).unwrap();
}

#[test]
fn every_device_is_named() {
    let tree = keeps();
    run(&tree, &["app.wasm"]);
    let boot = tree.path("lib/capos/system.pvh");
    let line = tree.arguments().join(" ");
    let digits =
        |text: &str| text.chars().map(|it| if it.is_ascii_digit() { '#' } else { it }).collect::<String>();
    let expected = "-M microvm,x-option-roms=off,pit=off,pic=off,rtc=on,isa-serial=off,acpi=on,auto-kernel-cmdline=off \
        -global virtio-mmio.force-legacy=false -accel tcg -cpu max -m 512M -nodefaults -no-user-config -display none \
        -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 -chardev socket,id=log,fd=7 \
        -device isa-debugcon,iobase=0xe9,chardev=log -device virtio-serial-device,max_ports=3,bus=virtio-mmio-bus.23 \
        -device virtio-rng-device,bus=virtio-mmio-bus.15 -chardev socket,id=output,fd=7 \
        -device virtserialport,name=org.capos.output,chardev=output -chardev socket,id=control,fd=7 \
        -device virtserialport,name=org.capos.control,chardev=control -kernel BOOT -initrd /proc/self/fd/7";
    let shown = digits(&line.replace(&boot.display().to_string(), "BOOT")).replace("##", "#");
    assert_eq!(shown, digits(expected).replace("##", "#"));
}

#[test]
fn the_second_machine_has_pci() {
    let tree = keeps();
    run(&tree, &["--machine", "q35", "app.wasm"]);
    let line = tree.arguments().join(" ");
    for part in
        ["-M q35 -bios qboot.rom", "virtio-serial-pci,max_ports=3,disable-legacy=on", "virtio-rng-pci"]
    {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[test]
fn what_tests_add_comes_last() {
    let tree = keeps();
    run(
        &tree,
        &[
            "--cpu",
            "max,-rdrand",
            "--seed",
            "7",
            "--qemu-arg",
            "-icount",
            "--qemu-argument=shift=0",
            "app.wasm",
        ],
    );
    assert!(tree.arguments().join(" ").ends_with("-cpu max,-rdrand -seed 7 -icount shift=0"));
}

#[test]
fn memory_grows_with_the_limit() {
    let tree = keeps();
    run(&tree, &["--memory", "600M", "app.wasm"]);
    let arguments = tree.arguments();
    let at = arguments.iter().position(|word| word == "-m").unwrap();
    let megabytes: u64 = arguments[at + 1].trim_end_matches('M').parse().unwrap();
    assert!(megabytes >= 600 + 128, "{megabytes}");
}

#[test]
fn the_image_has_what_the_options_say() {
    let tree = keeps();
    let options = [
        "--env",
        "A=1",
        "--env",
        "B=x=y",
        "--env",
        "A=2",
        "--fuel",
        "99",
        "--memory",
        "64M",
        "--timeout",
        "2.5",
        "--argv0",
        "me",
        "--deny",
        "timer,stderr",
        "--kernel-option",
        "key=value",
        "app.wasm",
        "--",
        "-v",
        "two words",
        "",
    ];
    run(&tree, &options);
    let bytes = fs::read(tree.path("path/image")).unwrap();
    let image = Image::parse(&bytes).unwrap();
    // What was prepared is not passed again.
    let parts: Vec<&str> = image.parts().map(|part| part.name).collect();
    assert_eq!(parts, ["manifest", "options", "module/app"]);
    assert_eq!(image.verify("options").unwrap(), b"key=value\n");
    let system = decode(image.verify("manifest").unwrap()).unwrap();
    let [process, drivers @ ..] = &system.processes[..] else { panic!("{system:?}") };
    let drivers: Vec<&str> = drivers.iter().map(|driver| &*driver.name).collect();
    assert_eq!((&system.main, &drivers[..]), (&process.name, &["virtio-console", "virtio-rng"][..]));
    let launch = process.launch.as_ref().unwrap();
    assert_eq!(launch.arguments, [&b"me"[..], b"--", b"-v", b"two words", b""]);
    assert_eq!(launch.environment, [&b"A=2"[..], b"B=x=y"]);
    assert_eq!((launch.fuel, launch.memory_limit), (Some(99), 64 << 20));
    assert_eq!(process.wall_clock.map(|it| it.as_millis()), Some(2500));
    let mut names: Vec<&str> = process.grants.iter().map(|grant| grant.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["memory", "random", "stdout"]);
    assert_eq!(image.verify(process.module.as_ref().unwrap()).unwrap(), MODULE);
    assert_eq!(process.image, "capos-wasm");
}

#[test]
fn nothing_is_inherited() {
    let tree = keeps();
    let mut command =
        tree.command(&["run", "--accel", "tcg", "--env", "HANDED", "--env", "NOT_SET", "app.wasm"]);
    command.env("HANDED", "on").env("SECRET", "no");
    assert_eq!(shown(command.output().unwrap()).status, 0);
    let bytes = fs::read(tree.path("path/image")).unwrap();
    let system = decode(Image::parse(&bytes).unwrap().verify("manifest").unwrap()).unwrap();
    let launch = system.processes[0].launch.as_ref().unwrap();
    assert_eq!(launch.environment, [&b"HANDED=on"[..]]);
    assert_eq!(launch.arguments, [&b"app.wasm"[..]]);
}

#[test]
fn text_modules_are_translated() {
    let tree = keeps();
    fs::write(tree.path("work/app.wat"), "(module (func (export \"_start\")))").unwrap();
    run(&tree, &["app.wat"]);
    let bytes = fs::read(tree.path("path/image")).unwrap();
    let image = Image::parse(&bytes).unwrap();
    let system = decode(image.verify("manifest").unwrap()).unwrap();
    let module = system.processes[0].module.clone().unwrap();
    assert_eq!(image.verify(&module).unwrap(), MODULE);
    assert!(
        system.processes[0].launch.as_ref().unwrap().validated,
        "the image does not say that it was validated"
    );
}

#[test]
fn a_printed_manifest_runs_nothing() {
    let tree = Tree::with_emulator("touch $here/started");
    let shown = tree.run(&["--print-manifest", "--fuel", "5", "app.wasm", "one"]);
    assert_eq!((shown.status, &*shown.stderr), (0, ""));
    assert!(shown.stdout.contains("fuel") && shown.stdout.contains("\"one\""), "{}", shown.stdout);
    assert!(!tree.path("path/started").exists());
}

#[test]
fn a_printed_command_line_is_the_one_that_runs() {
    let tree = keeps();
    run(&tree, &["app.wasm"]);
    keep_whole(&tree, "two words.img");
    run(&tree, &["--seed", "3", "two words.img"]);
    let ran = tree.arguments();
    fs::remove_file(tree.path("path/arguments")).unwrap();
    let printed = tree.run(&["--print-qemu", "--seed", "3", "two words.img"]);
    assert_eq!((printed.status, &*printed.stderr), (0, ""));
    assert!(!tree.path("path/arguments").exists(), "nothing runs");
    // A shell finds the words again, and the stand-in gets them: all but the sockets, which only capos can make.
    let status = std::process::Command::new("bash")
        .args(["-c", &printed.stdout])
        .current_dir(tree.path("work"))
        .output()
        .unwrap();
    assert!(status.status.code().is_some());
    let again = tree.arguments();
    assert_eq!(again.len(), ran.len());
    for (one, other) in ran.iter().zip(&again) {
        assert!(
            one == other || one.starts_with("socket,id=") && other.starts_with("file,id="),
            "{one} {other}"
        );
    }
    let module = tree.run(&["--print-qemu", "app.wasm"]);
    assert!(module.stdout.ends_with(" -initrd IMAGE\n"), "{}", module.stdout);
    assert!(module.stderr.contains("capos build MANIFEST -o IMAGE"), "{}", module.stderr);
}

#[test]
fn a_debugger_is_waited_for_on_a_socket_of_its_own() {
    let tree = keeps();
    // Longer than the limit of silence, which a person with a debugger sets.
    tree.set_emulator(&format!("sleep 0.3; {KEEPS}"));
    let shown = tree.run(&["--gdb", "--start-limit", "0.001", "--timeout", "0.001", "app.wasm"]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    let place = tree.path("temporary").display().to_string();
    assert!(
        shown.stderr.starts_with("capos: waiting for a debugger: gdb -ex 'target remote "),
        "{}",
        shown.stderr
    );
    assert!(shown.stderr.contains(&place) && shown.stderr.contains("kernel.elf.debug"), "{}", shown.stderr);
    let line = tree.arguments().join(" ");
    assert!(line.contains(&format!(" -S -gdb unix:{place}/capos-gdb-")), "{line}");
    assert!(tree.has_no_temporary_file());
    let shown = tree.run(&["--gdb=1234", "app.wasm"]);
    assert!(shown.stderr.contains("target remote 127.0.0.1:1234"), "{}", shown.stderr);
    assert!(tree.arguments().join(" ").ends_with(" -S -gdb tcp:127.0.0.1:1234"));
}

#[test]
fn a_check_for_programs_is_one_object() {
    let tree = keeps();
    run(&tree, &["--fuel", "9", "app.wasm"]);
    keep_whole(&tree, "system.img");
    let shown = shown(tree.command(&["check", "--json", "system.img"]).output().unwrap());
    assert_eq!((shown.status, &*shown.stderr), (0, ""));
    let object: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(object["processes"][0]["instance"]["fuel"], 9);
    assert_eq!(object["parts"][0]["name"], "kernel");
    assert_eq!(object["parts"][0]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn an_option_without_a_verb_is_not_enough_except_for_notices() {
    let tree = Tree::new();
    let run = |words: &[&str]| shown(tree.command(words).output().unwrap());
    let version = run(&["--version"]);
    let (name, rest) = version.stdout.split_once(" (").unwrap();
    assert_eq!(name, concat!("capos ", env!("CARGO_PKG_VERSION")));
    let commit = rest.trim_end().strip_suffix(')').unwrap();
    assert!(
        commit == "unknown" || commit.len() >= 7 && commit.chars().all(|it| it.is_ascii_hexdigit()),
        "{commit}"
    );
    assert!(run(&["--licenses"]).stdout.contains("\nwasmi 2"));
    let none = run(&[]);
    assert_eq!((none.status, &*none.stdout), (2, ""));
    assert!(none.stderr.contains("Usage: capos"), "{}", none.stderr);
    assert_eq!(run(&["--licenses", "doctor"]).status, 2);
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).stdout.contains("capos"), "{shell}");
    }
    for verb in ["run", "build", "check", "doctor", "completions"] {
        let help = run(&[verb, "--help"]);
        assert_eq!(help.status, 0);
        assert!(help.stdout.contains("Example"), "{verb} has no example: {}", help.stdout);
        assert!(run(&["--help"]).stdout.contains(&format!("  {verb} ")), "{verb}");
    }
}

#[test]
fn an_image_boots_as_it_is() {
    let tree = keeps();
    run(&tree, &["app.wasm"]);
    keep_whole(&tree, "system.img");
    run(&tree, &["system.img"]);
    assert_eq!(tree.arguments().last().unwrap(), "system.img");
    // It needs nothing beside it.
    assert!(tree.arguments().contains(&tree.path("lib/capos/boot.elf").display().to_string()));
    let check = shown(tree.command(&["check", "system.img"]).output().unwrap());
    assert_eq!((check.status, &*check.stderr), (0, ""));
    for word in ["kernel", "init", "manifest", "capos-wasm", "random", "timer", "sha256"] {
        assert!(check.stdout.contains(word), "{word} is not in {}", check.stdout);
    }
    let mut bytes = fs::read(tree.path("work/system.img")).unwrap();
    bytes[4096] ^= 1;
    fs::write(tree.path("work/corrupt.img"), bytes).unwrap();
    let check = shown(tree.command(&["check", "corrupt.img"]).output().unwrap());
    let line = "capos: corrupt.img: boot image: part \"kernel\" is corrupt (SHA-256 differs)\n";
    assert_eq!((check.status, &*check.stderr), (1, line));
    run(&tree, &["--kernel-option", "a=b", "system.img"]);
    let bytes = fs::read(tree.path("path/image")).unwrap();
    assert_eq!(Image::parse(&bytes).unwrap().verify("options").unwrap(), b"a=b\n");
}

#[test]
fn verbose_shows_what_is_done() {
    let tree = keeps();
    let shown = tree.run(&["-v", "--kernel-log", "kernel.log", "app.wasm"]);
    assert_eq!(shown.stderr, "capos: accelerator tcg: asked for; memory 512 MiB\n[kernel] stand-in\n");
    assert_eq!(fs::read_to_string(tree.path("work/kernel.log")).unwrap(), "[kernel] stand-in\n");
}
