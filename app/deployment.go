package app

import (
	"errors"
	"strings"
)

// deploymentFlags say what a server stands on: a data folder, or the services of
// a cluster.
type deploymentFlags struct {
	dataFlags `embed:""`

	Redis         string `help:"Redis of a cluster, redis://user:password@host:port/db." placeholder:"URL"`
	MySQL         string `name:"mysql" help:"MySQL of a cluster, user:password@tcp(host:port)/db." placeholder:"DSN"`
	Elasticsearch string `help:"Elasticsearch of a cluster, http://user:password@host:port; several nodes with commas between." placeholder:"URL"`
}

// clustered tells whether the server is one of a cluster.
func (f *deploymentFlags) clustered() bool { return f.Redis != "" }

// Validate is called by kong; the flags are named in what it returns.
func (f *deploymentFlags) Validate() error {
	var missing []string
	for _, service := range []struct{ flag, value string }{
		{"--redis", f.Redis}, {"--mysql", f.MySQL}, {"--elasticsearch", f.Elasticsearch},
	} {
		if service.value == "" {
			missing = append(missing, service.flag)
		}
	}
	if len(missing) == 1 || len(missing) == 2 {
		return errors.New("--redis, --mysql and --elasticsearch make a cluster together; missing: " + strings.Join(missing, ", "))
	}
	return nil
}
