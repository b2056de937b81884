// Package stand brings up a cluster to be loaded and hurt: servers as processes of
// the real binary, nginx with the configuration that the project deploys, Redis,
// MySQL and Elasticsearch in containers or at given addresses, and proxies between
// them that can fail. Whoever starts a part stops it, and is told what was not in order.
package stand

import "time"

// Patience bounds every wait for a process; a loaded machine is slow.
const Patience = 30 * time.Second
