// Package crash kills the real server with SIGKILL while people talk, starts it
// again on what is left, and holds what the clients saw against the promises of
// an ack. Its tests are the package; checker.go is the judge, which knows
// nothing of the server and has tests of its own.
package crash
