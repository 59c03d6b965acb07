//! A document as CUE.
//!
//! Called by `instance` for `--print-manifest`; calls nobody.
//!
//! Invariant: the text evaluates to the document that was printed, whatever bytes its texts hold.

use std::fmt::Write;

use crate::document::{Console, Instance, Methods, Preopen, Size, Text, Verify};

/// A field: its label and its value, both as CUE.
type Row = (String, String);

/// The manifest of a system with this one instance and these drivers.
pub(crate) fn print(system: &str, instance: &Instance, drivers: &[&str]) -> String {
    let mut text =
        String::from("package system\n\nimport \"capos.local/cue/defaults\"\n\ndefaults.#System & {\n");
    // Writing into a String cannot fail.
    let drivers: Vec<String> = drivers.iter().map(|name| string(name)).collect();
    let _ =
        writeln!(text, "\tname: {}\n\tdrivers: [{}]\n\tprocesses: [{{", string(system), drivers.join(", "));
    let mut rows = vec![row("name", string(&instance.name)), row("binary", string(&instance.binary))];
    rows.extend(instance.argv0.as_ref().map(|name| row("argv0", literal(name))));
    if !instance.args.is_empty() {
        let args: Vec<String> = instance.args.iter().map(literal).collect();
        rows.push(row("args", format!("[{}]", args.join(", "))));
    }
    if instance.verify == Verify::Boot {
        rows.push(row("verify", string("boot")));
    }
    print_rows(&mut text, 2, &rows);
    let env: Vec<Row> = instance.env.0.iter().map(|(key, value)| (string(key), literal(value))).collect();
    for (name, rows) in [("env", env), ("caps", caps(instance)), ("limits", limits(instance))] {
        if !rows.is_empty() {
            let _ = writeln!(text, "\t\t{name}: {{");
            print_rows(&mut text, 3, &rows);
            text.push_str("\t\t}\n");
        }
    }
    text.push_str("\t}]\n}\n");
    text
}

fn row(name: &str, value: String) -> Row {
    (name.to_owned(), value)
}

/// Prints fields as `cue fmt` does: the values of neighbours stand below each other, those of lists and structs do not.
fn print_rows(text: &mut String, depth: usize, rows: &[Row]) {
    let is_aligned = |row: &Row| !row.1.starts_with(['[', '{']);
    for neighbours in rows.chunk_by(|first, second| is_aligned(first) && is_aligned(second)) {
        let width = neighbours.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in neighbours {
            let space = width - name.chars().count() + 1;
            let _ = writeln!(text, "{}{name}:{}{value}", "\t".repeat(depth), " ".repeat(space));
        }
    }
}

fn caps(instance: &Instance) -> Vec<Row> {
    let caps = &instance.caps;
    let mut rows = vec![match caps.console {
        Console::Whole(granted) => row("console", granted.to_string()),
        Console::Streams(streams) => {
            row("console", format!("{{stdout: {}, stderr: {}}}", streams.stdout, streams.stderr))
        }
    }];
    if caps.log {
        rows.push(row("log", "true".to_owned()));
    }
    for (name, methods) in [("timer", &caps.timer), ("random", &caps.random)] {
        rows.push(match methods {
            Methods::Whole(granted) => row(name, granted.to_string()),
            Methods::Named(names) => {
                let names: Vec<String> = names.iter().map(|name| string(name)).collect();
                row(name, format!("[{}]", names.join(", ")))
            }
        });
    }
    let preopen = |preopen: &Preopen| {
        let (path, from, cap) = (string(&preopen.path), string(&preopen.from), string(&preopen.cap));
        format!("{{path: {path}, from: {from}, cap: {cap}}}")
    };
    if !caps.preopens.is_empty() {
        let preopens: Vec<String> = caps.preopens.iter().map(preopen).collect();
        rows.push(row("preopens", format!("[{}]", preopens.join(", "))));
    }
    rows
}

fn limits(instance: &Instance) -> Vec<Row> {
    let limits = &instance.limits;
    let size = |size: &Size| match size {
        Size::Bytes(bytes) => bytes.to_string(),
        Size::Text(text) => string(text),
    };
    let all = [
        ("memory", limits.memory.as_ref().map(size)),
        ("fuel", limits.fuel.map(|fuel| fuel.to_string())),
        ("time", limits.time.as_deref().map(string)),
        ("stack", limits.stack.as_ref().map(size)),
        ("recursion", limits.recursion.map(|depth| depth.to_string())),
        ("reserve", limits.reserve.as_ref().map(size)),
        ("weight", limits.weight.map(|weight| weight.to_string())),
        ("budget", limits.budget.as_deref().map(string)),
        ("period", limits.period.as_deref().map(string)),
    ];
    all.into_iter().filter_map(|(name, value)| Some(row(name, value?))).collect()
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
