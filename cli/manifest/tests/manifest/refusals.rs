//! What is said about a wrong manifest, word by word.

use crate::Bench;

/// A test that a manifest is refused with exactly this text.
macro_rules! refused {
    ($($name:ident: $manifest:expr => $text:expr;)+) => {$(
        #[test]
        fn $name() {
            let Some(bench) = Bench::new() else { return };
            assert_eq!(bench.refused(&$manifest), $text);
        }
    )+};
}

/// A system with one instance that has these further fields, from line 5 on.
fn instance(fields: &str) -> String {
    format!(
        "package x\nimport \"capos.local/cue/defaults\"\ndefaults.#System & {{name: \"x\", processes: [{{\n\tname: \"a\", binary: \"hello.wasm\"\n\t{fields}\n}}]}}\n"
    )
}

/// A system with one native process that has these fields, and these fields of its own from line 4 on.
fn native(process: &str, system: &str) -> String {
    format!("name: \"x\"\nprocesses: [{{name: \"a\", program: \"smoke\"\n\t{process}\n}}]\n{system}\n")
}

/// The names of all interfaces, as messages list them.
fn interfaces() -> String {
    capos_schema::INTERFACES.iter().map(|interface| interface.name).collect::<Vec<_>>().join(", ")
}

/// A server `s` and a client `c`, each on a line of its own from 3 on, and an offer between them with these methods.
fn service(server: &str, client: &str, methods: &str) -> String {
    format!(
        "name: \"x\"\nprocesses: [{{name: \"c\", program: \"smoke\"\n\t{client}\n}}, {{name: \"s\", program: \"smoke\"\n\t{server}\n}}]\noffers: [{{cap: \"keys\", from: \"s\", to: \"c\", methods: {methods}}}]\n"
    )
}

