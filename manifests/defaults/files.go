// Package defaults carries the CUE files of this folder, the closed schema of a system.
//
// Called by tools/manifest, which unifies each manifest with them.
package defaults

import "embed"

// Files are the CUE files of the package capos.local/cue/defaults.
//
//go:embed *.cue
var Files embed.FS
