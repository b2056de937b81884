package contract

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// rawQuestions makes n frames whose answers show their order.
func rawQuestions(n int) (frames [][]byte, ids []string) {
	for range n {
		id := unique("question")
		ids = append(ids, id)
		frames = append(frames, rawTextFrame(rawAsk(id)))
	}
	return frames, ids
}

// TestRawFramesBehindTheRequest says things before the upgrade is answered; all
// of them are kept and worked on behind the join.
func TestRawFramesBehindTheRequest(t *testing.T) {
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		for _, n := range []int{1, 2, 10, 500} { // the last are more than any buffer of the upgrade
			t.Run(fmt.Sprintf("%d frames", n), func(t *testing.T) {
				frames, ids := rawQuestions(n)
				c := seat.join(t, frames...)
				c.answered(ids...)
				c.alive()
			})
		}
		t.Run("frames and a part of one", func(t *testing.T) {
			frames, ids := rawQuestions(3)
			for cut := range frames[2] {
				c := seat.join(t, frames[0], frames[1], frames[2][:cut])
				c.answered(ids[:2]...)
				c.write(frames[2][cut:])
				c.answered(ids[2])
			}
		})
		t.Run("a part of a long frame", func(t *testing.T) {
			long := rawTextFrame(rawAsk("long") + fmt.Sprintf("%*s", 10<<10, ""))
			for _, cut := range []int{1, 2, 3, 4, 7, 8, 9, 4<<10 - 1, 4 << 10, len(long) - 1} {
				c := seat.join(t, long[:cut])
				c.write(long[cut:])
				c.answered("long")
			}
		})
		t.Run("a fragment and a ping", func(t *testing.T) {
			c := seat.join(t, rawFrame(rawText, rawAsk("whole")[:5]), rawFrame(rawFin|rawPing, "early"))
			c.ponged("early")
			c.write(rawFrame(rawFin|rawContinuation, rawAsk("whole")[5:]))
			c.answered("whole")
		})
		t.Run("a close", func(t *testing.T) {
			frames, ids := rawQuestions(2)
			c := seat.join(t, frames[0], frames[1], rawFrame(rawFin|rawClose, "\x03\xe8"))
			c.answered(ids...)
			c.ended(1000)
		})
		t.Run("a violation", func(t *testing.T) {
			frames, ids := rawQuestions(1)
			c := seat.join(t, frames[0], rawFrame(rawFin|3, ""))
			c.answered(ids...)
			c.ended(1002)
		})
	})
}

// TestRawRecordsBehindTheRequest has the request and each frame in a TLS record
// of its own, and all records in one segment.
func TestRawRecordsBehindTheRequest(t *testing.T) {
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		for _, n := range []int{1, 2, 100} {
			t.Run(fmt.Sprintf("%d frames", n), func(t *testing.T) {
				frames, ids := rawQuestions(n)
				c := seat.dial(t)
				c.wire.hold()
				c.write(seat.upgrade())
				for _, f := range frames {
					c.write(f)
				}
				c.write(rawFrame(rawFin|rawPing, "last")[:3])
				if err := c.wire.release(); err != nil {
					t.Fatal(err)
				}
				c.welcomed()
				c.answered(ids...)
				c.write(rawFrame(rawFin|rawPing, "last")[3:])
				c.ponged("last")
			})
		}
		t.Run("a record in two segments", func(t *testing.T) {
			const parts = 12
			for part := 1; part < parts; part++ {
				c := seat.dial(t)
				c.wire.hold()
				c.write(seat.upgrade(), rawTextFrame(rawAsk("first")))
				c.write(rawTextFrame(rawAsk("second")))
				rest := slices.Clone(c.wire.held)
				cut := len(rest) * part / parts
				c.wire.held = rest[:cut]
				if err := c.wire.release(); err != nil {
					t.Fatal(err)
				}
				if _, err := c.wire.Write(rest[cut:]); err != nil {
					t.Fatal(err)
				}
				c.welcomed()
				c.answered("first", "second")
				c.alive()
			}
		})
	})
}

// TestRawSegments cuts and joins the stream of frames at will.
func TestRawSegments(t *testing.T) {
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		t.Run("many frames in one", func(t *testing.T) {
			c := seat.join(t)
			frames, ids := rawQuestions(200)
			c.write(frames...)
			c.answered(ids...)
		})
		t.Run("byte by byte", func(t *testing.T) {
			c := seat.dial(t)
			session := slices.Concat(seat.upgrade(),
				rawFrame(rawFin|rawPing, "a"), rawFrame(rawFin|rawPing, ""), // which wait for no answer
				rawTextFrame(rawAsk("short")), rawTextFrame(rawAsk("long")+fmt.Sprintf("%200s", "")),
				rawFrame(rawText, rawAsk("whole")[:7]), rawFrame(rawFin|rawPong, "b"), rawFrame(rawFin|rawContinuation, rawAsk("whole")[7:]),
				rawFrame(rawFin|rawClose, "\x0f\xa0bye"))
			for i := range session {
				c.write(session[i : i+1])
			}
			c.welcomed()
			c.ponged("a")
			c.ponged("")
			c.answered("short", "long", "whole")
			c.ended(4000)
		})
		t.Run("one frame over several", func(t *testing.T) {
			c, pacer := seat.join(t), seat.join(t)
			for _, padding := range []int{0, 200, 10 << 10} { // lengths of 7 and of 16 bits
				f := rawTextFrame(rawAsk("whole") + fmt.Sprintf("%*s", padding, ""))
				for _, cuts := range [][]int{{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {len(f) - 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {len(f) / 3, len(f) / 2}} {
					from := 0
					for _, cut := range append(cuts, len(f)) {
						c.write(f[from:cut])
						pacer.alive() // what is there has been read by now
						from = cut
					}
					c.answered("whole")
				}
			}
		})
		t.Run("the end of one frame and the beginning of the next", func(t *testing.T) {
			c, pacer := seat.join(t), seat.join(t)
			frames, ids := rawQuestions(20)
			stream := bytes.Join(frames, nil)
			for len(stream) > 0 {
				n := min(len(stream), len(frames[0])*3/2)
				c.write(stream[:n])
				pacer.alive()
				stream = stream[n:]
			}
			c.answered(ids...)
		})
	})
}
