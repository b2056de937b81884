package wire_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// TestServerFramesHaveNoFieldThatIsNotRead holds every golden frame to being
// read whole: a field that ServerFrame lacks would be dropped in silence.
func TestServerFramesHaveNoFieldThatIsNotRead(t *testing.T) {
	files, err := filepath.Glob("testdata/frames/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d golden frames (%v), want some", len(files), err)
	}
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var strict wire.ServerFrame
		if err := json.Unmarshal(payload, &strict, json.RejectUnknownMembers(true)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if got, err := wire.ParseServerFrame(payload); err != nil || !reflect.DeepEqual(got, strict) {
			t.Errorf("%s: got %+v (%v), want %+v", file, got, err, strict)
		}
	}
}

func TestALaterServerMaySayMore(t *testing.T) {
	f, err := wire.ParseServerFrame([]byte(`{"type":"weather","room":7,"wind":{"from":"west"}}`))
	if err != nil || f.Type != "weather" || f.Room != 7 {
		t.Errorf("got %+v (%v), want the frame as far as it is known", f, err)
	}
	for _, broken := range []string{"", "[]", "{", `{"type":1}`, `{"type":"ack","seq":"x"}`, "{\"type\":\"\xff\"}"} {
		_, err := wire.ParseServerFrame([]byte(broken))
		wantKind(t, err, bw.BadJSON)
	}
}

func TestAClientFrameReadsBackTheSame(t *testing.T) {
	positive := rapid.Int64Range(1, 1<<53)
	rapid.Check(t, func(t *rapid.T) {
		f := wire.ClientFrame{
			Type: rapid.SampledFrom([]string{wire.TypeJoin, wire.TypeLeave, wire.TypeSend, wire.TypeTyping, wire.TypeHistory}).Draw(t, "type"),
			Room: bw.RoomID(positive.Draw(t, "room")),
		}
		if f.Type != wire.TypeTyping {
			f.ID = rapid.StringMatching(`[a-zé☃]{1,20}`).Draw(t, "id")
		}
		switch f.Type {
		case wire.TypeJoin:
			if rapid.Bool().Draw(t, "resume") {
				f.Since = &bw.Position{Epoch: bw.Epoch(positive.Draw(t, "epoch")), Seq: bw.Seq(positive.Draw(t, "seq") - 1)}
			}
		case wire.TypeSend:
			f.Text = "x" + anyText().Draw(t, "text")
		case wire.TypeHistory:
			f.Limit = rapid.IntRange(0, wire.MaxPage).Draw(t, "limit")
			switch rapid.IntRange(0, 3).Draw(t, "where") {
			case 0:
				f.Before = bw.Seq(positive.Draw(t, "before"))
			case 1:
				f.After = bw.Seq(positive.Draw(t, "after"))
			case 2:
				f.After = wire.FromStart
			}
		}
		payload := wire.AppendClientFrame(nil, &f)
		got, err := wire.Limits{}.ParseClientFrame(payload)
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Fatalf("%s: got %+v (%v), want %+v", payload, got, err, f)
		}
	})
}

func TestAProblemReadsBackTheSame(t *testing.T) {
	_, _, body := wire.ProblemOf(&bw.Error{Kind: bw.NameTaken, Detail: "Somebody has it.", RetryAfter: time.Second})
	if got := wire.ParseProblem(body); got.Kind != bw.NameTaken || got.Detail != "Somebody has it." {
		t.Errorf("got %v, want %s with its detail", got, bw.NameTaken)
	}
	if got := wire.ParseProblem([]byte("<html>Bad gateway")); got.Kind != "" {
		t.Errorf("got %v for a proxy's page, want no kind", got)
	}
}

func FuzzParseServerFrame(f *testing.F) {
	m := exampleMessageForClients()
	f.Add(wire.AppendMessage(nil, &m))
	f.Add(wire.AppendHistory(nil, "a", 7, []bw.Message{m}, 3))
	f.Add(wire.AppendError(nil, "a", bw.Errorf(bw.Unavailable, "later")))
	f.Add([]byte(`{"type":"joined","messages":null,"users":-1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := wire.ParseServerFrame(payload); err != nil && bw.KindOf(err) != bw.BadJSON {
			t.Fatalf("%q: got %v, want %s", payload, err, bw.BadJSON)
		}
	})
}

func exampleMessageForClients() bw.Message {
	return bw.Message{Room: 7, Epoch: 1767225600000, Seq: 41, ID: "m-41", User: "Ada", Text: "Is \"anybody\" here?\n", Timestamp: 1767225601000}
}
