// Package drill hurts a cluster on purpose and judges what its users saw.
//
// A drill brings seeded people into rooms of a running cluster (package stand), lets
// them talk, injects its fault, waits until all are back, lets them fall silent, reads
// what the databases hold, and has the oracle judge all of it. Whatever anybody saw is
// in the history that it leaves behind, beside a report.
//
// Drills share a cluster: each has people and rooms of its own and leaves the cluster
// whole. One that cannot costs the next one a new cluster.
package drill
