// The CUE package `defaults` as files that a Go program can carry; the same path names it in CUE and in Go.
module capos.local/cue

go 1.25.0
