//! Many runs at once: each has its own output and its own end, and they share nothing but the probe's verdict.

use std::fs;

use crate::support::{Shown, Tree, outcome, output, shown};

/// As many as the promise says.
const RUNS: u32 = 50;

/// A machine that knows its number from `-seed`; and a probe that succeeds.
const NUMBERED: &str = "if [ -z \"$control\" ]; then printf LXKUSPD; exit 85; fi
while [ \"$1\" != -seed ]; do shift; done
cat $here/frames.$2 >&$output; cat $here/outcome.$2 >&$control; exit 33";

#[test]
fn fifty_runs_at_once_all_end_right() {
    let tree = Tree::with_emulator(NUMBERED);
    for number in 0..RUNS {
        let text = format!("run {number}\n");
        tree.give(&format!("frames.{number}"), &output(&[(1, text.as_bytes()), (2, text.as_bytes())]));
        tree.give(&format!("outcome.{number}"), &outcome(0, number, ""));
    }
    let run = |number: u32| -> Shown {
        let (seed, end) = (number.to_string(), format!("end.{number}"));
        let words = ["run", "--kvm-device", "/dev/null", "--seed", &seed, "--outcome", &end, "app.wasm"];
        shown(tree.command(&words).output().unwrap())
    };
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..RUNS).map(|number| (number, scope.spawn(move || run(number)))).collect();
        for (number, thread) in runs {
            let shown = thread.join().unwrap();
            let text = format!("run {number}\n");
            assert_eq!((shown.stdout, shown.stderr, shown.status), (text.clone(), text, number as i32));
        }
    });
    for number in 0..RUNS {
        let end = fs::read_to_string(tree.path(&format!("work/end.{number}"))).unwrap();
        assert!(end.contains(&format!("\"code\":{number},")), "{end}");
    }
    let verdicts: Vec<_> = fs::read_dir(tree.path("cache/capos/accelerator")).unwrap().flatten().collect();
    assert_eq!(verdicts.len(), 1, "one verdict, and nothing half written: {verdicts:?}");
    assert!(fs::read_to_string(verdicts[0].path()).unwrap().contains("the probe ran to its end"));
    assert!(tree.has_no_temporary_file() && tree.is_quiet());
}

#[test]
fn fifty_failures_at_once_keep_fifty_logs() {
    let tree = Tree::with_emulator("echo \"number $4\" >&2; exit 3");
    let logs: Vec<String> = std::thread::scope(|scope| {
        let run = || tree.run(&["app.wasm"]).stderr;
        let runs: Vec<_> = (0..RUNS).map(|_| scope.spawn(run)).collect();
        runs.into_iter()
            .map(|it| it.join().unwrap().trim_end().rsplit(' ').next().unwrap().to_owned())
            .collect()
    });
    let mut distinct = logs.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), RUNS as usize);
    assert!(logs.iter().all(|log| fs::read_to_string(log).unwrap().contains("[kernel] stand-in")));
}
