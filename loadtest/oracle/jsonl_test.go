package oracle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestAHistoryIsReadAsItWasWritten(t *testing.T) {
	for seed := range uint64(5) {
		want := newWorld(seed, 16).h
		var saved bytes.Buffer
		if err := Write(&saved, want); err != nil {
			t.Fatal(err)
		}
		got, err := Read(&saved)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if !same(&got[i], &want[i]) {
				t.Fatalf("seed %d, event %d: got %+v, want %+v", seed, i, got[i], want[i])
			}
		}
		if v := Judge(got, Options{}); !v.OK() {
			t.Errorf("seed %d: got %s after reading, want nothing broken", seed, v)
		}
	}
}

// same compares events, of which one has gone through JSON: there no list is empty.
func same(a, b *Event) bool {
	x, y := *a, *b
	if len(x.Names)+len(y.Names) == 0 {
		x.Names, y.Names = nil, nil
	}
	if len(x.Messages)+len(y.Messages) == 0 {
		x.Messages, y.Messages = nil, nil
	}
	return reflect.DeepEqual(x, y)
}

func TestReadNamesTheLineThatIsNoEvent(t *testing.T) {
	const good = `{"at":1,"kind":"sent","client":"ann","conn":1,"room":7,"id":"m1"}`
	for _, row := range []struct{ name, line, want string }{
		{"no JSON", `nonsense`, "no event"},
		{"cut short", good[:20], "no event"},
		{"an unknown field", `{"at":1,"kind":"end","colour":"red"}`, `unknown field "colour"`},
		{"an unknown kind", `{"at":1,"kind":"sang"}`, `unknown kind "sang"`},
		{"nonsense far behind an event", good + strings.Repeat(" ", 10_000) + "x", "something follows"},
		{"two events", good + good, "something follows"},
		{"a wrong type", `{"at":"soon","kind":"end"}`, "no event"},
		{"before the start", `{"at":-1,"kind":"end"}`, "before the run's start"},
		{"no client", `{"at":1,"kind":"sent","room":7,"id":"m1"}`, "without a client"},
		{"no user", `{"at":1,"kind":"connected","client":"ann","conn":1}`, "without a user"},
		{"no room", `{"at":1,"kind":"received","client":"ann","conn":1,"id":"m1"}`, "without a room"},
		{"no id", `{"at":1,"kind":"received","client":"ann","conn":1,"room":7}`, "without an id"},
		{"no bounds", `{"at":1,"kind":"run"}`, "without bounds"},
		{"a post of nobody", `{"at":1,"kind":"sent","client":"ann","room":7,"id":"m1"}`, "without a user"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, err := Read(strings.NewReader(good + "\n\n" + row.line + "\n" + good + "\n"))
			if err == nil || !strings.Contains(err.Error(), "line 3 ") || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %d events and %v, want an error of line 3 with %q", len(h), err, row.want)
			}
		})
	}
}

func TestReadRefusesALineWithoutEnd(t *testing.T) {
	long := `{"at":1,"kind":"end","text":"` + strings.Repeat("x", maxLine) + `"}`
	if _, err := Read(strings.NewReader(long)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v, want an error that the line is too long", err)
	}
}

// broken is a place where nothing can be written.
type broken struct{}

var errBroken = errors.New("no space left")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteTellsThatItFailed(t *testing.T) {
	if err := Write(broken{}, newWorld(1, 1).h); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
}

// A saved history that a person replays: its verdict is looked at as a whole.
func TestASavedHistoryIsJudged(t *testing.T) {
	file, err := os.Open(filepath.Join("testdata", "lost.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	h, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "lost.verdict"))
	if err != nil {
		t.Fatal(err)
	}
	if got := Judge(h, Options{}).String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// FuzzRead holds Read to take or refuse whatever it is given, to write what it has
// taken in the same way again, and Judge not to fall over it.
func FuzzRead(f *testing.F) {
	var saved bytes.Buffer
	if err := Write(&saved, newWorld(1, 1).h); err != nil {
		f.Fatal(err)
	}
	f.Add(saved.Bytes())
	for line := range bytes.Lines(saved.Bytes()) {
		f.Add(line)
	}
	for _, s := range scenarios(f) {
		var script bytes.Buffer
		if err := Write(&script, s.history); err != nil {
			f.Fatal(err)
		}
		f.Add(script.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := Write(&first, h); err != nil {
			t.Fatal(err)
		}
		again, err := Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if err := Write(&second, again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("got %q at the second time, want %q", second.Bytes(), first.Bytes())
		}
		if a, b := Judge(h, Options{}).String(), Judge(again, Options{}).String(); a != b {
			t.Errorf("got the verdict %q at the second time, want %q", b, a)
		}
	})
}
