// Package kubernetes holds the project's manifests to what Kubernetes takes and to
// what the program is: strictly by the types of its API, and by what in one
// manifest must be so because of another.
package kubernetes
