package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"capos.local/cue/defaults"
	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// defaultsPath is the one package that a manifest can import besides CUE's own.
const defaultsPath = "capos.local/cue/defaults"

// syntaxText is what a file is that can be parsed.
const syntaxText = `CUE, as in processes: [{name: "hello", binary: "hello.wasm"}]`

// evaluate is the answer to one manifest.
//
// The file is evaluated twice: against the closed schema, which decides and fills in the defaults, and with a schema that
// permits everything, which tells what the file itself states, and where. Messages come from comparing the second with
// the schema value by value: a disjunction that failed as a whole says nothing about the field that is wrong.
func evaluate(file string, source []byte) Answer {
	if bytes.IndexByte(source, 0) >= 0 || !utf8.Valid(source) {
		return refusal(file, "is not a CUE file: it is not text", "a CUE file, which is text in UTF-8")
	}
	if position, ok := deepestBracket(file, source); ok {
		return Answer{Errors: []Problem{problemAt(position, "", tooDeep, fmt.Sprintf("at most %d brackets in each other", depthMax))}}
	}
	syntax, err := parser.ParseFile(file, source)
	if err != nil {
		// What follows the first error of syntax is most often its consequence.
		first := problems(file, err)[:1]
		first[0].Accepted = syntaxText
		return Answer{Errors: first}
	}
	if found := foreignImports(syntax); len(found) > 0 {
		return Answer{Errors: found}
	}
	context := cuecontext.New()
	schema := context.BuildInstance(defaultsPackage(build.NewContext(), false)).LookupPath(cue.ParsePath("#System"))
	if err := schema.Err(); err != nil {
		return refusal(file, "the built-in schema is broken: "+err.Error(), "")
	}
	stated := evaluateWith(context, syntax, true)
	system := evaluateWith(context, syntax, false).Unify(schema)
	if err := system.Validate(cue.Concrete(true), cue.Final()); err != nil {
		comparison := comparison{file: file}
		comparison.compare(stated, schema, nil, 0)
		if len(comparison.problems) == 0 {
			comparison.problems = problems(file, err)
		}
		return Answer{Errors: comparison.problems}
	}
	return accepted(file, system, stated)
}

// evaluateWith builds the file on the closed defaults or on permissive ones.
func evaluateWith(context *cue.Context, syntax *ast.File, isPermissive bool) cue.Value {
	builder := build.NewContext()
	instance := builder.NewInstance("", func(_ token.Pos, path string) *build.Instance {
		if path == defaultsPath {
			return defaultsPackage(builder, isPermissive)
		}
		return nil
	})
	if err := instance.AddSyntax(syntax); err != nil {
		instance.Err = err
	} else if err := instance.Complete(); err != nil {
		instance.Err = errors.Promote(err, "imports")
	}
	return context.BuildInstance(instance)
}

// defaultsPackage is the package of the schema. The permissive one has the same definitions, each of which takes anything.
func defaultsPackage(builder *build.Context, isPermissive bool) *build.Instance {
	instance := builder.NewInstance(defaultsPath, nil)
	instance.ImportPath, instance.PkgName = defaultsPath, "defaults"
	entries, err := defaults.Files.ReadDir(".")
	if err != nil {
		instance.Err = errors.Promote(err, "built-in schema")
		return instance
	}
	for _, entry := range entries {
		source, err := defaults.Files.ReadFile(entry.Name())
		if err != nil {
			instance.Err = errors.Promote(err, "built-in schema")
			return instance
		}
		syntax, err := parser.ParseFile("capos.local/cue/defaults/"+entry.Name(), source)
		if err != nil {
			instance.Err = errors.Promote(err, "built-in schema")
			return instance
		}
		if isPermissive {
			permitEverything(syntax)
		}
		if instance.AddSyntax(syntax) != nil {
			return instance
		}
	}
	if err := instance.Complete(); err != nil {
		instance.Err = errors.Promote(err, "built-in schema")
	}
	return instance
}

// permitEverything makes every definition of the file take any value.
func permitEverything(syntax *ast.File) {
	for _, declaration := range syntax.Decls {
		if field, ok := declaration.(*ast.Field); ok {
			field.Value = ast.NewIdent("_")
		}
	}
}

// foreignImports names the imports that are not there: a manifest reads no other files.
func foreignImports(syntax *ast.File) []Problem {
	var found []Problem
	for specification := range syntax.ImportSpecs() {
		path := strings.Trim(specification.Path.Value, `"`)
		first, _, _ := strings.Cut(path, "/")
		if path != defaultsPath && strings.Contains(first, ".") {
			found = append(found, problemAt(specification.Path.Pos(), "", fmt.Sprintf("package %q is not available", path),
				`"`+defaultsPath+`" and CUE's own packages, such as "strings"`))
		}
	}
	return found
}

// listed joins names for a message.
func listed(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
