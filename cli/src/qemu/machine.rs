//! The machines that a system can run on, as QEMU's command line says them.
//!
//! Called by `command` (which turns a request into a [`Boot`]) and by `supervisor`; calls nobody.
//!
//! Invariant: the command line names every device; QEMU adds none by itself (`-nodefaults`, `-no-user-config`).

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use capos_abi::host;

/// Bytes of a mebibyte, QEMU's unit of memory.
pub const MEBIBYTE: u64 = 1 << 20;

/// A kind of machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Machine {
    /// virtio devices on MMIO and nothing else: the shortest boot.
    #[default]
    Microvm,
    /// A PC with PCI, started by qboot.
    Q35,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's translator.
    Tcg,
    /// The processor, through the host's kernel.
    Kvm,
}

impl Accelerator {
    /// QEMU's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }

    /// The CPU model. Under KVM the features are hidden that the kernel does not use and that no test under TCG covers.
    #[must_use]
    pub fn cpu(self) -> &'static str {
        match self {
            Accelerator::Tcg => "max",
            Accelerator::Kvm => {
                "host,-x2apic,-tsc-deadline,-pcid,-invpcid,-kvmclock,-kvmclock-stable-bit,-arch-capabilities"
            }
        }
    }
}

/// QEMU's end of a channel.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    /// A connected socket, by its number in the child process.
    Descriptor(RawFd),
    /// A file, for a command line that somebody else starts.
    File(&'static str),
}

impl Backend {
    fn argument(self, name: &str) -> String {
        match self {
            Backend::Descriptor(number) => format!("-chardev socket,id={name},fd={number}"),
            Backend::File(path) => format!("-chardev file,id={name},path={path}"),
        }
    }
}

/// QEMU's ends of the channels.
#[derive(Clone, Copy, Debug)]
pub struct Backends {
    /// Output frames.
    pub output: Backend,
    /// The outcome.
    pub control: Backend,
    /// The debug console.
    pub log: Backend,
}

impl Backends {
    /// For a command line on paper: frames on standard output, the kernel's log on standard error, no outcome.
    pub const PRINTED: Backends = Backends {
        output: Backend::File("/dev/stdout"),
        control: Backend::File("/dev/null"),
        log: Backend::File("/dev/stderr"),
    };
}

/// Where QEMU waits for a debugger before the first instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Debugger {
    /// A TCP port of 127.0.0.1.
    Port(u16),
    /// A socket in the file system.
    Socket(PathBuf),
}

impl Debugger {
    fn arguments(&self) -> [OsString; 3] {
        let place = match self {
            Debugger::Port(port) => format!("tcp:127.0.0.1:{port}").into(),
            Debugger::Socket(path) => {
                // QEMU reads two commas as one that belongs to the path.
                let path = path.as_os_str().to_string_lossy().replace(',', ",,");
                OsString::from(format!("unix:{path},server=on,wait=off"))
            }
        };
        ["-S".into(), "-gdb".into(), place]
    }
}

/// Everything that decides a command line.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The kind of machine.
    pub machine: Machine,
    /// What executes the instructions.
    pub accelerator: Accelerator,
    /// Bytes of memory; rounded up to whole mebibytes.
    pub memory_bytes: u64,
    /// The PVH ELF that starts.
    pub boot_stage: PathBuf,
    /// The boot image.
    pub image: PathBuf,
    /// Where to wait for a debugger, if at all.
    pub debugger: Option<Debugger>,
    /// Further arguments, after all others.
    pub extra_arguments: Vec<OsString>,
}

impl Boot {
    /// QEMU's arguments, without the program itself.
    #[must_use]
    pub fn arguments(&self, channels: Backends) -> Vec<OsString> {
        let mut arguments = machine_arguments(self.machine, self.accelerator, self.memory_bytes);
        let mut add = |words: &str| arguments.extend(words.split(' ').map(OsString::from));
        // Two ports behind port 0, which is a virtconsole's: the driver sets up a queue for each that there may be.
        let bus = match self.machine {
            // Eight slots share a page of registers: a device whose page is its own can be given to a process.
            Machine::Microvm => [
                "virtio-serial-device,max_ports=3,bus=virtio-mmio-bus.23",
                "virtio-rng-device,bus=virtio-mmio-bus.15",
            ],
            Machine::Q35 => {
                ["virtio-serial-pci,max_ports=3,disable-legacy=on", "virtio-rng-pci,disable-legacy=on"]
            }
        };
        add(&channels.log.argument("log"));
        add(&format!("-device isa-debugcon,iobase={:#x},chardev=log", host::DEBUG_CONSOLE_PORT));
        add(&format!("-device {} -device {}", bus[0], bus[1]));
        add(&channels.output.argument("output"));
        add(&format!("-device virtserialport,name={},chardev=output", host::OUTPUT_PORT));
        add(&channels.control.argument("control"));
        add(&format!("-device virtserialport,name={},chardev=control", host::CONTROL_PORT));
        arguments.extend(["-kernel".into(), self.boot_stage.clone().into_os_string()]);
        arguments.extend(["-initrd".into(), self.image.clone().into_os_string()]);
        arguments.extend(self.debugger.iter().flat_map(Debugger::arguments));
        arguments.extend(self.extra_arguments.iter().cloned());
        arguments
    }
}

/// The part of the command line that a bare machine needs, with isa-debug-exit and without any other device.
#[must_use]
pub fn machine_arguments(machine: Machine, accelerator: Accelerator, memory_bytes: u64) -> Vec<OsString> {
    let machine = match machine {
        // With ACPI, which nothing here reads, it has 24 slots for devices in place of 8.
        Machine::Microvm => {
            "-M microvm,x-option-roms=off,pit=off,pic=off,rtc=on,isa-serial=off,acpi=on,auto-kernel-cmdline=off \
             -global virtio-mmio.force-legacy=false"
        }
        Machine::Q35 => "-M q35 -bios qboot.rom",
    };
    let words = format!(
        "{machine} -accel {} -cpu {} -m {}M -nodefaults -no-user-config -display none -no-reboot \
         -device isa-debug-exit,iobase={:#x},iosize=4",
        accelerator.word(),
        accelerator.cpu(),
        memory_bytes.div_ceil(MEBIBYTE),
        host::DEBUG_EXIT_PORT,
    );
    words.split(' ').map(OsString::from).collect()
}
