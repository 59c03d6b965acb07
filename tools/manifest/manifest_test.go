package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the worker that `supervise` starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == workerVerb {
		os.Exit(work(os.Args[2]))
	}
	if len(os.Args) == 3 && os.Args[1] == "--supervise" {
		os.Exit(supervise(os.Args[2]))
	}
	os.Exit(m.Run())
}

// answerTo runs the whole program on a file with this text, in a folder where there is nothing else.
func answerTo(t *testing.T, text string) (Answer, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.cue")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "--supervise", "x.cue")
	command.Dir = filepath.Dir(file)
	// No network, no module cache, no configuration: the program needs none of them.
	command.Env = []string{"HOME=/nonexistent"}
	output, err := command.Output()
	var answer Answer
	if problem := json.Unmarshal(output, &answer); problem != nil {
		t.Fatalf("%v: %v: %s", err, problem, output)
	}
	return answer, command.ProcessState.ExitCode()
}

// lines are the errors of an answer as people see them.
func lines(answer Answer) string {
	var text []string
	for _, it := range answer.Errors {
		text = append(text, fmt.Sprintf("%s:%d:%d: %s: %s; %s", it.File, it.Line, it.Column, it.Path, it.Message, it.Accepted))
	}
	return strings.Join(text, "\n")
}

const head = "package x\nimport \"capos.local/cue/defaults\"\ndefaults.#System & {\n"

func TestDefaultsAreFilledIn(t *testing.T) {
	answer, status := answerTo(t, head+`	name: "x"
	processes: [{name: "a", binary: "b.wasm", args: ["c", '\xff', '\x41']}, {name: "n", program: "p"}]
}
`)
	if status != 0 || len(answer.Errors) != 0 {
		t.Fatal(status, lines(answer))
	}
	want := `{"name":"x","processes":[{"binary":"b.wasm","args":["c",{"$bytes":"ff"},"A"],"env":{},` +
		`"caps":{"console":false,"log":false,"timer":false,"random":false,"preopens":[]},"name":"a","after":[],` +
		`"verify":"call","limits":{"memory":"256MiB"}},` +
		`{"name":"n","after":[],"program":"p","uses":{},"serves":{},` +
		`"restart":{"when":"never","most":3,"delay":"10ms"},"limits":{"memory":"16MiB","stack":"256KiB"},"rings":{}}],` +
		`"offers":[],"parts":{}}`
	if string(answer.Value) != want {
		t.Errorf("%s", answer.Value)
	}
	for path, place := range map[string]string{
		"": "x.cue:1:1", "name": "x.cue:4:2", "processes[0].binary": "x.cue:5:26", "processes[0].args[1]": "x.cue:5:56",
	} {
		if answer.Positions[path] != place {
			t.Errorf("%q is at %q, not at %q", path, answer.Positions[path], place)
		}
	}
	if _, isThere := answer.Positions["processes[0].limits.memory"]; isThere {
		t.Error("a default has a place in the file")
	}
}

func TestSchemaHoldsWithoutImport(t *testing.T) {
	answer, status := answerTo(t, "name: \"x\"\nprocesses: [{name: \"n\", program: \"p\", bogus: 1}]\n")
	want := `x.cue:2:39: processes[0].bogus: unknown field; after, limits, name, program, restart, rings, serves, uses`
	if status != 1 || lines(answer) != want {
		t.Error(status, lines(answer))
	}
}

func TestMistakesInsideDefaultsAreLeaves(t *testing.T) {
	answer, status := answerTo(t, head+`	name: "x"
	processes: [{
		name: "a"
		binary: "b.wasm"
		caps: {console: {stdout: 1}, random: {}}
		limits: {memory: true, recursion: 1.5}
	}, {name: "c"}]
	offers: [{cap: "timer", from: "kernel", methods: ["now"]}]
}
`)
	want := strings.Join([]string{
		`x.cue:8:20: processes[0].caps.console.stdout: wrong type: int 1; true or false`,
		`x.cue:8:32: processes[0].caps.random: wrong type: struct; true, false, or a list of methods`,
		`x.cue:9:12: processes[0].limits.memory: wrong type: bool true; a size: a number of bytes, or a text such as "64MiB" (B, KiB, MiB, GiB)`,
		`x.cue:9:26: processes[0].limits.recursion: wrong type: float 1.5; a whole number from 1 to 1000000`,
		`x.cue:10:5: processes[1]: the field "binary" is missing; the path of a .wasm or .wat file, relative to the manifest`,
		`x.cue:11:11: offers[0]: the field "to" is missing; the name of a process`,
	}, "\n")
	if status != 1 || lines(answer) != want {
		t.Errorf("%d\n%s", status, lines(answer))
	}
}

// TestHostileFiles gives files that no evaluator survives; each gets an answer, soon.
func TestHostileFiles(t *testing.T) {
	doubled := "a0: \"x\"*1000\n"
	for index := range 30 {
		doubled += fmt.Sprintf("a%d: a%d+a%d\n", index+1, index, index)
	}
	for name, it := range map[string]struct{ text, message string }{
		"brackets":     {"a: " + strings.Repeat("[", 100000), tooDeep},
		"fields":       {strings.Repeat("a:", 100000) + "1", tooDeep},
		"sum":          {"a: 1" + strings.Repeat("+1", 200000), tooDeep},
		"range":        {"import \"list\"\na: [for x in list.Range(0, 1000000000, 1) {x}]", tooLarge},
		"doubled text": {doubled, tooLarge},
		"large":        {strings.Repeat("#", fileBytesMax+1), "the file is larger than 1 MiB"},
		"structural":   {"name: \"x\"\na: b: a", "structural cycle"},
		"binary":       {"\x00\x01\x02", "it is not text"},
		"long product": {"import \"list\"\nname: \"x\"\nprocesses: [for a in list.Range(0, 3000, 1) for b in list.Range(0, 3000, 1) {name: \"\\(a)\", program: \"p\"}]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			answer, status := answerTo(t, it.text)
			if status != 1 || len(answer.Errors) == 0 || !strings.Contains(answer.Errors[0].Message, it.message) {
				t.Errorf("status %d, %s", status, lines(answer))
			}
			if took := time.Since(start); took > 2*wallTimeMax {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for file, message := range map[string]string{
		"/nonexistent": "cannot be read: no such file or directory", "/": "cannot be read: is a directory",
		"/dev/zero": "the file is larger than 1 MiB",
	} {
		if _, problem := read(file); problem != message {
			t.Errorf("%s: %s", file, problem)
		}
	}
}

func TestFormatting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.cue")
	if err := os.WriteFile(file, []byte("a:   1\nbc: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if formatFiles([]string{"--check", file}) != 1 || formatFiles([]string{file}) != 0 || formatFiles([]string{"--check", file}) != 0 {
		t.Error("a file that is not formatted is named, then formatted, then accepted")
	}
	if text, _ := os.ReadFile(file); string(text) != "a:  1\nbc: 2\n" {
		t.Errorf("%q", text)
	}
}

// TestManifestsAreFormatted checks the schema and the systems of this project.
func TestManifestsAreFormatted(t *testing.T) {
	systems, _ := filepath.Glob("../../manifests/*.cue")
	schema, _ := filepath.Glob("../../manifests/defaults/*.cue")
	if len(systems) < 4 || len(schema) < 3 {
		t.Fatalf("found %v and %v", systems, schema)
	}
	if formatFiles(append([]string{"--check"}, append(systems, schema...)...)) != 0 {
		t.Error("run `make fmt`")
	}
}
