package drill

import (
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

func TestChoose(t *testing.T) {
	given := stand.Services{Redis: "redis://127.0.0.1:6379/0"}
	for _, row := range []struct {
		name   string
		config Config
		want   string // the drills, or what is in the error
		lines  string
	}{
		{"one", Config{Names: []string{"server-kill"}}, "server-kill", ""},
		{"two, in their order", Config{Names: []string{"partition", "server-kill"}}, "server-kill partition", ""},
		{"some of all", Config{Names: []string{"all"}, Only: []string{"scale", "chaos"}, Skip: []string{"chaos"}}, "scale", ""},
		{"one that there is not", Config{Names: []string{"server-kil"}}, `no drill "server-kil"`, ""},
		{"one to skip that there is not", Config{Names: []string{"all"}, Skip: []string{"earthquake"}}, `no drill "earthquake"`, ""},
		{"a given service to kill", Config{Names: []string{"redis-restart"}, Services: given}, "redis-restart kills Redis, and the one of --redis", ""},
		{"the same among all", Config{Names: []string{"all"}, Only: []string{"redis-restart", "redis-slow"}, Services: given}, "redis-slow", "left out"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var lines strings.Builder
			row.config.Lines = &lines
			drills, err := row.config.choose()
			var names []string
			for _, d := range drills {
				names = append(names, d.Name)
			}
			got := strings.Join(names, " ")
			if err != nil {
				got = err.Error()
			}
			if got != row.want && (err == nil || !strings.Contains(got, row.want)) {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if !strings.Contains(lines.String(), row.lines) || row.lines == "" && lines.Len() > 0 {
				t.Errorf("printed: got %q, want %q in it", lines.String(), row.lines)
			}
		})
	}
}

// Each mechanism has a drill that must miss it, but those of which controls tells.
func TestEveryMechanismIsMissed(t *testing.T) {
	covered := []ablation.Mechanism{ablation.Admission, ablation.Door, ablation.Takeover}
	for _, c := range controls() {
		covered = append(covered, c.mechanism)
		if !slices.ContainsFunc(All(), func(d Drill) bool { return d.Name == c.drill }) {
			t.Errorf("%s: there is no drill %q", c.mechanism, c.drill)
		}
	}
	for _, m := range ablation.Names() {
		if !slices.Contains(covered, m) {
			t.Errorf("no drill has to miss %s", m)
		}
	}
}
