// Package contract walks the public contract from outside: every route, every
// frame, every code, over clients that share no code with the server. What the
// server says is held against the published documents on the way.
package contract
