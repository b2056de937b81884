package drill

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
	"github.com/breakwater-chat/breakwater/loadtest/stand/clock"
)

// Config says which drills to run, on what, and where to write.
type Config struct {
	// Names are the drills, or "all".
	Names []string
	// Only and Skip choose of them; Only is everything if it is empty.
	Only, Skip []string
	// Seed decides what is drawn. It is printed and stands in each report.
	Seed uint64
	// For is how long chaos goes on.
	For time.Duration
	// Binary is the path of the server that is drilled.
	Binary string
	// Services are addresses of those that run already; what is empty is started.
	Services stand.Services
	// Out is the folder of reports and histories; it is made.
	Out     string
	Version string
	// Lines takes a line a drill, and the table at the end.
	Lines io.Writer
}

// RefusalError says that what was asked for cannot be done, and why. Nothing was started.
type RefusalError string

func (r RefusalError) Error() string { return string(r) }

func refuse(format string, args ...any) error { return RefusalError(fmt.Sprintf(format, args...)) }

// choose finds the drills. The error is a RefusalError: it names one that there is not, or one that cannot be
// run on services that are not this process's own.
func (c *Config) choose() ([]Drill, error) {
	known := map[string]Drill{}
	for _, d := range All() {
		known[d.Name] = d
	}
	for _, name := range slices.Concat(c.Names, c.Only, c.Skip) {
		if _, ok := known[name]; !ok && name != everything {
			return nil, refuse("there is no drill %q: --list shows them", name)
		}
	}
	var chosen []Drill
	for _, d := range All() {
		named := slices.Contains(c.Names, d.Name)
		all := slices.Contains(c.Names, everything) && (len(c.Only) == 0 || slices.Contains(c.Only, d.Name))
		if !named && !all || slices.Contains(c.Skip, d.Name) {
			continue
		}
		if why := c.obstacle(&d); why != "" {
			if named {
				return nil, refuse("the drill %s %s", d.Name, why)
			}
			fmt.Fprintf(c.Lines, "%-22s left out: it %s\n", d.Name, why)
			continue
		}
		chosen = append(chosen, d)
	}
	return chosen, nil
}

// everything is the name of all drills.
const everything = "all"

// flagOf names the flags that give addresses.
var flagOf = map[string]string{"Redis": "redis", "MySQL": "mysql", "Elasticsearch": "elasticsearch"}

// obstacle says why a drill cannot be run here, after its name; "" if it can.
func (c *Config) obstacle(d *Drill) string {
	if d.clocked && !clock.Supported {
		return "cannot be run here: " + clock.ErrUnsupported.Error()
	}
	if given := c.given(d.ours); given != "" {
		return fmt.Sprintf("kills %s, and the one of --%s is not this process's to kill", given, flagOf[given])
	}
	return ""
}

// given names the first of the services whose address was given.
func (c *Config) given(services []stand.Dependency) string {
	addresses := map[stand.Dependency]string{
		stand.Redis: c.Services.Redis, stand.MySQL: c.Services.MySQL, stand.Elasticsearch: c.Services.Elasticsearch,
	}
	for _, d := range services {
		if addresses[d] != "" {
			return d.String()
		}
	}
	return ""
}
