// Package scenario runs load tests: it makes users and rooms, divides the members among
// processes, lets them do what the scenario says, and figures the result.
//
// A Plan is the whole run, a Part is what one process does of it: one goroutine with one
// swarm. Parts keep step by meeting: at each point all wait, with their connections served
// meanwhile, until the last one has come. With workers the parts are on other hosts;
// without, the one part is in this process. Nothing else differs.
package scenario
