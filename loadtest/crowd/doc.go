// Package crowd is the people of a load test: members of rooms on the connections of
// a swarm, who say things and hold everything they are told against the promises of
// the contract: each message of a room once, in one order, with no hole that was not
// told, and as it was sent.
//
// Every text carries what it takes to judge it: the run, the clock and the intended time of
// the send, the sender, a number and a checksum. So any process can judge what another one
// has sent. The first member of a process to get a message judges it; all others must get
// the same bytes, which is what makes judging cheap.
package crowd
