//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: the load client needs Linux (epoll, /proc)")
	os.Exit(1)
}
