//! A document as CUE.
//!
//! Called by `instance` for `--print-manifest`; calls nobody.
//!
//! Invariant: the text evaluates to the document that was printed, whatever bytes its texts hold.

use std::fmt::Write;

use crate::document::{Console, Instance, Methods, Size, Text};

/// The manifest of a system with this one instance.
pub(crate) fn print(system: &str, instance: &Instance) -> String {
    let mut text =
        String::from("package system\n\nimport \"capos.local/cue/defaults\"\n\ndefaults.#System & {\n");
    // Writing into a String cannot fail.
    let _ = writeln!(text, "\tname: {}", string(system));
    let _ = writeln!(text, "\tprocesses: [{{\n\t\tname: {}", string(&instance.name));
    let _ = writeln!(text, "\t\tbinary: {}", string(&instance.binary));
    if let Some(name) = &instance.argv0 {
        let _ = writeln!(text, "\t\targv0: {}", literal(name));
    }
    if !instance.args.is_empty() {
        let args: Vec<String> = instance.args.iter().map(literal).collect();
        let _ = writeln!(text, "\t\targs: [{}]", args.join(", "));
    }
    for (key, value) in &instance.env.0 {
        let _ = writeln!(text, "\t\tenv: {}: {}", string(key), literal(value));
    }
    print_caps(&mut text, instance);
    print_limits(&mut text, instance);
    text.push_str("\t}]\n}\n");
    text
}

fn print_caps(text: &mut String, instance: &Instance) {
    let caps = &instance.caps;
    text.push_str("\t\tcaps: {\n");
    let _ = match caps.console {
        Console::Whole(granted) => writeln!(text, "\t\t\tconsole: {granted}"),
        Console::Streams(streams) => {
            writeln!(text, "\t\t\tconsole: {{stdout: {}, stderr: {}}}", streams.stdout, streams.stderr)
        }
    };
    if caps.log {
        text.push_str("\t\t\tlog: true\n");
    }
    for (name, methods) in [("timer", &caps.timer), ("random", &caps.random)] {
        let _ = match methods {
            Methods::Whole(granted) => writeln!(text, "\t\t\t{name}: {granted}"),
            Methods::Named(names) => {
                let names: Vec<String> = names.iter().map(|name| string(name)).collect();
                writeln!(text, "\t\t\t{name}: [{}]", names.join(", "))
            }
        };
    }
    for preopen in &caps.preopens {
        let (path, from, cap) = (string(&preopen.path), string(&preopen.from), string(&preopen.cap));
        let _ = writeln!(text, "\t\t\tpreopens: [{{path: {path}, from: {from}, cap: {cap}}}]");
    }
    text.push_str("\t\t}\n");
}

fn print_limits(text: &mut String, instance: &Instance) {
    let limits = &instance.limits;
    let size = |size: &Size| match size {
        Size::Bytes(bytes) => bytes.to_string(),
        Size::Text(text) => string(text),
    };
    let lines = [
        ("memory", limits.memory.as_ref().map(size)),
        ("fuel", limits.fuel.map(|fuel| fuel.to_string())),
        ("time", limits.time.as_deref().map(string)),
        ("stack", limits.stack.as_ref().map(size)),
        ("recursion", limits.recursion.map(|depth| depth.to_string())),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "\t\tlimits: {name}: {value}");
        }
    }
}

/// A text as a CUE literal: a string, or bytes if it is no UTF-8.
fn literal(text: &Text) -> String {
    match std::str::from_utf8(&text.0) {
        Ok(text) => string(text),
        Err(_) => bytes(&text.0),
    }
}

fn string(text: &str) -> String {
    let mut literal = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => literal.extend(['\\', letter]),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            ' '..='~' => literal.push(letter),
            _ if letter.is_alphanumeric() => literal.push(letter),
            _ => {
                let _ = write!(literal, "\\U{:08x}", u32::from(letter));
            }
        }
    }
    literal.push('"');
    literal
}

fn bytes(data: &[u8]) -> String {
    let mut literal = String::from("'");
    for byte in data {
        match byte {
            b'\'' | b'\\' => literal.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => literal.push(char::from(*byte)),
            _ => {
                let _ = write!(literal, "\\x{byte:02x}");
            }
        }
    }
    literal.push('\'');
    literal
}
