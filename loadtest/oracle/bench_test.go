package oracle

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// crowd is a faultless history of about so many events: rooms of 100 members, each
// message received by all and indexed.
func crowd(events int) History {
	const members = 100
	bounds := DefaultBounds()
	h := History{{Kind: Run, Bounds: &bounds}}
	now, rooms := time.Duration(0), int64(0)
	for len(h) < events {
		rooms++
		room := rooms
		for m := range members {
			client := fmt.Sprintf("%d.%d", room, m)
			h = append(h,
				Event{At: now, Kind: Connected, Client: client, Conn: 1, User: client, Server: "a"},
				Event{At: now, Kind: Joined, Client: client, Conn: 1, Room: room, Epoch: 1})
		}
		for seq := range int64(100) {
			now += 10 * time.Second
			sender, id := fmt.Sprintf("%d.%d", room, seq), fmt.Sprint("m", seq)
			m := Message{1, seq + 1, id, sender, "a text that is as long as people's are, or nearly so"}
			h = append(h, Event{At: now, Kind: Sent, Client: sender, Conn: 1, Room: room, ID: id, Text: m.Text})
			for i := range members {
				e := received(room, m)
				e.At, e.Client, e.Conn = now, fmt.Sprintf("%d.%d", room, i), 1
				h = append(h, e)
			}
			h = append(h, Event{At: now, Kind: Acked, Client: sender, Conn: 1, Room: room, ID: id, Epoch: 1, Seq: m.Seq})
		}
	}
	now += time.Minute
	for room := int64(1); room <= rooms; room++ {
		for seq := range int64(100) {
			h = append(h, Event{At: now, Kind: Document, Room: room, Epoch: 1, Seq: seq + 1, ID: fmt.Sprint("m", seq), User: fmt.Sprintf("%d.%d", room, seq), Text: h[201].Text})
		}
	}
	return append(h, Event{At: now, Kind: Complete, Names: []string{Documents, Fetches}}, Event{At: now, Kind: End})
}

func BenchmarkJudge(b *testing.B) {
	for _, events := range []int{200_000, 2_000_000} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			h := crowd(events)
			b.ReportAllocs()
			for b.Loop() {
				if v := Judge(h, Options{}); !v.OK() {
					b.Fatalf("got %s, want nothing broken", v)
				}
			}
			b.ReportMetric(float64(len(h))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.StopTimer()
			var memory runtime.MemStats
			f := collect(h)
			runtime.GC()
			runtime.ReadMemStats(&memory)
			b.ReportMetric(float64(memory.HeapAlloc)/float64(len(h)), "heap-B/event")
			runtime.KeepAlive(f)
		})
	}
}

func BenchmarkRead(b *testing.B) {
	h := crowd(200_000)
	var saved bytes.Buffer
	if err := Write(&saved, h); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(saved.Len()))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(saved.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(h))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
