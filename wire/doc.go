// Package wire is the public protocol: the frames of the WebSocket, the bodies
// of HTTP, the codes of both, and the documents that describe them.
//
// Parsing is strict: what the contract does not name is refused with the code
// that says why. Appending is exact: whatever the values hold, the output is
// valid JSON in valid UTF-8, with "type" first. The append functions run once a
// message and server, or once an answer; they allocate nothing beyond dst.
//
// Every failure that a client may see is a *breakwater.Error; ProblemOf and
// AppendError turn it into its two shapes on the wire.
package wire
