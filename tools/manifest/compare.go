package main

import (
	"fmt"
	"slices"
	"strconv"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
)

// valueTextMax is how much of a wrong value is quoted.
const valueTextMax = 60

// listOfProcesses may be empty for the schema, but a manifest that does not state it lacks it.
const listOfProcesses = "processes"

// comparison collects where a value differs from the schema.
type comparison struct {
	file     string
	problems []Problem
}

// compare looks at one value and everything in it. `schema` is never a reference to be followed by the caller.
func (c *comparison) compare(value, schema cue.Value, at path, depth int) {
	switch kind := value.IncompleteKind(); {
	case depth > depthMax:
		c.add(value, at, tooDeep, "")
	case kind == cue.BottomKind && len(at) == 0:
		c.addErrorsOfFile(value, schema)
	case kind == cue.BottomKind:
		c.addErrors(value, at)
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
		} else if pattern.Exists() {
			c.compareField(field, pattern, next, depth+1)
		} else {
			c.add(field, next, "unknown field", listed(keys(known)))
		}
	}
	if _, ok := known[listOfProcesses]; ok && len(at) == 0 && !slices.Contains(required, listOfProcesses) {
		required = append(required, listOfProcesses)
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

// addErrors tells what the evaluator says of a value that has none. Its own paths leave out list indices.
func (c *comparison) addErrors(value cue.Value, at path) {
	for _, problem := range problems(c.file, value.Err()) {
		problem.Path = pathText(selectorTexts(at))
		c.problems = append(c.problems, problem)
	}
}

// addErrorsOfFile tells what the evaluator says of a file that has no value at all. A path is kept up to where an index
// is missing.
func (c *comparison) addErrorsOfFile(value, schema cue.Value) {
	for _, one := range errors.Errors(value.Err()) {
		parts := one.Path()
		at := schema
		for index, part := range parts {
			_, err := strconv.Atoi(part)
			if at.IncompleteKind() == cue.ListKind && err != nil {
				parts = parts[:index]
				break
			}
			at = at.LookupPath(cue.MakePath(cue.Str(part).Optional()))
		}
		problem := problems(c.file, one)[0]
		problem.Path = pathText(parts)
		c.problems = append(c.problems, problem)
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

// accepts is what the schema says in words about a field; nothing of the entries of uses, env and the like.
func accepts(schema cue.Value) string {
	attribute := schema.Attribute("accepts")
	if attribute.NumArgs() == 0 {
		return ""
	}
	text, _ := attribute.Arg(0)
	return text
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
