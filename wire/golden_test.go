package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

const epoch bw.Epoch = 1767225600000

func exampleMessage() bw.Message {
	return bw.Message{
		Room: 7, Epoch: epoch, Seq: 42, ID: "b0c1-\"1\"", User: "Åsa 👩‍🚀",
		Text: "tide\n<b>&\u2028\x00\\ \"港\"", Timestamp: 1767225601000,
	}
}

// goldenFrames are the frames of a server, one or more a type.
func goldenFrames() map[string][]byte {
	m := exampleMessage()
	second := bw.Message{Room: 7, Epoch: epoch, Seq: 43, ID: "2", User: "Ada", Text: "high", Timestamp: 1767225601000}
	at := bw.Position{Epoch: epoch, Seq: 43}
	joined := wire.AppendMessageObject(wire.AppendJoinedHead(nil, "j1", 7, at, true), &m)
	joined = wire.AppendJoinedTail(wire.AppendMessageObject(append(joined, ','), &second), 2)
	many := make([]bw.Name, 25)
	for i := range many {
		many[i] = bw.Name(rune('a' + i))
	}
	return map[string][]byte{
		"message":           wire.AppendMessage(nil, &m),
		"ack":               wire.AppendAck(nil, "b0c1", 7, at, 1767225601000, false),
		"ack-duplicate":     wire.AppendAck(nil, "b0c1", 7, at, 1767225601000, true),
		"joined":            joined,
		"joined-empty-room": wire.AppendJoinedTail(wire.AppendJoinedHead(nil, "", 7, bw.Position{Epoch: epoch}, false), 1),
		"left":              wire.AppendLeft(nil, "l1", 7),
		"history":           wire.AppendHistory(nil, "h1", 7, []bw.Message{m, second}, 42),
		"history-last":      wire.AppendHistory(nil, "h1", 7, nil, 0),
		"presence":          wire.AppendPresence(nil, 7, 25, many, []bw.Name{"Ada"}),
		"presence-empty":    wire.AppendPresence(nil, 7, 0, nil, nil),
		"typing":            wire.AppendTyping(nil, 7, "Åsa"),
		"gap":               wire.AppendGap(nil, 7, epoch, 44, 60),
		"drain":             wire.AppendDrain(nil, 20*time.Second),
		"error":             wire.AppendError(nil, "b0c1", bw.Errorf(bw.IDConflict, `The id "b0c1" was used for another text.`)),
		"error-without-id":  wire.AppendError(nil, "", bw.Errorf(bw.BadJSON, "There is no JSON at all.")),
		"error-retry":       steady(wire.AppendError(nil, "b0c1", &bw.Error{Kind: bw.RateLimited})),
	}
}

// steady takes the jitter out.
func steady(frame []byte) []byte {
	return regexp.MustCompile(`"retry_after_ms":\d+`).ReplaceAll(frame, []byte(`"retry_after_ms":1000`))
}

// goldenBodies are the bodies of responses.
func goldenBodies(t *testing.T) map[string][]byte {
	t.Helper()
	m := exampleMessage()
	room := wire.Room{ID: 7, Name: "Harbour", CreatedAt: 1767225600000, Users: 2}
	nextRoom, nextUser, nextSeq, cursor := bw.RoomID(7), bw.UserID(3), bw.Seq(42), "bmV4dA"
	bodies := map[string][]byte{}
	for name, body := range map[string]any{
		"user-token":   wire.UserToken{ID: 3, Name: "Åsa", Token: "eyJ.eyJ.c2ln", ExpiresAt: 1767312000000},
		"created-room": wire.CreatedRoom{ID: 7, Name: "Harbour", CreatedAt: 1767225600000},
		"room":         room,
		"rooms":        wire.RoomList{Chatrooms: []wire.Room{room}, Next: &nextRoom},
		"rooms-last":   wire.RoomList{},
		"users":        wire.UserList{Count: 2, Users: []wire.Occupant{{ID: 3, Name: "Åsa", JoinedAt: 1767225600000}}, Next: &nextUser},
		"users-last":   wire.UserList{},
		"page":         wire.MessagePage{Epoch: epoch, Messages: []bw.Message{m}, Next: &nextSeq},
		"page-last":    wire.MessagePage{},
		"hits":         wire.SearchHits{Hits: []wire.SearchHit{{Message: m, Highlight: "<em>tide</em>"}}, Total: 9, Cursor: &cursor},
		"hits-last":    wire.SearchHits{},
		"send-ack":     wire.SendAck{Epoch: epoch, Seq: 42, Timestamp: 1767225601000},
		"health":       wire.Health{Status: "ok"},
	} {
		encoded, err := wire.EncodeBody(body)
		if err != nil {
			t.Fatalf("encode %s: %v", name, err)
		}
		bodies[name] = encoded
	}
	return bodies
}

func goldenProblems(t *testing.T) map[string][]byte {
	t.Helper()
	problems := map[string][]byte{}
	for _, kind := range kinds(t) {
		_, _, problems[string(kind)] = wire.ProblemOf(&bw.Error{Kind: kind})
	}
	return problems
}

func TestGoldenFiles(t *testing.T) {
	for folder, cases := range map[string]map[string][]byte{
		"frames": goldenFrames(), "responses": goldenBodies(t), "problems": goldenProblems(t),
	} {
		t.Run(folder, func(t *testing.T) {
			for name, got := range cases {
				compareGolden(t, filepath.Join("testdata", folder, name+".json"), got)
			}
			files, err := os.ReadDir(filepath.Join("testdata", folder))
			if err != nil || len(files) != len(cases) {
				t.Errorf("got %d golden files (%v), want one for each of %d cases", len(files), err, len(cases))
			}
		})
	}
}

func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(bytes.Clone(got), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("read what it must be: %v", err)
		return
	}
	if want = bytes.TrimSuffix(want, []byte("\n")); !bytes.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", file, got, want)
	}
}

// What was appended by hand is what the standard library reads and writes.
func TestMessagesSurviveTheStandardLibrary(t *testing.T) {
	m := exampleMessage()
	var got bw.Message
	if err := json.Unmarshal(wire.AppendMessageObject(nil, &m), &got); err != nil || got != m {
		t.Errorf("got %+v (%v), want %+v", got, err, m)
	}
	for name, frame := range goldenFrames() {
		var fields map[string]any
		if err := json.Unmarshal(frame, &fields); err != nil {
			t.Errorf("%s: got %s: %v", name, frame, err)
			continue
		}
		again, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		var second map[string]any
		if err := json.Unmarshal(again, &second); err != nil || !reflect.DeepEqual(fields, second) {
			t.Errorf("%s: got %v after a second trip (%v), want %v", name, second, err, fields)
		}
	}
}

// A page over HTTP and one over the WebSocket must not tell a message differently.
func TestMessageIsTheSameOnBothSides(t *testing.T) {
	m := exampleMessage()
	encoded, err := wire.EncodeBody(wire.MessagePage{Messages: []bw.Message{m}})
	if err != nil {
		t.Fatal(err)
	}
	var overHTTP struct{ Messages []bw.Message }
	if err := json.Unmarshal(encoded, &overHTTP); err != nil || len(overHTTP.Messages) != 1 || overHTTP.Messages[0] != m {
		t.Errorf("got %+v over HTTP (%v), want %+v", overHTTP.Messages, err, m)
	}
}
