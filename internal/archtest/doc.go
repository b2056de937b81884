// Package archtest holds the rules of the house by its tests: which package
// may import which, where drivers may appear, how long a file may be, what a
// test may not do. It has no code for others to import.
//
// A rule that stands in the way is a decision to change in the tables here,
// with its reason in docs/adr, not one to step around.
package archtest
