package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"
)

// errorsMax is how many errors are told: a person mends a few at a time.
const errorsMax = 20

// Answer is what the program prints: a value with positions, or errors.
type Answer struct {
	// Value is the system, every default filled in. A byte string that is no text is {"$bytes": "<hexadecimal>"}.
	Value json.RawMessage `json:"value,omitempty"`
	// Positions maps the path of each value that the file states to file:line:column.
	Positions map[string]string `json:"positions,omitempty"`
	// Errors is all that is wrong; the file is accepted exactly if it is empty.
	Errors []Problem `json:"errors,omitempty"`
}

// Problem is one thing that is wrong.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1; 0 if the place is not known.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is the path of the value; empty for the file as a whole.
	Path    string `json:"path"`
	Message string `json:"message"`
	// Accepted says what would be accepted; empty if nothing can be said.
	Accepted string `json:"accepted"`
}

// problemAt is a problem at a place.
func problemAt(position token.Pos, path, message, accepted string) Problem {
	problem := Problem{Path: path, Message: message, Accepted: accepted}
	if position.IsValid() {
		at := position.Position()
		problem.File, problem.Line, problem.Column = at.Filename, at.Line, at.Column
	}
	return problem
}

// refusal is the answer to a file that is refused as a whole.
func refusal(file, message, accepted string) Answer {
	return Answer{Errors: []Problem{{File: file, Message: message, Accepted: accepted}}}
}

// problems translates errors of the CUE library. Of several places the first one in `file` counts.
func problems(file string, err error) []Problem {
	var found []Problem
	seen := map[Problem]bool{}
	for _, one := range errors.Errors(err) {
		format, arguments := one.Msg()
		problem := problemAt(placeIn(file, one), pathText(one.Path()), fmt.Sprintf(format, arguments...), "")
		if problem.File == "" {
			problem.File = file
		}
		if !seen[problem] {
			seen[problem] = true
			found = append(found, problem)
		}
	}
	return found
}

// placeIn is the first place of an error that lies in `file`.
func placeIn(file string, err errors.Error) token.Pos {
	for _, position := range append([]token.Pos{err.Position()}, err.InputPositions()...) {
		if position.IsValid() && position.Filename() == file {
			return position
		}
	}
	return token.NoPos
}

// write prints the answer and returns the exit status.
func (answer Answer) write(output io.Writer) int {
	if len(answer.Errors) > errorsMax {
		answer.Errors = answer.Errors[:errorsMax]
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	status := 0
	if len(answer.Errors) > 0 {
		status = 1
	}
	if err := encoder.Encode(answer); err != nil {
		return 2
	}
	if _, err := output.Write(text.Bytes()); err != nil {
		return 2
	}
	return status
}
