package deploy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// alerts is a file of rules of Prometheus.
type alerts struct {
	Groups []struct {
		Name  string
		Rules []alert
	}
}

type alert struct {
	Alert, Expr         string
	For                 time.Duration
	Labels, Annotations map[string]string
}

func readAlerts(t *testing.T) (all []alert) {
	t.Helper()
	var file alerts
	decoder := yaml.NewDecoder(strings.NewReader(readFile(t, "prometheus/alerts.yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// dashboard is what of Grafana's model the project uses.
type dashboard struct {
	Title, UID, Timezone, Refresh string
	Tags                          []string
	SchemaVersion                 int
	Editable                      bool
	Time                          struct{ From, To string }
	Templating                    struct{ List []variable }
	Panels                        []panel
}

type variable struct {
	Name, Type, Label, Query, Definition, AllValue string
	Datasource                                     source
	Multi, IncludeAll                              bool
	Refresh, Sort                                  int
	Current                                        struct{ Text, Value string }
}

type source struct{ Type, UID string }

type panel struct {
	ID          int
	Type, Title string
	Collapsed   bool
	Datasource  source
	GridPos     struct{ H, W, X, Y int }
	FieldConfig struct {
		Defaults struct {
			Unit string
			Min  int
		}
	}
	Targets []struct{ RefID, Expr, LegendFormat string }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(readFile(t, "grafana/dashboard.json"))))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// metricsOf is what a server shows when somebody has used it.
func metricsOf(t *testing.T, base string) string {
	t.Helper()
	response, err := http.Post(base+"/v1/chatrooms/users", "application/json", strings.NewReader(`{"name":"metrics"}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("signing up: got status %d, want 201", response.StatusCode)
	}
	if response, err = http.Get(base + "/metrics"); err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Alerts, dashboard and manual name what servers show, embedded or in a cluster.
func TestMonitoringAsksForWhatThereIs(t *testing.T) {
	all, err := services.StartAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	on := stand.Services{Redis: all.Redis.URL, MySQL: all.MySQL.URL, Elasticsearch: all.Elasticsearch.URL}
	cluster, err := stand.StartCluster(stand.Setup{Folder: t.TempDir(), Binary: suite.Binary.Binary, Servers: 1, Services: on.Shared})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	}()
	shown := exposed{}
	shown.add(metricsOf(t, suite.Server.URL))
	shown.add(metricsOf(t, cluster.Servers[0].URL))
	for _, a := range readAlerts(t) {
		for _, mistake := range checkExpression(shown, a.Expr) {
			t.Errorf("the alert %s: %s", a.Alert, mistake)
		}
	}
	for _, name := range regexp.MustCompile("`((?:breakwater|go|process)_[a-z_]+)").FindAllStringSubmatch(readFile(t, "../docs/operations.md"), -1) {
		if shown[name[1]] == nil && shown[name[1]+"_count"] == nil {
			t.Errorf("docs/operations.md names the metric %s, which there is not", name[1])
		}
	}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			for _, mistake := range checkExpression(shown, target.Expr) {
				t.Errorf("the panel %s: %s", p.Title, mistake)
			}
		}
	}
}

// Every alert says how urgent it is and what has happened, by labels that its
// result has, and the manual says what to do.
func TestAlertsAreExplained(t *testing.T) {
	manual := readFile(t, "../docs/operations.md")
	named := map[string]bool{}
	for _, a := range readAlerts(t) {
		if named[a.Alert] {
			t.Errorf("there are two alerts %s", a.Alert)
		}
		named[a.Alert] = true
		if s := a.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s has the severity %q, want page or ticket", a.Alert, s)
		}
		summary := a.Annotations["summary"]
		if summary == "" {
			t.Errorf("%s does not say what has happened", a.Alert)
		}
		grouped := regexp.MustCompile(`by \(([^)]*)\)`).FindStringSubmatch(a.Expr)
		for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(summary, -1) {
			if grouped != nil && !strings.Contains(", "+grouped[1]+",", ", "+label[1]+",") {
				t.Errorf("%s tells its %s, which it does not have", a.Alert, label[1])
			}
		}
	}
	explained := map[string]bool{}
	for _, name := range regexp.MustCompile("`(Breakwater[A-Z]\\w+)`").FindAllStringSubmatch(manual, -1) {
		explained[name[1]] = true
		if !named[name[1]] {
			t.Errorf("docs/operations.md explains %s, which is no alert", name[1])
		}
	}
	for name := range named {
		if !explained[name] {
			t.Errorf("docs/operations.md does not explain %s", name)
		}
	}
}

// The dashboard's panels stand side by side, each with an id and a unit of its own.
func TestDashboardIsOrderly(t *testing.T) {
	d := readDashboard(t)
	const columns = 24
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%s has the id %d, want one of its own", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= columns {
					t.Fatalf("%s stands on %s or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource.UID != "${datasource}" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("%s lacks the chosen data source, a unit or anything to show", p.Title)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%s: target %q is there twice, or does not heed the chosen servers", p.Title, target.RefID)
			}
			refs[target.RefID] = true
		}
	}
}