refused! {
    service_with_another_interface:
        service("serves: keys: \"KeyValue\"", "uses: keys: \"Timer\"", "\"all\"")
        => "x.cue:3:8: processes[0].uses.keys: \"keys\" is offered as KeyValue, not as Timer; accepted: KeyValue";
    service_of_an_unknown_interface:
        service("serves: keys: \"KeyValu\"", "uses: keys: \"KeyValue\"", "\"all\"")
        => format!("x.cue:5:10: processes[1].serves.keys: no interface \"KeyValu\"; accepted: {}\nx.cue:7:11: offers[0].cap: process \"s\" does not hold \"keys\"; accepted: nothing", interfaces());
    service_that_nobody_serves:
        service("serves: kees: \"KeyValue\"", "uses: keys: \"KeyValue\"", "\"all\"")
        => "x.cue:7:11: offers[0].cap: process \"s\" does not hold \"keys\"; accepted: kees";
    service_that_is_not_offered:
        service("serves: keys: \"KeyValue\"", "uses: {keys: \"KeyValue\", more: \"KeyValue\"}", "\"all\"")
        => "x.cue:3:27: processes[0].uses.more: nobody offers \"more\" to \"c\"; accepted: an offer {cap, from, to: \"c\", methods}";
    method_that_the_service_does_not_have:
        service("serves: keys: \"KeyValue\"", "uses: keys: \"KeyValue\"", "[\"open\", \"clse\"]")
        => "x.cue:7:62: offers[0].methods[1]: KeyValue has no method \"clse\"; accepted: open, lend, borrow, calls, stop";
    method_that_another_client_lacks:
        "name: \"x\"
processes: [{name: \"d\", program: \"smoke\", uses: keys: \"KeyValue\"}, {name: \"c\", program: \"smoke\", uses: keys: \"KeyValue\"}, {name: \"s\", program: \"smoke\", serves: keys: \"KeyValue\"}]
offers: [
	{cap: \"keys\", from: \"s\", to: \"c\", methods: [\"calls\"]},
	{cap: \"keys\", from: \"c\", to: \"d\", methods: [\"open\"]},
]"
        => "x.cue:5:46: offers[1].methods[0]: process \"c\" does not offer KeyValue.open here; accepted: calls";
    methods_that_are_no_list:
        service("serves: keys: \"KeyValue\"", "uses: keys: \"KeyValue\"", "\"every\"")
        => "x.cue:7:44: offers[0].methods: wrong value: \"every\"; accepted: a list of names of methods, or \"all\"";
    offer_that_names_no_methods:
        native("uses: timer: \"Timer\"", "offers: [{cap: \"timer\", from: \"kernel\", to: \"a\"}]")
        => "x.cue:5:10: offers[0]: the field \"methods\" is missing; accepted: a list of names of methods, or \"all\"";
    service_with_the_name_of_a_use:
        "name: \"x\"
processes: [{name: \"a\", program: \"smoke\", uses: t: \"Timer\", serves: t: \"KeyValue\"}]
offers: [{cap: \"timer\", as: \"t\", from: \"kernel\", to: \"a\", methods: \"all\"}]"
        => "x.cue:2:69: processes[0].serves.t: \"t\" is the name of something that \"a\" uses; accepted: another name";
    services_that_need_each_other:
        "name: \"x\"
processes: [
	{name: \"a\", program: \"smoke\", uses: b: \"KeyValue\", serves: a: \"KeyValue\"},
	{name: \"b\", program: \"smoke\", uses: a: \"KeyValue\", serves: b: \"KeyValue\"},
]
offers: [
	{cap: \"b\", from: \"b\", to: \"a\", methods: \"all\"},
	{cap: \"a\", from: \"a\", to: \"b\", methods: \"all\"},
]"
        => "x.cue:8:13: offers[1].from: cycle: \"a\" needs \"b\" needs \"a\"; accepted: offers and \"after\" that lead from the kernel outward";
    main_process_that_is_started_again:
        native("restart: when: \"always\"", "")
        => "x.cue:3:11: processes[0].restart.when: the run ends when \"a\" has ended: it is not started again; accepted: \"never\"";
    restart_in_other_words:
        native("restart: when: \"sometimes\"", "")
        => "x.cue:3:11: processes[0].restart.when: wrong value: \"sometimes\"; accepted: \"never\", \"on-failure\" or \"always\"";
    restart_without_end:
        native("restart: {when: \"always\", most: 0}", "")
        => "x.cue:3:28: processes[0].restart.most: wrong value: 0; accepted: a whole number from 1 to 1000000";
    restart_after_no_time:
        native("}, {name: \"b\", program: \"smoke\", restart: {when: \"always\", delay: \"0s\"}", "")
        => "x.cue:3:61: processes[1].restart.delay: a limit of no time; accepted: more than 0; no limit at all is to leave it out";
    unknown_field_of_the_system:
        instance("") + "nmae: \"x\"\n"
        => "x.cue:7:1: nmae: unknown field; accepted: drivers, machine, main, name, offers, parts, processes";
    unknown_field_of_a_process:
        instance("bogus: 1")
        => "x.cue:5:2: processes[0].bogus: unknown field; accepted: after, args, argv0, binary, caps, env, limits, name, verify";
    unknown_capability:
        instance("caps: {network: true}")
        => "x.cue:5:9: processes[0].caps.network: unknown field; accepted: console, log, preopens, random, timer";
    wrong_type:
        instance("caps: timer: \"yes\"")
        => "x.cue:5:8: processes[0].caps.timer: wrong type: string \"yes\"; accepted: true, false, or a list of methods";
    wrong_type_of_an_argument:
        instance("args: [\"a\", 1]")
        => "x.cue:5:14: processes[0].args[1]: wrong type: int 1; accepted: a list of texts";
    missing_field:
        "name: \"x\"\nprocesses: [{name: \"a\", args: []}]"
        => "x.cue:2:13: processes[0]: the field \"binary\" is missing; accepted: the path of a .wasm or .wat file, relative to the manifest";
    unknown_program:
        "name: \"x\"\nprocesses: [{name: \"a\", program: \"smok\"}]"
        => "x.cue:2:25: processes[0].program: no program \"smok\"; accepted: capos-wasm, key-value, key-value-reader, key-value-writer, smoke, virtio-console, virtio-rng, or the path of an ELF file with a slash in it";
    unknown_driver:
        native("", "drivers: [\"virtio-rgn\"]")
        => "x.cue:5:11: drivers[0]: no driver \"virtio-rgn\"; accepted: virtio-console, virtio-rng";
    driver_twice:
        native("", "drivers: [\"virtio-rng\", \"virtio-rng\"]")
        => "x.cue:5:25: drivers[1]: \"virtio-rng\" twice; accepted: each driver once";
    process_with_the_name_of_a_driver:
        "name: \"x\"\nprocesses: [{name: \"virtio-rng\", program: \"smoke\"}]\ndrivers: [\"virtio-rng\"]"
        => "x.cue:2:14: processes[0].name: the name \"virtio-rng\" is that of a driver of this system; accepted: another name, or \"drivers\" without it";
    console_that_nobody_serves:
        "name: \"x\"\nprocesses: [{name: \"a\", program: \"smoke\", uses: {device: \"Device\", stdout: \"Console\"}}]\noffers: [{cap: \"virtio-console\", from: \"kernel\", to: \"a\", as: \"device\", methods: [\"open\"]}, {cap: \"stdout\", from: \"kernel\", to: \"a\", methods: [\"write\"]}]"
        => "x.cue:2:1: processes: the process that drives virtio-console does not serve the console of the others; accepted: serves: {console: \"Console\"} in that process";
    the_root_of_the_console:
        native("uses: console: \"Console\"", "offers: [{cap: \"console\", from: \"virtio-console\", to: \"a\", methods: [\"finish\"]}]")
        => "x.cue:5:27: offers[0].from: no process \"virtio-console\"; accepted: kernel, a";
    end_of_the_run:
        native("uses: stdout: \"Console\"", "offers: [{cap: \"stdout\", from: \"kernel\", to: \"a\", methods: [\"finish\"]}]")
        => "x.cue:5:61: offers[0].methods[0]: the kernel does not offer Console.finish here; accepted: write";
    use_that_nobody_offers:
        native("uses: timer: \"Timer\"", "")
        => "x.cue:3:8: processes[0].uses.timer: nobody offers \"timer\" to \"a\"; accepted: an offer {cap, from, to: \"a\", methods}";
    capability_that_the_kernel_does_not_offer:
        native("uses: net: \"Timer\"", "offers: [{cap: \"net\", from: \"kernel\", to: \"a\", methods: [\"now\"]}]")
        => "x.cue:5:11: offers[0].cap: the kernel does not offer \"net\"; accepted: stdout, stderr, console-names, timer, random, entropy-sink, memory, accounting, spawner, boot, code, virtio-net, virtio-blk, virtio-console, virtio-rng";
    capability_that_the_giver_does_not_hold:
        "name: \"x\"
processes: [{name: \"a\", program: \"smoke\", uses: timer: \"Timer\"}, {name: \"b\", binary: \"hello.wasm\", caps: random: true}]
offers: [{cap: \"timer\", from: \"b\", to: \"a\", methods: [\"now\"]}]"
        => "x.cue:3:11: offers[0].cap: process \"b\" does not hold \"timer\"; accepted: random, memory";
    capability_of_one_process_alone:
        "name: \"x\"
processes: [{name: \"a\", program: \"smoke\", uses: memory: \"VirtualMemory\"}, {name: \"b\", binary: \"hello.wasm\"}]
offers: [{cap: \"memory\", from: \"b\", to: \"a\", methods: [\"usage\"]}]"
        => "x.cue:3:11: offers[0].cap: \"memory\" belongs to \"b\" alone; accepted: the kernel's own, with from: \"kernel\"";
    directory_that_nobody_offers:
        instance("caps: preopens: [{path: \"/\", from: \"kernel\", cap: \"disk\"}]")
        => "x.cue:5:47: processes[0].caps.preopens[0].cap: the kernel does not offer \"disk\"; accepted: stdout, stderr, console-names, timer, random, entropy-sink, memory, accounting, spawner, boot, code, virtio-net, virtio-blk, virtio-console, virtio-rng";
    directory_that_is_none:
        instance("caps: preopens: [{path: \"/\", from: \"kernel\", cap: \"timer\"}]")
        => "x.cue:5:47: processes[0].caps.preopens[0].cap: \"timer\" is a Timer, not a directory; accepted: a Namespace";
    offer_from_nobody:
        native("uses: timer: \"Timer\"", "offers: [{cap: \"timer\", from: \"z\", to: \"a\", methods: [\"now\"]}]")
        => "x.cue:5:25: offers[0].from: no process \"z\"; accepted: kernel, a";
    offer_to_nobody:
        native("", "offers: [{cap: \"timer\", from: \"kernel\", to: \"z\", methods: [\"now\"]}]")
        => "x.cue:5:41: offers[0].to: no process \"z\"; accepted: a";
    offer_that_is_not_used:
        native("uses: {}", "offers: [{cap: \"timer\", from: \"kernel\", to: \"a\", methods: [\"now\"]}]")
        => "x.cue:5:11: offers[0].cap: process \"a\" does not use \"timer\"; accepted: nothing, or \"timer\" among its uses";
    offer_to_an_instance:
        instance("") + "offers: [{cap: \"timer\", from: \"kernel\", to: \"a\", methods: [\"now\"]}]"
        => "x.cue:7:41: offers[0].to: \"a\" is a WASI instance: \"caps\" says what it holds; accepted: a native process";
    offer_twice:
        native("uses: timer: \"Timer\"", "offers: [for _ in [1, 2] {cap: \"timer\", from: \"kernel\", to: \"a\", methods: [\"now\"]}]")
        => "x.cue:5:26: offers[1]: \"timer\" is offered twice to \"a\": first in offers[0]; accepted: one offer for each name";
    unknown_interface:
        native("uses: timer: \"Tmer\"", "offers: [{cap: \"timer\", from: \"kernel\", to: \"a\", methods: [\"now\"]}]")
        => format!("x.cue:3:8: processes[0].uses.timer: no interface \"Tmer\"; accepted: {}", interfaces());
    other_interface:
        native("uses: t: \"Console\"", "offers: [{cap: \"timer\", as: \"t\", from: \"kernel\", to: \"a\", methods: [\"now\"]}]")
        => "x.cue:3:8: processes[0].uses.t: \"t\" is offered as Timer, not as Console; accepted: Timer";
    method_that_the_interface_does_not_have:
        native("uses: timer: \"Timer\"", "offers: [{cap: \"timer\", from: \"kernel\", to: \"a\", methods: [\"now\", \"slep\"]}]")
        => "x.cue:5:67: offers[0].methods[1]: Timer has no method \"slep\"; accepted: now, sleep, resolution";
    method_of_an_instance_that_the_interface_does_not_have:
        instance("caps: timer: [\"write\"]")
        => "x.cue:5:16: processes[0].caps.timer[0]: Timer has no method \"write\"; accepted: now, sleep, resolution";
    method_that_the_kernel_keeps:
        native("uses: stdout: \"Console\"", "offers: [{cap: \"stdout\", from: \"kernel\", to: \"a\", methods: [\"open\"]}]")
        => "x.cue:5:61: offers[0].methods[0]: the kernel does not offer Console.open here; accepted: write";
    method_that_the_giver_lacks:
        "name: \"x\"
processes: [{name: \"a\", program: \"smoke\", uses: timer: \"Timer\"}, {name: \"b\", binary: \"hello.wasm\", caps: timer: [\"now\"]}]
offers: [{cap: \"timer\", from: \"b\", to: \"a\", methods: [\"sleep\"]}]"
        => "x.cue:3:55: offers[0].methods[0]: process \"b\" does not offer Timer.sleep here; accepted: now";
    no_method:
        native("uses: timer: \"Timer\"", "offers: [{cap: \"timer\", from: \"kernel\", to: \"a\", methods: []}]")
        => "x.cue:5:50: offers[0].methods: no method; accepted: now, sleep, resolution";
    duplicate_name:
        "name: \"x\"\nprocesses: [\n\t{name: \"a\", binary: \"hello.wasm\"},\n\t{name: \"a\", program: \"smoke\"},\n]"
        => "x.cue:4:3: processes[1].name: duplicate name \"a\": the first one is at x.cue:3:3; accepted: a name that no other process has";
    missing_module:
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"sub/none.wasm\"}]"
        => "x.cue:2:25: processes[0].binary: no file \"sub/none.wasm\"; accepted: the path of a .wasm or .wat file, relative to the manifest";
    missing_program_file:
        "name: \"x\"\nprocesses: [{name: \"a\", program: \"./none.elf\"}]"
        => "x.cue:2:25: processes[0].program: no file \"./none.elf\"; accepted: the path of a file, relative to the manifest";
    program_that_is_none:
        "name: \"x\"\nprocesses: [{name: \"a\", program: \"./hello.wasm\"}]"
        => "x.cue:2:25: processes[0].program: \"./hello.wasm\" is no program for capOS: not an ELF image; accepted: a static ELF file, as `make program` makes them";
    missing_part:
        native("uses: f: \"MemoryObject\"", "parts: f: \"none\"\noffers: [{cap: \"f\", from: \"kernel\", to: \"a\", methods: [\"read\"]}]")
        => "x.cue:5:8: parts.f: no file \"none\"; accepted: the path of a file, relative to the manifest";
    folder_for_a_module:
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"lib\"}]"
        => "x.cue:2:25: processes[0].binary: \"lib\" is not a file; accepted: the path of a .wasm or .wat file, relative to the manifest";
    part_with_a_name_of_the_kernel:
        native("", "parts: timer: \"hello.wasm\"")
        => "x.cue:5:8: parts.timer: \"timer\" is what the kernel calls something else; accepted: another name";
    cycle_of_offers:
        "name: \"x\"
processes: [
	{name: \"a\", program: \"smoke\", uses: timer: \"Timer\"},
	{name: \"b\", program: \"smoke\", uses: timer: \"Timer\"},
	{name: \"c\", program: \"smoke\", after: [\"a\"]},
]
offers: [
	{cap: \"timer\", from: \"a\", to: \"b\", methods: [\"now\"]},
	{cap: \"timer\", from: \"b\", to: \"a\", methods: [\"now\"]},
]"
        => "x.cue:8:17: offers[0].from: cycle: \"a\" needs \"b\" needs \"a\"; accepted: offers and \"after\" that lead from the kernel outward";
    cycle_of_order:
        "name: \"x\"
processes: [
	{name: \"a\", program: \"smoke\", after: [\"c\"]},
	{name: \"b\", program: \"smoke\", after: [\"a\"]},
	{name: \"c\", program: \"smoke\", after: [\"b\"]},
]"
        => "x.cue:4:40: processes[1].after[0]: cycle: \"a\" needs \"c\" needs \"b\" needs \"a\"; accepted: offers and \"after\" that lead from the kernel outward";
    offer_to_oneself:
        native("uses: timer: \"Timer\"", "offers: [{cap: \"timer\", from: \"a\", to: \"a\", methods: [\"now\"]}]")
        => "x.cue:5:25: offers[0].from: cycle: \"a\" needs \"a\"; accepted: offers and \"after\" that lead from the kernel outward";
    main_that_is_no_process:
        native("", "main: \"z\"")
        => "x.cue:5:1: main: no process \"z\"; accepted: a";
    after_nobody:
        instance("after: [\"z\"]")
        => "x.cue:5:10: processes[0].after[0]: no process \"z\"; accepted: a";
    no_processes:
        "name: \"x\"\nprocesses: []"
        => "x.cue:2:1: processes: a system without processes; accepted: at least one process";
    too_many_processes:
        "name: \"x\"\nprocesses: [for n in NAMES {name: n, program: \"smoke\"}]".replace("NAMES", &format!("{:?}", (0..1_025).map(|n| format!("p{n}")).collect::<Vec<_>>()))
        => "x.cue:2:1: processes: 1025 processes; accepted: at most 1024";
    wrong_name:
        "name: \"x y\"\nprocesses: [{name: \"a\", program: \"smoke\"}]"
        => "x.cue:1:1: name: wrong value: \"x y\"; accepted: a name: 1 to 48 letters, digits, '.', '_' and '-', starting with a letter or digit";
    wrong_name_of_a_capability:
        native("uses: \"-x\": \"Timer\"", "")
        => "x.cue:3:8: processes[0].uses.\"-x\": wrong name \"-x\"; accepted: a name: 1 to 40 letters, digits, '.', '_' and '-', starting with a letter or digit\nx.cue:3:8: processes[0].uses.\"-x\": nobody offers \"-x\" to \"a\"; accepted: an offer {cap, from, to: \"a\", methods}";
    long_name_of_a_capability:
        native(&format!("uses: {}: \"Timer\"", "c".repeat(41)), "")
        => format!("x.cue:3:8: processes[0].uses.{0}: wrong name \"{0}\"; accepted: a name: 1 to 40 letters, digits, '.', '_' and '-', starting with a letter or digit\nx.cue:3:8: processes[0].uses.{0}: nobody offers \"{0}\" to \"a\"; accepted: an offer {{cap, from, to: \"a\", methods}}", "c".repeat(41));
    reserved_name:
        "name: \"x\"\nprocesses: [{name: \"kernel\", program: \"smoke\"}]"
        => "x.cue:2:14: processes[0].name: the name \"kernel\" is reserved; accepted: another name";
    wrong_size:
        instance("limits: memory: \"64 MB\"")
        => "x.cue:5:10: processes[0].limits.memory: wrong value: \"64 MB\"; accepted: a size: a number of bytes, or a text such as \"64MiB\" (B, KiB, MiB, GiB)";
    size_that_does_not_fit:
        instance("limits: memory: \"99999999999GiB\"")
        => "x.cue:5:10: processes[0].limits.memory: wrong size \"99999999999GiB\"; accepted: a size: a number of bytes, or a text such as \"64MiB\" (B, KiB, MiB, GiB)";
    size_out_of_range:
        instance("limits: memory: \"65GiB\"")
        => "x.cue:5:10: processes[0].limits.memory: the size 65GiB is out of range; accepted: 0B to 64GiB";
    too_little_memory:
        native("limits: memory: 4Ki", "")
        => "x.cue:3:10: processes[0].limits.memory: the size 4KiB is out of range; accepted: 512KiB to 64GiB";
    reserve_above_the_limit:
        native("limits: {memory: \"4MiB\", reserve: \"5MiB\"}", "")
        => "x.cue:3:27: processes[0].limits.reserve: the size 5MiB is out of range; accepted: 0B to 4MiB";
    reserve_above_the_default_limit:
        native("limits: reserve: 18446744073709551615", "")
        => "x.cue:3:10: processes[0].limits.reserve: the size 18446744073709551615B is out of range; accepted: 0B to 16MiB";
    reserve_above_all_of_an_instance:
        instance("limits: {memory: \"1MiB\", reserve: \"19MiB\"}")
        => "x.cue:5:27: processes[0].limits.reserve: the size 19MiB is out of range; accepted: 0B to 18MiB";
    reserve_in_other_units:
        instance("limits: reserve: \"5MB\"")
        => "x.cue:5:10: processes[0].limits.reserve: wrong value: \"5MB\"; accepted: a size: a number of bytes, or a text such as \"64MiB\" (B, KiB, MiB, GiB)";
    reserve_that_does_not_fit_into_a_number:
        native("limits: reserve: \"99999999999GiB\"", "")
        => "x.cue:3:10: processes[0].limits.reserve: wrong size \"99999999999GiB\"; accepted: a size: a number of bytes, or a text such as \"64MiB\" (B, KiB, MiB, GiB)";
    reserve_below_nothing:
        native("limits: reserve: -1", "")
        => "x.cue:3:10: processes[0].limits.reserve: wrong value: -1; accepted: a size: a number of bytes, or a text such as \"64MiB\" (B, KiB, MiB, GiB)";
    weight_of_nothing:
        native("limits: weight: 0", "")
        => "x.cue:3:10: processes[0].limits.weight: wrong value: 0; accepted: a whole number from 1 to 100000";
    weight_that_is_huge:
        instance("limits: weight: 18446744073709551616")
        => "x.cue:5:10: processes[0].limits.weight: wrong value: 18446744073709551616; accepted: a whole number from 1 to 100000";
    weight_in_parts:
        native("limits: weight: 1.5", "")
        => "x.cue:3:10: processes[0].limits.weight: wrong type: float 1.5; accepted: a whole number from 1 to 100000";
    weights_beyond_the_processor:
        format!("name: \"x\"\nprocesses: [for n in [{}] {{name: n, program: \"smoke\", limits: weight: 100000}}]", ('a'..='j').map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "))
        => "x.cue:2:109: processes[9].limits.weight: with \"j\" the weights of all processes are 1000000; accepted: at most 999999 together";
    budget_alone:
        native("limits: budget: \"1ms\"", "")
        => "x.cue:3:10: processes[0].limits.budget: a budget without a period; accepted: both, as in {budget: \"10ms\", period: \"100ms\"}";
    period_alone:
        instance("limits: period: \"1ms\"")
        => "x.cue:5:10: processes[0].limits.period: a period without a budget; accepted: both, as in {budget: \"10ms\", period: \"100ms\"}";
    budget_above_its_period:
        native("limits: {budget: \"11ms\", period: \"10ms\"}", "")
        => "x.cue:3:11: processes[0].limits.budget: the budget 11ms is longer than its period; accepted: 1ns to 10ms";
    budget_of_nothing:
        native("limits: {budget: \"0ms\", period: \"10ms\"}", "")
        => "x.cue:3:11: processes[0].limits.budget: a limit of no time; accepted: more than 0; no limit at all is to leave it out";
    budget_as_a_number:
        native("limits: {budget: 10, period: \"10ms\"}", "")
        => "x.cue:3:11: processes[0].limits.budget: wrong type: int 10; accepted: a duration: a text such as \"10s\" (ns, us, ms, s, m, h)";
    budget_in_bytes:
        native("limits: {budget: \"10MiB\", period: \"10ms\"}", "")
        => "x.cue:3:11: processes[0].limits.budget: wrong value: \"10MiB\"; accepted: a duration: a text such as \"10s\" (ns, us, ms, s, m, h)";
    budget_that_does_not_fit_into_a_number:
        native("limits: {budget: \"9999999999999999999h\", period: \"10ms\"}", "")
        => "x.cue:3:11: processes[0].limits.budget: wrong duration \"9999999999999999999h\"; accepted: a duration: a text such as \"10s\" (ns, us, ms, s, m, h)";
    period_too_short:
        native("limits: {budget: \"1us\", period: \"999us\"}", "")
        => "x.cue:3:26: processes[0].limits.period: the period 999us is out of range; accepted: 1ms to 10s";
    period_too_long:
        instance("limits: {budget: \"1us\", period: \"1h\"}")
        => "x.cue:5:26: processes[0].limits.period: the period 1h is out of range; accepted: 1ms to 10s";
    reserves_beyond_the_largest_machine:
        "name: \"x\"
processes: [
	for n in [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\", \"k\", \"l\", \"m\", \"n\", \"o\", \"p\"] {name: n, program: \"smoke\", limits: memory: \"64GiB\"},
	{name: \"y\", program: \"smoke\", limits: {memory: \"40GiB\", reserve: 0}},
	{name: \"z\", program: \"smoke\", limits: {memory: \"40GiB\", reserve: 1}},
]"
        => "x.cue:5:58: processes[17].limits.reserve: with \"z\" 1048577MiB are set aside for all processes; accepted: at most 1048576MiB together, on the largest machine";
    reserves_beyond_the_stated_machine:
        "name: \"x\"
machine: memory: \"512MiB\"
processes: [
	{name: \"a\", program: \"smoke\", limits: memory: \"256MiB\"},
	{name: \"b\", program: \"smoke\", limits: memory: \"117MiB\"},
]"
        => "x.cue:5:32: processes[1].limits.reserve: with \"b\" 373MiB are set aside for all processes; accepted: at most 372MiB together, on a machine of 512MiB, beside the kernel and the image";
    machine_too_small:
        native("", "machine: memory: \"16MiB\"")
        => "x.cue:5:10: machine.memory: the size 16MiB is out of range; accepted: 192MiB to 1024GiB";
    machine_in_parts_of_a_mebibyte:
        native("", "machine: memory: \"200001KiB\"")
        => "x.cue:5:10: machine.memory: the size 200001KiB is not a whole number of MiB; accepted: whole MiB";
    machine_without_memory:
        native("", "machine: {}")
        => "x.cue:5:1: machine: the field \"memory\" is missing; accepted: a size: a number of bytes, or a text such as \"64MiB\" (B, KiB, MiB, GiB)";
    wrong_duration:
        instance("limits: time: 10")
        => "x.cue:5:10: processes[0].limits.time: wrong type: int 10; accepted: a duration: a text such as \"10s\" (ns, us, ms, s, m, h)";
    no_time:
        instance("limits: time: \"0s\"")
        => "x.cue:5:10: processes[0].limits.time: a limit of no time; accepted: more than 0; no limit at all is to leave it out";
    no_fuel:
        instance("limits: fuel: 0")
        => "x.cue:5:10: processes[0].limits.fuel: wrong value: 0; accepted: a whole number from 1";
    ring_sizes:
        native("rings: {submissions: 64, completions: 64}", "")
        => "x.cue:3:2: processes[0].rings: these ring sizes do not go together; accepted: submissions: a power of two, 4 to 1024; completions: a power of two, at least twice as many, at most 4096; area: whole pages of 4KiB, 4KiB to 1MiB";
    argument_with_a_nul:
        instance("args: [\"a\\u0000b\"]")
        => "x.cue:5:9: processes[0].args[0]: a text with a NUL; accepted: a text without NUL";
    environment_with_an_equals_sign:
        instance("env: \"A=B\": \"c\"")
        => "x.cue:5:7: processes[0].env.\"A=B\": wrong name \"A=B\"; accepted: a name without \"=\" and NUL, not empty";
    too_many_arguments:
        instance("args: [\"x\"*1000000, \"y\"*100000]")
        => "x.cue:5:2: processes[0].args: arguments and environment have 1100013 bytes; accepted: at most 1048576";
    several_mistakes_in_the_order_of_the_file:
        "name: \"x\"\nprocesses: [{name: \"a\", program: \"smok\"}]\nmain: \"b\""
        => "x.cue:2:25: processes[0].program: no program \"smok\"; accepted: capos-wasm, key-value, key-value-reader, key-value-writer, smoke, virtio-console, virtio-rng, or the path of an ELF file with a slash in it\nx.cue:3:1: main: no process \"b\"; accepted: a";
    syntax:
        "name: \"x"
        => "x.cue:1:7: string literal not terminated; accepted: CUE, as in processes: [{name: \"hello\", binary: \"hello.wasm\"}]";
    several_mistakes_of_syntax_are_told_as_the_first:
        "name: \"x\nprocesses: [}"
        => "x.cue:1:7: string literal not terminated; accepted: CUE, as in processes: [{name: \"hello\", binary: \"hello.wasm\"}]";
    nothing_stated:
        "{}"
        => "x.cue:1:1: the field \"name\" is missing; accepted: a name: 1 to 48 letters, digits, '.', '_' and '-', starting with a letter or digit\nx.cue:1:1: the field \"processes\" is missing; accepted: a list of processes";
    no_text:
        "name: \"x\"\0"
        => "x.cue: is not a CUE file: it is not text; accepted: a CUE file, which is text in UTF-8";
    conflict:
        "name: \"x\"\nname: \"y\"\nprocesses: []"
        => "x.cue:2:7: name: conflicting values \"y\" and \"x\"";
    unknown_reference:
        instance("args: [foo]")
        => "x.cue:5:9: processes: reference \"foo\" not found";
    foreign_package:
        "import \"example.org/x\"\nname: x.name"
        => "x.cue:1:8: package \"example.org/x\" is not available; accepted: \"capos.local/cue/defaults\" and CUE's own packages, such as \"strings\"";
    nesting:
        format!("name: {}{}", "[".repeat(1000), "]".repeat(1000))
        => "x.cue:1:107: the manifest is nested too deeply; accepted: at most 100 brackets in each other";
    no_end:
        "import \"list\"\nname: [for x in list.Range(0, 1000000000, 1) {x}]"
        => "x.cue: the evaluation needs too much memory; accepted: a manifest that is evaluated within 5 s of processor time and 1 GiB";
}

#[test]
fn broken_text_module() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.path().join("bad.wat"), "(module (func (bogus)))").unwrap();
    let text = bench.refused("name: \"x\"\nprocesses: [{name: \"a\", binary: \"bad.wat\"}]");
    assert_eq!(text, "x.cue:2:25: processes[0].binary: bad.wat:1:16: unknown operator or unexpected token");
}

#[test]
fn missing_manifest() {
    let Some(bench) = Bench::new() else { return };
    let refusals = capos_manifest_model::load(&bench.library, std::path::Path::new("none.cue")).unwrap_err();
    assert_eq!(
        refusals.to_string(),
        "none.cue: cannot be read: no such file or directory; accepted: a CUE file of at most 1 MiB"
    );
}

#[test]
fn missing_adapter() {
    let Some(bench) = Bench::new() else { return };
    std::fs::remove_file(bench.path().join("lib/capos-wasm.elf")).unwrap();
    assert_eq!(
        bench.refused(&instance("")),
        "the WASI host is missing from this installation: no file lib/capos-wasm.elf"
    );
}
