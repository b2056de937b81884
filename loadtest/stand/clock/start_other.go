//go:build !linux || !amd64

package clock

import "os/exec"

// Supported tells whether Start can do anything.
const Supported = false

// Start fails with ErrUnsupported.
func Start(*exec.Cmd) (*Clock, error) { return nil, ErrUnsupported }
