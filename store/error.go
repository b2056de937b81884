package store

import "errors"

// ErrFenced says that a server acts under an incarnation that is not alive any
// more: others may already have taken over its claims, so it must stop, take a
// new incarnation and enter its live connections again.
var ErrFenced = errors.New("the server's incarnation is not alive any more")

// ErrSuperseded says that another process has registered as this server and lives.
var ErrSuperseded = errors.New("another process is this server now")
