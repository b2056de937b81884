package redisbroker

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// recordOf is a message as the log has it.
func recordOf(m *bw.Message) string {
	s := broker.Send{Room: m.Room, User: m.User, ID: m.ID, Text: m.Text}
	return string(appendBody(appendHeader(nil, m), &s))
}

func TestRecordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := bw.Message{
			Room:      bw.RoomID(rapid.Int64Range(1, int64(bw.MaxRoomID)).Draw(t, "room")),
			Epoch:     bw.Epoch(rapid.Int64Range(1, 1<<53).Draw(t, "epoch")),
			Seq:       bw.Seq(rapid.Int64Range(1, 1<<53).Draw(t, "seq")),
			Timestamp: bw.Millis(rapid.Int64Range(0, 1<<53).Draw(t, "timestamp")),
			ID:        bw.MessageID(rapid.String().Draw(t, "id")),
			User:      bw.Name(rapid.String().Draw(t, "user")),
			Text:      rapid.String().Draw(t, "text"),
		}
		got, err := decodeRecord(recordOf(&want))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestNoticesComeBack(t *testing.T) {
	for _, want := range []broker.Notice{
		{Room: 7, Typing: "Zoë 🦊"},
		{ID: 1 << 60, Room: 7, Left: []bw.Name{"ann"}},
		{Room: 7, Joined: []bw.Name{"ann", "\"bob\""}, Left: []bw.Name{"<cyd>"}, Users: 7, PresenceVersion: 1 << 60},
	} {
		if got, err := decodeNotice(want.Room, string(encodeNotice(&want))); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// Servers of other versions say more, or less.
func TestNoticesOfOtherVersionsAreUnderstood(t *testing.T) {
	for _, row := range []struct {
		payload string
		want    broker.Notice
	}{
		{`{"left":["ann"],"users":3,"version":4}`, broker.Notice{Room: 7, Left: []bw.Name{"ann"}, Users: 3, PresenceVersion: 4}},
		{`{"left":["ann"],"id":5,"mood":"glad"}`, broker.Notice{ID: 5, Room: 7, Left: []bw.Name{"ann"}}},
	} {
		if got, err := decodeNotice(7, string(rune(kindNotice))+row.payload); err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: got %+v, %v, want %+v", row.payload, got, err, row.want)
		}
	}
}

// What others write into the log must not bring a server down.
func FuzzDecodeRecord(f *testing.F) {
	f.Add("")
	f.Add(recordOf(&bw.Message{Room: 1, Epoch: 2, Seq: 3, ID: "4", User: "ann", Text: "text\x00"}))
	f.Add(recordOf(&bw.Message{})[:headerSize+roomSize] + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, record string) {
		m, err := decodeRecord(record)
		if err == nil && len(m.ID)+len(m.User)+len(m.Text) > len(record) {
			t.Errorf("%q: got more than there is: %+v", record, m)
		}
	})
}
