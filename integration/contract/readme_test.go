package contract

import (
	"net/http"
	"os"
	"regexp"
	"strings"
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

// section is what stands below a heading, up to the next one.
func section(text, heading string) string {
	_, below, _ := strings.Cut(text, "\n"+heading+"\n")
	below, _, _ = strings.Cut(below, "\n#")
	return below
}

// TestReadme holds the README to the program: it names every flag and every
// metric of the deployment, and none that is not there.
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

	const metric = "`(breakwater_[a-z_]+)"
	others := "### Metrics of a cluster" // the deployment that this one is not
	if d := os.Getenv(deploymentVar); d == behind || d == spread {
		others = "### Metrics of the embedded mode"
	}
	named, elsewhere := found(metric, readme), found(metric, section(readme, others))
	if len(elsewhere) == 0 {
		t.Fatalf("no metrics in the README below %q", others)
	}
	for name := range elsewhere {
		delete(named, name)
	}

	ada := newPersonAt(t, suite.Server.URL, "Ada") // so that what comes with the first call is there
	r := ada.newRoom()
	ada.join(r).nothing(r)
	request{base: suite.Server.URL, method: "GET", path: "/nowhere"}.do(t)
	metrics := request{base: suite.Server.URL, method: "GET", path: "/metrics"}.do(t).ok(http.StatusOK, nil)
	for _, row := range []struct {
		what      string
		got, want map[string]bool
	}{
		{"flags", found("`--([a-z-]+)`", readme), flags},
		{"metrics", named, found(`(?m)^# TYPE (breakwater_[a-z_]+) `, string(metrics.body))},
	} {
		for name := range row.got {
			if !row.want[name] {
				t.Errorf("the README has %s of the %s, the program has not", name, row.what)
			}
		}
		for name := range row.want {
			if !row.got[name] {
				t.Errorf("the program has %s of the %s, the README has not", name, row.what)
			}
		}
	}
}
