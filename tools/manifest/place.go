package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
)

// depthMax bounds how deeply brackets, and values, lie in each other: the schema itself needs 6.
const depthMax = 100

// path is the way to a value: names and list indices.
type path []cue.Selector

// placeOf is where the file states a value: the first of the value's parts that lies in it.
func placeOf(file string, value cue.Value) token.Pos {
	if position := value.Pos(); position.IsValid() && position.Filename() == file {
		return position
	}
	if operator, parts := value.Expr(); operator == cue.AndOp {
		for _, part := range parts {
			if position := part.Pos(); position.IsValid() && position.Filename() == file {
				return position
			}
		}
	}
	return token.NoPos
}

var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// selectorTexts are the parts of a path as the CUE library writes them.
func selectorTexts(at path) []string {
	var parts []string
	for _, selector := range at {
		if selector.Type() == cue.IndexLabel {
			parts = append(parts, strconv.Itoa(selector.Index()))
		} else {
			parts = append(parts, selector.Unquoted())
		}
	}
	return parts
}

// pathText writes a path: processes[0].env."A-B".
func pathText(parts []string) string {
	var text strings.Builder
	for index, part := range parts {
		if _, err := strconv.ParseUint(part, 10, 31); err == nil && index > 0 {
			fmt.Fprintf(&text, "[%s]", part)
			continue
		}
		if index > 0 {
			text.WriteByte('.')
		}
		if plainName.MatchString(part) {
			text.WriteString(part)
		} else {
			text.WriteString(strconv.Quote(part))
		}
	}
	return text.String()
}

// deepestBracket finds the first bracket that lies too deep for the evaluator.
func deepestBracket(file string, source []byte) (token.Pos, bool) {
	var tokens scanner.Scanner
	handle := token.NewFile(file, -1, len(source))
	tokens.Init(handle, source, nil, scanner.DontInsertCommas)
	depth := 0
	for {
		position, kind, _ := tokens.Scan()
		switch kind {
		case token.EOF:
			return token.NoPos, false
		case token.LBRACE, token.LBRACK, token.LPAREN:
			depth++
		case token.RBRACE, token.RBRACK, token.RPAREN:
			depth--
		}
		if depth > depthMax {
			return position, true
		}
	}
}
