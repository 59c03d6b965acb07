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

// valueTextMax is how much of a wrong value is quoted.
const valueTextMax = 60

// comparison collects where a value differs from the schema.
type comparison struct {
	file     string
	problems []Problem
}

// path is the way to a value: names and list indices.
type path []cue.Selector

// compare looks at one value and everything in it. `schema` is never a reference to be followed by the caller.
func (c *comparison) compare(value, schema cue.Value, at path, depth int) {
	switch kind := value.IncompleteKind(); {
	case depth > depthMax:
		c.add(value, at, tooDeep, "")
	case kind == cue.BottomKind:
		c.problems = append(c.problems, problems(c.file, value.Err())...)
	case kind == cue.StructKind:
		c.compareStruct(value, alternative(schema, value), at, depth)
	case kind == cue.ListKind:
		c.compareList(value, alternative(schema, value), at, depth)
	default:
		c.compareLeaf(value, schema, at, accepts(schema))
	}
}

// compareStruct names unknown and missing fields and looks into the others.
func (c *comparison) compareStruct(value, schema cue.Value, at path, depth int) {
	known, required := fields(schema)
	pattern := schema.LookupPath(cue.MakePath(cue.AnyString))
	stated := map[string]bool{}
	iterator, err := value.Fields()
	if err != nil {
		c.problems = append(c.problems, problems(c.file, err)...)
		return
	}
	for iterator.Next() {
		selector, field := iterator.Selector(), iterator.Value()
		name := selector.Unquoted()
		stated[name] = true
		next := append(at[:len(at):len(at)], selector)
		if inner, ok := known[name]; ok {
			c.compareField(field, inner, next, depth+1)
		} else if pattern.Exists() && schema.Allows(selector) {
			c.compareField(field, pattern, next, depth+1)
		} else if pattern.Exists() {
			c.add(field, next, "wrong name", accepts(schema))
		} else {
			c.add(field, next, "unknown field", listed(keys(known)))
		}
	}
	for _, name := range required {
		if !stated[name] {
			c.add(value, at, fmt.Sprintf("the field %q is missing", name), accepts(known[name]))
		}
	}
}

// compareField looks at one field, whose attribute says what it takes.
func (c *comparison) compareField(value, schema cue.Value, at path, depth int) {
	if value.IncompleteKind() != cue.BottomKind && !takes(schema, value) {
		c.add(value, at, "wrong type: "+kindText(value), accepts(schema))
		return
	}
	c.compare(value, schema, at, depth)
}

// compareList looks at each element.
func (c *comparison) compareList(value, schema cue.Value, at path, depth int) {
	element := schema.LookupPath(cue.MakePath(cue.AnyIndex))
	iterator, err := value.List()
	if err != nil {
		c.problems = append(c.problems, problems(c.file, err)...)
		return
	}
	for index := 0; iterator.Next(); index++ {
		next := append(at[:len(at):len(at)], cue.Index(index))
		inner := iterator.Value()
		if inner.IncompleteKind() != cue.BottomKind && !takes(element, inner) {
			c.add(inner, next, "wrong type: "+kindText(inner), accepts(schema))
		} else if inner.IncompleteKind()&(cue.StructKind|cue.ListKind|cue.BottomKind) != 0 {
			c.compare(inner, element, next, depth+1)
		} else {
			c.compareLeaf(inner, element, next, accepts(schema))
		}
	}
}

// compareLeaf looks at a value that holds no others.
func (c *comparison) compareLeaf(value, schema cue.Value, at path, accepted string) {
	if !value.IsConcrete() {
		c.add(value, at, "not one value: "+valueText(value), accepted)
	} else if schema.Unify(value).Validate(cue.Concrete(true)) != nil {
		c.add(value, at, "wrong value: "+valueText(value), accepted)
	}
}

func (c *comparison) add(value cue.Value, at path, message, accepted string) {
	problem := problemAt(placeOf(c.file, value), pathText(selectorTexts(at)), message, accepted)
	if problem.File == "" {
		problem.File = c.file
	}
	c.problems = append(c.problems, problem)
}

// alternative is the member of a disjunction that the value is meant to be: the one that knows most of its fields.
func alternative(schema, value cue.Value) cue.Value {
	best, bestScore := schema, -1
	for _, candidate := range alternatives(schema) {
		if candidate.IncompleteKind()&value.IncompleteKind() == 0 {
			continue
		}
		known, _ := fields(candidate)
		score := 0
		if iterator, err := value.Fields(); err == nil {
			for iterator.Next() {
				if _, ok := known[iterator.Selector().Unquoted()]; ok {
					score++
				}
			}
		}
		if score > bestScore {
			best, bestScore = candidate, score
		}
	}
	return best
}

// alternatives are the members of a disjunction, or the value alone.
func alternatives(schema cue.Value) []cue.Value {
	operator, members := cue.Dereference(schema).Expr()
	if operator != cue.OrOp {
		return []cue.Value{cue.Dereference(schema)}
	}
	var all []cue.Value
	for _, member := range members {
		all = append(all, alternatives(member)...)
	}
	return all
}

// takes is true if the schema has an alternative of the value's type.
func takes(schema, value cue.Value) bool {
	return schema.IncompleteKind()&value.IncompleteKind() != 0
}

// fields are the fields that a struct of the schema knows, and those among them that have to be stated.
func fields(schema cue.Value) (known map[string]cue.Value, required []string) {
	known = map[string]cue.Value{}
	iterator, err := schema.Fields(cue.Optional(true))
	if err != nil {
		return known, nil
	}
	for iterator.Next() {
		selector, field := iterator.Selector(), iterator.Value()
		name := selector.Unquoted()
		known[name] = field
		if selector.ConstraintType() == 0 && field.Validate(cue.Concrete(true)) != nil {
			required = append(required, name)
		}
	}
	return known, required
}

func keys(known map[string]cue.Value) []string {
	var names []string
	for name := range known {
		names = append(names, name)
	}
	return names
}

// accepts is what the schema says in words about a field.
func accepts(schema cue.Value) string {
	attribute := schema.Attribute("accepts")
	text, _ := attribute.Arg(0)
	return text
}

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

func kindText(value cue.Value) string {
	kind := value.IncompleteKind()
	if kind == cue.StructKind || kind == cue.ListKind {
		return kind.String()
	}
	return kind.String() + " " + valueText(value)
}

func valueText(value cue.Value) string {
	text := []rune(fmt.Sprint(value))
	if len(text) > valueTextMax {
		return string(text[:valueTextMax]) + "..."
	}
	return string(text)
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
