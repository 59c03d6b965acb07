// Command capos-manifest evaluates a capOS manifest.
//
//	capos-manifest FILE.cue               prints the system as JSON, or what is wrong with it, and exits 0 or 1
//	capos-manifest fmt [--check] FILE...  formats CUE files in place, or names those that are not formatted
//
// Called by the host command `capos`; calls the CUE library. It needs no network, no module and no folder of its own: the
// package capos.local/cue/defaults is inside the program, and no other file than FILE.cue is read.
//
// Invariant: every answer to FILE.cue is one JSON object on standard output, whatever the file holds: the evaluation runs
// in a child process with limits of time and memory, and its death is an answer too.
package main

import (
	"fmt"
	"os"
)

const usage = `usage: capos-manifest FILE.cue
       capos-manifest fmt [--check] FILE.cue...
`

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(arguments []string) int {
	switch {
	case len(arguments) >= 2 && arguments[0] == "fmt":
		return formatFiles(arguments[1:])
	case len(arguments) == 2 && arguments[0] == workerVerb:
		return work(arguments[1])
	case len(arguments) == 1 && arguments[0] != "fmt" && arguments[0][:min(1, len(arguments[0]))] != "-":
		return supervise(arguments[0])
	}
	fmt.Fprint(os.Stderr, usage)
	return 2
}
