// Command cuefmt formats CUE files in place, or with -check only names those that are not formatted.
//
// Called by `make fmt` and `make fmt-check`. It is the formatter of the pinned CUE library, so the manifest tool and the
// formatter never disagree about the language.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"cuelang.org/go/cue/format"
)

func main() {
	check := flag.Bool("check", false, "write nothing; end with 1 if a file is not formatted")
	flag.Parse()
	clean := true
	for _, name := range flag.Args() {
		same, err := one(name, *check)
		if err != nil {
			fmt.Fprintf(os.Stderr, "cuefmt: %s: %v\n", name, err)
			clean = false
		} else if *check && !same {
			fmt.Fprintf(os.Stderr, "%s: not formatted; `make fmt` formats it\n", name)
			clean = false
		}
	}
	if !clean {
		os.Exit(1)
	}
}

// one formats a single file, and tells whether it already was.
func one(name string, check bool) (bool, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	formatted, err := format.Source(source)
	if err != nil {
		return false, err
	}
	if bytes.Equal(source, formatted) || check {
		return bytes.Equal(source, formatted), nil
	}
	return false, os.WriteFile(name, formatted, 0o644)
}
