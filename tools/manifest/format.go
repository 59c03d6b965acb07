package main

import (
	"bytes"
	"fmt"
	"os"

	"cuelang.org/go/cue/format"
)

// formatFiles writes CUE files as `cue fmt` does. With --check it changes nothing and exits 1 if a file would change.
func formatFiles(arguments []string) int {
	isCheck := arguments[0] == "--check"
	if isCheck {
		arguments = arguments[1:]
	}
	status := 0
	for _, file := range arguments {
		if err := formatFile(file, isCheck); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			status = 1
		}
	}
	return status
}

func formatFile(file string, isCheck bool) error {
	source, problem := read(file)
	if problem != "" {
		return fmt.Errorf("%s", problem)
	}
	formatted, err := format.Source(source)
	if err != nil {
		first := problems(file, err)[0]
		return fmt.Errorf("%d:%d: %s", first.Line, first.Column, first.Message)
	}
	if bytes.Equal(formatted, source) {
		return nil
	}
	if isCheck {
		return fmt.Errorf("not formatted; run `capos-manifest fmt %s`", file)
	}
	return os.WriteFile(file, formatted, 0o644)
}
