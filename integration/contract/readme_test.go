package contract

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"
)

// found is the set of what an expression's first group finds.
func found(expression, text string) map[string]bool {
	set := map[string]bool{}
	for _, match := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		set[match[1]] = true
	}
	return set
}

// TestReadme holds the README to the program: it names every flag and every
// metric, and none that is not there.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	help, err := suite.Binary.Command("serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	flags := found(`--([a-z-]+)`, string(help))
	delete(flags, "help")

	ada := newPerson(t, "Ada") // so that what comes with the first call is there
	r := ada.newRoom()
	ada.join(r).nothing(r)
	request{base: suite.Server.URL, method: "GET", path: "/nowhere"}.do(t)
	metrics := request{method: "GET", path: "/metrics"}.do(t).ok(http.StatusOK, nil)
	for _, row := range []struct {
		what      string
		got, want map[string]bool
	}{
		{"flags", found("`--([a-z-]+)`", readme), flags},
		{"metrics", found("`(breakwater_[a-z_]+)", readme), found(`(?m)^# TYPE (breakwater_[a-z_]+) `, string(metrics.body))},
	} {
		if got, want := slices.Sorted(maps.Keys(row.got)), slices.Sorted(maps.Keys(row.want)); !slices.Equal(got, want) {
			t.Errorf("got %s in the README\n%q, want those of the program\n%q", row.what, got, want)
		}
	}
}
