package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// narrowLink takes as many bytes of a write as it is told.
type narrowLink struct {
	taken bytes.Buffer
	// room is how many bytes the next writes take; negative is no bound.
	room int
}

func (l *narrowLink) write(bufs [][]byte) (n int, _ error) {
	for _, b := range bufs {
		if l.room >= 0 {
			b = b[:min(len(b), l.room)]
			l.room -= len(b)
		}
		l.taken.Write(b)
		n += len(b)
	}
	return n, nil
}

func (*narrowLink) start(*conn)     {}
func (*narrowLink) direct() bool    { return true }
func (*narrowLink) nudge()          {}
func (*narrowLink) watch(_, _ bool) {}
func (*narrowLink) finishWriting()  {}
func (*narrowLink) abort()          {}
func (*narrowLink) close()          {}
func (l *narrowLink) frames() []string { // of whole frames only
	var all []string
	for rest := bytes.NewReader(l.taken.Bytes()); rest.Len() > 0; {
		header, err := ws.ReadHeader(rest)
		payload := make([]byte, header.Length)
		if _, short := io.ReadFull(rest, payload); err != nil || short != nil {
			return append(all, "a broken frame")
		}
		all = append(all, string(payload))
	}
	return all
}

// TestWritesThatAreCutLoseNothing writes a connection's answers and the logs of
// two rooms through a socket that takes any number of bytes at a time: every
// frame arrives whole and once, those of each source in their order, and none
// that the connection skips.
func TestWritesThatAreCutLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
		l := &narrowLink{}
		c := &conn{hub: hub, link: l}
		for range 2 {
			c.rooms = append(c.rooms, &member{conn: c, room: &room{hub: hub}})
		}
		want := map[byte][]string{}
		made := 0
		frame := func(source byte) (string, []byte) {
			made++
			// All three forms of a frame's length (RFC 6455, section 5.2).
			size := rapid.SampledFrom([]int{0, 3, 40, 110, 130, 700, 66_000}).Draw(t, "size")
			payload := fmt.Sprintf("%c%d%s", source, made, strings.Repeat("x", size))
			return payload, append(wire.AppendFrameHeader(nil, wire.OpText, len(payload)), payload...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"answer": func(t *rapid.T) {
				payload, f := frame('o')
				want['o'] = append(want['o'], payload)
				c.queue(f)
			},
			"message": func(t *rapid.T) {
				which := rapid.IntRange(0, 1).Draw(t, "room")
				payload, f := frame("ab"[which])
				m := c.rooms[which]
				start := m.room.log.end()
				m.room.log.append(f, bw.Position{}, hub.cfg.MaxLag)
				if rapid.Bool().Draw(t, "skipped") {
					m.skips = append(m.skips, span{start, m.room.log.end()})
					return
				}
				want["ab"[which]] = append(want["ab"[which]], payload)
			},
			"write": func(t *rapid.T) {
				l.room = rapid.OneOf(rapid.IntRange(0, 8), rapid.IntRange(0, 1_000), rapid.IntRange(0, 200_000)).Draw(t, "bytes")
				c.flush(true)
			},
			"": func(t *rapid.T) {
				held := 0
				if c.out != nil {
					for _, buf := range c.out.bufs {
						held += cap(buf)
					}
				}
				if counted := hub.metrics.queued.Load(); counted != int64(held) {
					t.Fatalf("got %d bytes counted, want the %d that the buffers hold", counted, held)
				}
			},
		})
		l.room = -1
		c.flush(true)
		if counted := hub.metrics.queued.Load(); counted != 0 {
			t.Errorf("got %d bytes counted when all is written, want none", counted)
		}
		got := map[byte][]string{}
		for _, payload := range l.frames() {
			got[payload[0]] = append(got[payload[0]], payload)
		}
		for _, source := range []byte("oab") {
			if !slices.Equal(got[source], want[source]) {
				t.Errorf("got frames of %c\n%.60q, want\n%.60q", source, got[source], want[source])
			}
		}
		if len(got) > len(want) {
			t.Errorf("got frames of %d sources, want %d", len(got), len(want))
		}
		if c.out != nil || len(c.rooms[0].skips)+len(c.rooms[1].skips) > 0 {
			t.Errorf("got %+v and skips %v, %v left behind, want nothing", c.out, c.rooms[0].skips, c.rooms[1].skips)
		}
	})
}

