// Package loadtest is the folder of the harness that proves a cluster: the load
// generator, the drills, the oracle that judges them, and the reports of both.
package loadtest
