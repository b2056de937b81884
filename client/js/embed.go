// Package js holds the browser client, a dependency-free ES module, so that the server can serve the
// same files that are published as breakwater-client.
package js

import "embed"

// Files holds the module's scripts, named as they are imported: breakwater.js is the entry.
//
//go:embed *.js
var Files embed.FS
