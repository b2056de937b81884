// Package client is the Go client for Breakwater chat rooms: for bots, load
// tools and drills. One connection serves any number of rooms and heals itself.
//
// # What it keeps
//
// Each message of a room comes once and in order, for as long as the client
// lives: playback, live messages, what was missed while away, and holes that the
// server could not deliver live, which are fetched from the history first. Where
// that is not possible the application is told: Missing (these could not be had)
// or Reset (the room's log began anew). Never is a hole passed over in silence.
//
// Each send is done once. A message keeps its id and is sent again until the
// server acknowledges or refuses it: after a lost connection, after `unavailable`
// or `rate_limited`, not sooner than the server asks for and with growing jitter.
// The server remembers an id for five minutes and within one epoch. What has no
// ack four minutes after it was first sent, or when the epoch ends, is not sent
// again; it fails with ErrUnconfirmed: it may or may not be stored.
//
// # When it reconnects
//
//	what happened                             what the client does
//	network lost, 41xx, anything unknown      full-jitter backoff: anywhere in [0, min(30 s, 0.5 s · 2ⁿ))
//	42xx                                      at once: at a random moment of what is left of the drain window
//	                                          (1 s if none was announced); backoff if it happens again
//	drain frame                               at a random moment of the window a second connection is made and
//	                                          joins all rooms; then the first one is closed with 1000, so that
//	                                          nobody is seen to leave. Where none can be had the first one stays
//	4001 unauthorized, 4002 token_expired     a fresh token from Config.Token, then at once; ends if the same
//	                                          token comes again, or if a fresh one is closed with 4001 within 10 s
//	4003 frame_too_big, 1009                  the longest message in flight fails with ErrFrameTooBig, then
//	                                          backoff; ends if none was in flight
//	4000, 4004, other 40xx, 1002, 1003, 1007  ends; State and Err say why
//	401 on the upgrade                        a fresh token, once; then ends
//	403, 426, 404 that names no room          ends
//	404 no_such_room                          the room is Gone, the other rooms go on
//	429, 503 on the upgrade                   not before Retry-After, plus jitter; backoff if that is longer
//	silence for 60 s, or a request without    the connection is given up as lost
//	an answer for 20 s
//
// The backoff starts anew after a connection that lasted 10 s. The browser
// client, client/js, does the same.
//
// # What it costs
//
// A client costs one goroutine while it is connected and none while it waits to
// reconnect; a second one lives while something is being written. It has one
// timer, which is off when nothing is due. Who takes events by Config.OnEvent
// needs no goroutine of his own; who reads Client.Events has one.
//
// An application that does not take its events stops the reading of the
// connection: at most Config.EventBuffer events wait, and those of one frame.
// The server then closes the connection as it does with slow consumers; when the
// application reads on, the client comes back and goes on where it stopped.
package client