// TestWhoFallsBehindIsTold writes to a socket that takes less than there is, while
// the rooms' logs keep little: each message is delivered or told to be missing.
func TestWhoFallsBehindIsTold(t *testing.T) {
	type told struct {
		Type          string
		Room          int
		Seq, From, To bw.Seq
	}
	gaps := 0
	rapid.Check(t, func(t *rapid.T) {
		hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
		l := &narrowLink{room: -1}
		c := &conn{hub: hub, link: l}
		heads := make([]bw.Position, 2)
		for i := range heads {
			m := &member{conn: c, room: &room{hub: hub, id: bw.RoomID(i)}}
			heads[i] = bw.Position{Epoch: 1, Seq: 7}
			m.room.log.mark(heads[i])
			c.rooms = append(c.rooms, m)
		}
		begin := slices.Clone(heads)
		say := func(t *rapid.T, frame func(room int, head *bw.Position) []byte) {
			i := rapid.IntRange(0, 1).Draw(t, "room")
			payload := frame(i, &heads[i])
			c.rooms[i].room.log.append(textFrame(payload), heads[i], minSegment)
			c.flush(false) // as a pass of the room does
		}
		t.Repeat(map[string]func(*rapid.T){
			"message": func(t *rapid.T) {
				say(t, func(i int, head *bw.Position) []byte {
					head.Seq++
					text := strings.Repeat("x", rapid.SampledFrom([]int{1, 100, 700, 70_000}).Draw(t, "size"))
					return wire.AppendMessage(nil, &bw.Message{Room: bw.RoomID(i), Epoch: head.Epoch, Seq: head.Seq, User: `{"seq":1}`, Text: text})
				})
			},
			"presence": func(t *rapid.T) {
				say(t, func(i int, head *bw.Position) []byte { return wire.AppendPresence(nil, bw.RoomID(i), 3, nil, nil) })
			},
			"new epoch": func(t *rapid.T) {
				say(t, func(i int, head *bw.Position) []byte {
					from := head.Seq + 1
					*head = bw.Position{Epoch: head.Epoch + 1, Seq: head.Seq + 1_000}
					return wire.AppendGap(nil, bw.RoomID(i), head.Epoch, from, head.Seq)
				})
			},
			"write": func(t *rapid.T) {
				l.room = rapid.OneOf(rapid.IntRange(0, 8), rapid.IntRange(0, 1_000), rapid.IntRange(0, 100_000)).Draw(t, "bytes")
				c.flush(true)
			},
		})
		l.room = -1
		c.flush(true)
		if c.phase != open {
			t.Fatalf("the connection was closed with %v", c.code)
		}
		next := begin
		for _, payload := range l.frames() {
			var f told
			if err := json.Unmarshal([]byte(payload), &f); err != nil {
				t.Fatalf("got %.80q: %v", payload, err)
			}
			switch at := &next[f.Room]; f.Type {
			case "message":
				if at.Seq++; f.Seq != at.Seq {
					t.Fatalf("got message %d of room %d, want %d", f.Seq, f.Room, at.Seq)
				}
			case "gap":
				if f.From != at.Seq+1 || f.To < f.From {
					t.Fatalf("got the gap %d to %d of room %d behind %d", f.From, f.To, f.Room, at.Seq)
				}
				at.Seq = f.To
				gaps++
			}
		}
		for i := range heads {
			if next[i].Seq != heads[i].Seq {
				t.Errorf("got as far as %d in room %d, want %d", next[i].Seq, i, heads[i].Seq)
			}
		}
	})
	if gaps == 0 {
		t.Error("nobody fell behind")
	}
}

// TestRoomLog holds the log to a model: what was appended from an offset on, as
// long as it is not more than the bound behind.
func TestRoomLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log roomLog
		var model []byte
		keep := rapid.IntRange(0, 4*minSegment).Draw(t, "keep")
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				f := bytes.Repeat([]byte{byte(len(model))}, rapid.IntRange(1, 2*minSegment).Draw(t, "size"))
				model = append(model, f...)
				log.append(f, bw.Position{}, keep)
			},
			"read": func(t *rapid.T) {
				from := rapid.IntRange(0, len(model)).Draw(t, "from")
				limit := rapid.IntRange(from, len(model)+1).Draw(t, "limit")
				var got []byte
				for at := from; ; {
					piece, ok := log.read(uint64(at), uint64(limit))
					if !ok {
						if len(model)-from <= keep {
							t.Fatalf("got offset %d of %d dropped, want the last %d bytes kept", from, len(model), keep)
						}
						return
					}
					if len(piece) == 0 {
						break
					}
					got, at = append(got, piece...), at+len(piece)
				}
				if want := model[from:min(limit, len(model))]; !bytes.Equal(got, want) {
					t.Fatalf("got %d bytes from %d up to %d, want %d", len(got), from, limit, len(want))
				}
			},
			"forget": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "chance") == 0 {
					log.forget(uint64(len(model)))
					keep = 0 // nothing is promised of what was before
				}
			},
			"": func(t *rapid.T) {
				if got := log.end(); got != uint64(len(model)) {
					t.Fatalf("got the head at %d, want %d", got, len(model))
				}
				held := 0
				for _, s := range log.segments {
					held += cap(s.buf)
				}
				if most := keep + 4*maxSegment; held > most {
					t.Fatalf("got %d bytes held, want at most %d", held, most)
				}
			},
		})
	})
}
