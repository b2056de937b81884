// Command bench measures what a server costs: resident memory per idle
// connection, CPU per handshake and per delivery, and delivery latency. It runs
// the real binary and, beside it, a reference that does the least a server can
// do for the same clients (reference.go); every figure is shown with the ratio
// of the two, because the ratio travels between machines and the figure does not.
//
// What the clients receive is checked while it is measured: every member gets
// every seq once and in order, with the same bytes, and every send comes back
// under its own id, author and text. A failed check fails the run.
//
// The load comes from one thread on epoll (swarm.go), so that the client leaves
// the machine to the server. All traffic stays on loopback. Linux only.
package main
