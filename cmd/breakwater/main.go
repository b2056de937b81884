// Breakwater is a chat-room server in one binary.
package main

import (
	"os"

	"github.com/breakwater-chat/breakwater/app"
)

// version is stamped by the build.
var version = "dev"

func main() { os.Exit(app.Run(os.Args[1:], version, os.Stdin, os.Stdout, os.Stderr)) }
