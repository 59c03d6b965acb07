//! Files on the command line: where a module may come from, and what may be written where.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::{Command, Stdio};

use crate::support::{MODULE, Shown, Tree, outcome, shown};

/// A machine that keeps what it was given, tells success and powers off.
const BOOTS: &str = "for word in \"$@\"; do
    if [ \"$before\" = -initrd ]; then cp $word $here/image; fi
    before=$word
done
cat $here/outcome >&$control; exit 33";

fn boots() -> Tree {
    let tree = Tree::with_emulator(BOOTS);
    tree.give("outcome", &outcome(0, 0, ""));
    tree
}

/// The module in the image that the machine was given, and argv[0].
fn booted(tree: &Tree) -> (Vec<u8>, Vec<u8>) {
    let bytes = fs::read(tree.path("path/image")).unwrap();
    let image = capos_abi::image::Image::parse(&bytes).unwrap();
    let system = capos_manifest_model::decode(image.verify("manifest").unwrap()).unwrap();
    let process = &system.processes[0];
    let module = image.verify(process.module.as_ref().unwrap()).unwrap();
    (module.to_vec(), process.launch.as_ref().unwrap().arguments[0].clone())
}

#[test]
fn a_module_comes_from_any_readable_file() {
    let tree = boots();
    let mut command = tree.command(&["run", "--accel", "tcg", "/dev/stdin"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"(module (func (export \"_start\")))").unwrap();
    let result = shown(child.wait_with_output().unwrap());
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    assert_eq!(booted(&tree), (MODULE.to_vec(), b"stdin".to_vec()));

    let pipe = tree.path("work/pipe.wasm");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || fs::write(pipe, MODULE).unwrap());
    assert_eq!(tree.run(&["pipe.wasm"]).status, 0);
    writer.join().unwrap();
    assert_eq!(booted(&tree), (MODULE.to_vec(), b"pipe.wasm".to_vec()));
}

#[test]
fn a_module_has_any_name() {
    let tree = boots();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.wasm");
    fs::write(tree.path("work").join(name), MODULE).unwrap();
    let words = ["run", "--accel", "tcg"].map(std::ffi::OsStr::new);
    let result = shown(tree.command(&[&words[..], &[name]].concat()).output().unwrap());
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    assert_eq!(booted(&tree), (MODULE.to_vec(), b"caf\xe9.wasm".to_vec()));
    let words = [&words[..], &[std::ffi::OsStr::new("--deny"), name, name]].concat();
    let result = shown(tree.command(&words).output().unwrap());
    let line = "capos: invalid: 'caf\u{fffd}.wasm' is not UTF-8; see `capos run --help`\n";
    assert_eq!((result.status, result.stderr.as_str()), (126, line));
}

#[test]
fn an_image_comes_from_a_pipe_too() {
    let tree = boots();
    assert_eq!(tree.run(&["app.wasm"]).status, 0);
    let image = fs::read(tree.path("path/image")).unwrap();
    let mut command = tree.command(&["run", "--accel", "tcg", "/dev/stdin"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&image).unwrap();
    let result = shown(child.wait_with_output().unwrap());
    assert_eq!((result.status, result.stderr.as_str()), (0, ""));
    assert!(fs::read(tree.path("path/image")).unwrap() == image);
}

#[test]
fn the_outcome_file_keeps_what_it_had_until_the_end() {
    let tree = boots();
    tree.set_emulator("cp $here/../work/end.json $here/before; cat $here/outcome >&$control; exit 33");
    fs::write(
        tree.path("work/end.json"),
        "what was there, and is longer than the object that comes".repeat(9),
    )
    .unwrap();
    assert_eq!(tree.run(&["--outcome", "end.json", "app.wasm"]).status, 0);
    assert!(fs::read_to_string(tree.path("path/before")).unwrap().starts_with("what was there"));
    let text = fs::read_to_string(tree.path("work/end.json")).unwrap();
    assert!(text.starts_with("{\"kind\":\"exited\"") && text.ends_with("}\n"), "{text}");
}

#[test]
fn the_outcome_does_not_take_the_place_of_the_module() {
    let tree = boots();
    symlink("app.wasm", tree.path("work/link")).unwrap();
    for option in ["--outcome", "--kernel-log"] {
        let result = tree.run(&[option, "link", "./app.wasm"]);
        let message =
            format!("{option} link: is the same file as ./app.wasm, which is read; choose another name");
        assert_eq!((result.status, result.stderr), (126, format!("capos: invalid: {message}\n")));
        assert_eq!(fs::read(tree.path("work/app.wasm")).unwrap(), MODULE);
    }
}

#[test]
fn an_outcome_on_standard_output_follows_the_guests() {
    let tree = boots();
    tree.give("frames", &crate::support::output(&[(1, b"text\n")]));
    tree.set_emulator("cat $here/frames >&$output; cat $here/outcome >&$control; exit 33");
    let file = fs::File::create(tree.path("work/both")).unwrap();
    let mut command = tree.command(&["run", "--accel", "tcg", "--outcome", "/dev/stdout", "app.wasm"]);
    assert!(command.stdout(file).status().unwrap().success());
    let text = fs::read_to_string(tree.path("work/both")).unwrap();
    assert!(text.starts_with("text\n{\"kind\":\"exited\""), "{text}");
}

/// `capos build x.cue -o OUTPUT`; none without the manifest tool.
fn build(tree: &Tree, output: &str) -> Shown {
    shown(tree.command(&["build", "x.cue", "-o", output]).output().unwrap())
}

fn buildable() -> Option<Tree> {
    let tree = crate::manifests::tree()?;
    let text = "package x\nimport \"capos.local/cue/defaults\"\ndefaults.#System & {name: \"x\", processes: [{name: \"a\", binary: \"app.wasm\"}]}";
    fs::write(tree.path("work/x.cue"), text).unwrap();
    Some(tree)
}

#[test]
fn an_image_is_not_written_over_what_it_is_made_from() {
    let Some(tree) = buildable() else { return };
    let module = tree.path("work/app.wasm");
    let (kernel, adapter) = (tree.path("lib/capos/kernel.elf"), tree.path("lib/capos/capos-wasm.elf"));
    for input in [&module, &kernel, &adapter, &tree.path("work/x.cue")] {
        let before = fs::read(input).unwrap();
        let output = input.to_str().unwrap();
        let result = build(&tree, output);
        let start = format!("capos: -o {output}: is the same file as ");
        assert_eq!(result.status, 1);
        assert!(result.stderr.starts_with(&start), "{}", result.stderr);
        assert_eq!(fs::read(input).unwrap(), before);
    }
}

#[test]
fn an_image_goes_where_its_path_leads() {
    let Some(tree) = buildable() else { return };
    assert_eq!(build(&tree, "x.img").status, 0);
    let image = fs::read(tree.path("work/x.img")).unwrap();
    fs::create_dir(tree.path("work/sub")).unwrap();
    symlink("sub/behind.img", tree.path("work/link.img")).unwrap();
    assert_eq!(build(&tree, "link.img").status, 0);
    assert!(fs::symlink_metadata(tree.path("work/link.img")).unwrap().is_symlink());
    assert!(fs::read(tree.path("work/sub/behind.img")).unwrap() == image);

    let mut command = tree.command(&["build", "x.cue", "-o", "/dev/stdout"]);
    let output = command.stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success() && output.stdout == image);

    let pipe = tree.path("work/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut bytes = Vec::new();
            fs::File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        }
    });
    assert_eq!(build(&tree, "pipe").status, 0);
    assert!(reader.join().unwrap() == image);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn an_image_that_cannot_be_written_is_the_users_to_mend() {
    let Some(tree) = buildable() else { return };
    let refused = |output: &str| {
        let result = build(&tree, output);
        assert_eq!(result.status, 1);
        result.stderr
    };
    assert_eq!(refused("."), "capos: .: is a folder; expected the path of a file\n");
    assert!(refused("no/x.img").starts_with("capos: no/x.img cannot be written: No such file"));
    // A device of the machine's own is never named here: were it replaced, the machine would be broken.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = tree.command(&["build", "x.cue", "-o", "/dev/stdout"]);
    let result = shown(command.stdout(full).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(
        (result.status, result.stderr.as_str()),
        (1, "capos: /dev/stdout cannot be written: No space left on device (os error 28)\n")
    );
}
