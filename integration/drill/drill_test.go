// Package drill holds the drills themselves to what they promise: those that ask most of
// the servers, in the little time that every test run has. make drills runs all.
package drill

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/loadtest/drill"
)

// binary is the server, and one that can do without its mechanisms.
var binary, crippled harness.Binary

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (_ int, err error) {
		if binary, err = harness.Build(folder, "breakwater"); err != nil {
			return 1, err
		}
		if crippled, err = harness.Build(folder, "breakwater-ablation", "-tags", "ablation"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}))
}

// config is for drills of a seed that is printed.
func config(t *testing.T, lines *strings.Builder, b harness.Binary) *drill.Config {
	return &drill.Config{
		Seed: uint64(time.Now().UnixNano()), For: 10 * time.Second, Binary: b.Path(), Out: t.TempDir(), Lines: lines,
	}
}

// Two faults that each take a promise of the servers' to survive, one after the other
// on one cluster. Package cluster kills servers itself.
func TestDrills(t *testing.T) {
	var lines strings.Builder
	c := config(t, &lines, binary)
	c.Names = []string{"redis-blackhole", "nginx-reload"}
	err := drill.Play(t.Context(), c)
	t.Log(lines.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range c.Names {
		for _, kind := range []string{".json", ".html", ".history.jsonl"} {
			if info, err := os.Stat(filepath.Join(c.Out, name+kind)); err != nil || info.Size() == 0 {
				t.Errorf("%s%s: got %v, want a file with something in it", name, kind, err)
			}
		}
	}
}

// Without what keeps a message from being stored twice a drill fails, and says by which rule.
func TestADrillNoticesWhatIsMissing(t *testing.T) {
	var lines strings.Builder
	c := config(t, &lines, crippled)
	c.Only = []string{"dedupe"}
	err := drill.PlayNegative(t.Context(), c)
	t.Log(lines.String())
	if err != nil {
		t.Error(err)
	}
	if want := "failed as it must"; !strings.Contains(lines.String(), want) {
		t.Errorf("got %q, want %q in it", lines.String(), want)
	}
}

// A drill that is broken off leaves nothing running; TestMain looks for what would be
// left in this process.
func TestADrillIsBrokenOff(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var lines strings.Builder
	c := config(t, &lines, binary)
	c.Names = []string{"server-kill"}
	if err := drill.Play(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that its time was over", err)
	}
}
