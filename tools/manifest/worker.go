package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"syscall"
	"time"
)

const (
	// workerVerb is the argument with which the program starts itself.
	workerVerb = "--evaluate-here"
	// fileBytesMax bounds a manifest: the largest of this project has 2 KiB.
	fileBytesMax = 1 << 20
	// answerBytesMax bounds what is printed.
	answerBytesMax = 16 << 20
	// processorTimeMax bounds the evaluation: an ordinary one takes 20 ms.
	processorTimeMax = 5 * time.Second
	// wallTimeMax ends a worker that waits for something, such as a pipe without a writer.
	wallTimeMax = 60 * time.Second
	// memoryBytesMax bounds the memory of the evaluation: an ordinary one takes 30 MiB, one with as many processes as there
	// can be, and four offers for each, 600 MiB.
	memoryBytesMax = 1 << 30
	// stackBytesMax bounds its stack.
	stackBytesMax = 64 << 20
	// watchInterval is how often time and memory are looked at.
	watchInterval = 20 * time.Millisecond
)

const (
	tooLong   = "the evaluation takes too long"
	tooLarge  = "the evaluation needs too much memory"
	tooDeep   = "the manifest is nested too deeply"
	limitText = "a manifest that is evaluated within 5 s of processor time and 1 GiB"
)

// supervise evaluates the file in a child process and prints an answer in every case.
func supervise(file string) int {
	// The kernel ends the child when the thread that started it ends: this thread has to last.
	runtime.LockOSThread()
	program, err := os.Executable()
	if err != nil {
		return refusal(file, "capos-manifest cannot find itself: "+err.Error(), "").write(os.Stdout)
	}
	limit, cancel := context.WithTimeout(context.Background(), wallTimeMax)
	defer cancel()
	worker := exec.CommandContext(limit, program, workerVerb, file)
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, complaint := &bounded{left: answerBytesMax}, &bounded{left: 64 << 10}
	worker.Stdout, worker.Stderr = output, complaint
	err = worker.Run()
	switch {
	case output.isFull:
		return refusal(file, "the system is too large", "at most 16 MiB when it is written out").write(os.Stdout)
	case worker.ProcessState != nil && worker.ProcessState.Exited() && worker.ProcessState.ExitCode() <= 1:
		if _, err := os.Stdout.Write(output.bytes.Bytes()); err != nil {
			return 2
		}
		return worker.ProcessState.ExitCode()
	case limit.Err() != nil:
		return refusal(file, tooLong, limitText).write(os.Stdout)
	}
	return refusal(file, causeOfDeath(complaint.bytes.String(), err), limitText).write(os.Stdout)
}

// causeOfDeath says why a worker gave no answer.
func causeOfDeath(complaint string, err error) string {
	switch {
	case strings.Contains(complaint, "stack overflow"), strings.Contains(complaint, "stack exceeds"):
		return tooDeep
	case strings.Contains(complaint, "out of memory"), strings.Contains(complaint, "out of range"):
		return tooLarge
	}
	first, _, _ := strings.Cut(complaint, "\n")
	return fmt.Sprintf("the evaluation failed: %v: %s", err, first)
}

// work evaluates the file in this process, under watch.
func work(file string) int {
	debug.SetMaxStack(stackBytesMax)
	go watch(file)
	source, problem := read(file)
	if problem != "" {
		return refusal(file, problem, "a CUE file of at most 1 MiB").write(os.Stdout)
	}
	return evaluate(file, source).write(os.Stdout)
}

// read takes the file in, up to the limit.
func read(file string) ([]byte, string) {
	handle, err := os.Open(file)
	if err != nil {
		return nil, "cannot be read: " + reason(err)
	}
	defer handle.Close()
	source, err := io.ReadAll(io.LimitReader(handle, fileBytesMax+1))
	if err != nil {
		return nil, "cannot be read: " + reason(err)
	}
	if len(source) > fileBytesMax {
		return nil, "the file is larger than 1 MiB"
	}
	return source, ""
}

// reason is an error without the path, which the answer has anyway.
func reason(err error) string {
	if inner, ok := err.(*os.PathError); ok {
		return inner.Err.Error()
	}
	return err.Error()
}

// watch ends the process with an answer when a limit is passed.
func watch(file string) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64() > memoryBytesMax {
			os.Exit(refusal(file, tooLarge, limitText).write(os.Stdout))
		}
		var usage syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
			used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
			if used > processorTimeMax {
				os.Exit(refusal(file, tooLong, limitText).write(os.Stdout))
			}
		}
		time.Sleep(watchInterval)
	}
}

// bounded keeps what is written to it, up to a limit, and then refuses.
type bounded struct {
	bytes  bytes.Buffer
	left   int
	isFull bool
}

func (buffer *bounded) Write(data []byte) (int, error) {
	if len(data) > buffer.left {
		buffer.isFull = true
		return 0, fmt.Errorf("too much output")
	}
	buffer.left -= len(data)
	return buffer.bytes.Write(data)
}
