package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongValuesStopTheStart holds each wrong value to exit status 2 and one
// line that names the flag. Should one be let pass, the address, which is looked
// at last, stops the start with another line.
func TestWrongValuesStopTheStart(t *testing.T) {
	const long = "a secret that is long enough for HMAC"
	for _, test := range []struct {
		name string
		args string
		// file is the configuration file, or "" for none.
		file string
		want string
	}{
		{name: "no command", args: "", want: `expected one of "serve"`},
		{name: "an unknown command", args: "server", want: "server"},
		{name: "an argument too many", args: "serve now", want: "now"},
		{name: "an unknown flag", args: "serve --colour=blue", want: "--colour"},
		{name: "a flag of another command", args: "version --send-rate=1", want: "--send-rate"},
		{name: "a flag without its value", args: "serve --send-rate", want: "--send-rate"},

		{name: "a word for a duration", args: "serve --token-ttl=soon", want: "--token-ttl"},
		{name: "a duration without a unit", args: "serve --drain-window=10", want: "--drain-window"},
		{name: "a lease that is over when it begins", args: "serve --lease=1s", want: "--lease"},
		{name: "a lease without an end", args: "serve --lease=1h", want: "--lease"},
		{name: "a negative duration", args: "serve --drain-window=-1s", want: "--drain-window"},
		{name: "a token that lives for no time", args: "serve --token-ttl=0s", want: "--token-ttl"},
		{name: "no ping interval", args: "serve --ping-interval=0s", want: "--ping-interval"},
		{name: "silence before the first ping", args: "serve --silence-timeout=10s", want: "--silence-timeout"},
		{name: "a word for a number", args: "serve --max-body=large", want: "--max-body"},
		{name: "a negative number of bytes", args: "serve --max-message=-1", want: "--max-message"},
		{name: "a negative text", args: "serve --max-text=-1", want: "--max-text"},
		{name: "a negative body", args: "serve --max-body=-1", want: "--max-body"},
		{name: "more connections than any machine holds", args: "serve --max-connections=9223372036854775807", want: "--max-connections"},
		{name: "no address", args: "serve --listen=", want: "--listen"},
		{name: "a negative number of connections", args: "serve --max-connections=-1", want: "--max-connections"},
		{name: "a negative send rate", args: "serve --send-rate=-0.5", want: "--send-rate"},
		{name: "a rate that is no number", args: "serve --send-rate=NaN", want: "--send-rate"},
		{name: "a negative sign-up rate", args: "serve --signup-rate=-1", want: "--signup-rate"},
		{name: "an infinite send rate", args: "serve --send-rate=inf", want: "--send-rate"},
		{name: "an infinite sign-up rate", args: "serve --signup-rate=Inf", want: "--signup-rate"},
		{name: "a negative burst", args: "serve --send-burst=-1", want: "--send-burst"},
		{name: "a negative sign-up burst", args: "serve --signup-burst=-1", want: "--signup-burst"},
		{name: "an unknown level", args: "serve --log-level=loud", want: "--log-level"},
		{name: "an unknown format", args: "serve --log-format=xml", want: "--log-format"},

		{name: "an address without a port", args: "serve --listen=localhost", want: "--listen"},
		{name: "a port out of range", args: "serve --listen=127.0.0.1:70000", want: "--listen"},
		{name: "a proxy by name", args: "serve --trusted-proxy=proxy.example", want: "--trusted-proxy"},
		{name: "a network out of range", args: "serve --trusted-proxy=10.0.0.0/33", want: "--trusted-proxy"},
		{name: "one wrong network of two", args: "serve --trusted-proxy=10.0.0.0/8,10.0.0", want: "--trusted-proxy"},

		{name: "no drill", args: "drill", want: "--list"},
		{name: "drills and none", args: "drill all --negative", want: "--negative"},
		{name: "a drill that there is not", args: "drill earthquake", want: `no drill "earthquake"`},
		{name: "no time for chaos", args: "drill chaos --for=0s", want: "--for"},
		{name: "a binary that is not there", args: "drill all --binary=/nowhere/breakwater", want: "--binary"},
		{name: "a service that runs already, to kill", args: "drill redis-restart --redis=redis://127.0.0.1:1/0", want: "redis-restart kills Redis"},

		{name: "one service of three", args: "serve --redis=redis://127.0.0.1:1", want: "missing: --mysql, --elasticsearch"},
		{name: "two services of three", args: "migrate up --redis=redis://127.0.0.1:1 --mysql=u@tcp(127.0.0.1:1)/d", want: "missing: --elasticsearch"},
		{name: "a cluster without a key for all", args: "serve --redis=r --mysql=m --elasticsearch=e", want: "--token-key"},
		{name: "a MySQL that is none", args: "serve --redis=r --mysql=m --elasticsearch=e --token-key=long", want: "--mysql"},
		{name: "a server whose name has two lines", args: "serve --server-id=a\u00a0\nb", want: "--server-id"},
		{name: "a status of a MySQL that is not there", args: "migrate status --redis=redis://127.0.0.1:1 --mysql=u:p@tcp(127.0.0.1:1)/x --elasticsearch=http://127.0.0.1:1", want: "--mysql"},
		{name: "a server of a very long name", args: "serve --server-id=" + strings.Repeat("x", 65), want: "--server-id"},

		{name: "a certificate without its key", args: "serve --tls-cert=long", want: "--tls-cert and --tls-key"},
		{name: "a key without its certificate", args: "serve --tls-key=long", want: "--tls-cert and --tls-key"},
		{name: "a certificate that is not there", args: "serve --tls-cert=none --tls-key=long", want: "--tls-cert"},
		{name: "a certificate that is none", args: "serve --tls-cert=long --tls-key=long", want: "--tls-cert"},
		{name: "a token key that is not there", args: "serve --token-key=none", want: "--token-key"},
		{name: "a token key that is too short", args: "serve --token-key=short", want: "--token-key"},
		{name: "an empty token key", args: "serve --token-key=empty", want: "--token-key"},
		{name: "an HMAC key that is not there", args: "serve --auth-hmac-key=none", want: "--auth-hmac-key"},
		{name: "an HMAC key that is too short", args: "serve --auth-hmac-key=short", want: "--auth-hmac-key"},
		{name: "a public key that is not there", args: "serve --auth-public-key=none", want: "--auth-public-key"},
		{name: "a public key that is none", args: "serve --auth-public-key=long", want: "--auth-public-key"},
		{name: "an URL that is none", args: "serve --auth-jwks-url=::", want: "--auth-jwks-url"},
		{name: "a data folder that is a file", args: "serve --data=long", want: "--data"},

		{name: "a configuration that is not there", args: "serve --config=none", want: "--config"},
		{name: "an unknown key", args: "serve", file: "colour: blue", want: "--colour"},
		{name: "a wrong value", args: "serve", file: "token-ttl: soon", want: "--token-ttl"},
		{name: "a wrong word", args: "serve", file: "log-level: loud", want: "--log-level"},
		{name: "no value", args: "serve", file: "send-rate:", want: "send-rate: must be"},
		{name: "a null of a list", args: "serve", file: "trusted-proxy: [~]", want: "trusted-proxy"},
		{name: "a mapping for a value", args: "serve", file: "send-rate: {rate: 1}", want: "send-rate: must be"},
		{name: "a list of lists", args: "serve", file: "trusted-proxy: [[10.0.0.1]]", want: "trusted-proxy"},
		{name: "a key twice", args: "serve", file: "send-rate: 1\nsend-rate: 2", want: "send-rate"},
		{name: "a list for a file", args: "serve", file: "- send-rate", want: "--config"},
		{name: "what is no YAML", args: "serve", file: "send-rate: 1: 2", want: "--config"},
		{name: "two wrong lines", args: "serve", file: "send-rate: 1\nsend-rate: 2\nsend-rate: 3", want: "--config"},

		{name: "no names", args: "token", want: "name"},
		{name: "a name that is none", args: "token --token-key=long a\tb", want: `"a\tb"`},
		{name: "no key to sign with", args: "token ann", want: "--token-key"},
		{name: "no time to live at all", args: "token --token-key=long --token-ttl=0s ann", want: "--token-ttl"},
		{name: "no time to live", args: "token --token-key=long --token-ttl=soon ann", want: "--token-ttl"},
		{name: "a load test of nothing", args: "loadtest", want: `expected one of "fanout"`},
		{name: "an unknown scenario", args: "loadtest hail", want: `expected one of "fanout"`},
		{name: "a worker with a scenario", args: "loadtest fanout --worker", want: "--worker"},
		{name: "nobody to load with", args: "loadtest fanout --members=0", want: "--members"},
		{name: "more rooms than members", args: "loadtest fanout --members=2 --rooms=3", want: "--rooms"},
		{name: "a rate below nothing", args: "loadtest fanout --rate=-1", want: "--rate"},
		{name: "a rate of no number", args: "loadtest mixed --searches=NaN", want: "--searches"},
		{name: "no window", args: "loadtest fanout --rate=0 --window=0", want: "--window"},
		{name: "a text too short to carry a stamp", args: "loadtest fanout --payload=10", want: "--payload"},
		{name: "a text too long for a server", args: "loadtest fanout --payload=5000", want: "--payload"},
		{name: "a load of no time", args: "loadtest fanout --duration=0s", want: "--duration"},
		{name: "a key and tokens", args: "loadtest fanout --token-key=long --tokens=long", want: "--tokens"},
		{name: "tokens that are none", args: "loadtest fanout --tokens=long", want: "--tokens"},
		{name: "no tokens", args: "loadtest fanout --tokens=empty", want: "--tokens"},
		{name: "a key to load with that is too short", args: "loadtest fanout --token-key=short", want: "--token-key"},
		{name: "a target with a path", args: "loadtest fanout --target=http://127.0.0.1:1/chat", want: "--target"},
		{name: "a target of another kind", args: "loadtest fanout --target=ftp://127.0.0.1:1", want: "--target"},
		{name: "an authority that is not there", args: "loadtest fanout --ca=none", want: "--ca"},
		{name: "an authority that is none", args: "loadtest fanout --ca=long", want: "--ca"},
		{name: "an authority that is not asked", args: "loadtest fanout --ca=long --insecure", want: "--insecure"},
		{name: "a source that is none", args: "loadtest fanout --source=here", want: "--source"},
		{name: "an expectation of no figure", args: "loadtest fanout --expect=speed=1", want: "--expect"},
		{name: "an expectation without a unit", args: "loadtest fanout --expect=p99=50", want: "--expect"},
		{name: "a secret that is too short", args: "loadtest fanout --worker-secret=short", want: "--worker-secret"},
		{name: "a worker for anybody", args: "loadtest --worker --listen=0.0.0.0:0", want: "--worker-secret"},
		{name: "a worker nowhere", args: "loadtest --worker --listen=127.0.0.1:70000", want: "--listen"},
		{name: "half of migrate", args: "migrate", want: `"up"`},
		{name: "migrate into a file", args: "migrate up --data=long", want: "--data"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			files := map[string]string{"long": long, "short": "too short", "empty": ""}
			args := strings.FieldsFunc(test.args, func(r rune) bool { return r == ' ' })
			if test.file != "" {
				files["breakwater.yaml"] = test.file
				args = append(args, "--config=breakwater.yaml")
			}
			for name, content := range files {
				if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("BREAKWATER_LISTEN", "stops.here")
			got := run(t, "", args...)
			if got.status != ExitUsage || got.out != "" {
				t.Errorf("got exit status %d and output %q, want status %d and none", got.status, got.out, ExitUsage)
			}
			line, rest, _ := strings.Cut(got.err, "\n")
			if !strings.HasPrefix(line, "breakwater: ") || rest != "" {
				t.Errorf("got %q, want one line that begins with %q", got.err, "breakwater: ")
			}
			if !strings.Contains(line, test.want) {
				t.Errorf("got %q, want it to name %s", line, test.want)
			}
		})
	}
}

// TestAWrongVariableNamesItsFlag has the value where nobody looks first.
func TestAWrongVariableNamesItsFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("BREAKWATER_TOKEN_TTL", "soon")
	got := run(t, "", "serve", "--listen=stops.here")
	if got.status != ExitUsage || !strings.Contains(got.err, "--token-ttl") || !strings.Contains(got.err, "BREAKWATER_TOKEN_TTL") {
		t.Errorf("got exit status %d and %q, want status %d and both names of the flag", got.status, got.err, ExitUsage)
	}
}

// TestAWrongStartLeavesNothing stops starts at each point after the first file
// was opened.
func TestAWrongStartLeavesNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
	}{
		{"at the token key", []string{"--token-key=none"}},
		{"at an outside key", []string{"--auth-public-key=none"}},
		{"at the certificate", []string{"--tls-cert=none", "--tls-key=none"}},
		{"at the address", []string{"--listen=nowhere"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			t.Chdir(folder)
			if got := run(t, "", append([]string{"serve"}, test.args...)...); got.status != ExitUsage {
				t.Errorf("got exit status %d and %q, want %d", got.status, got.err, ExitUsage)
			}
			if _, err := os.Stat(filepath.Join("data", storeFile)); err != nil {
				t.Errorf("the start did not come as far as the databases: %v", err)
			}
			leavesNothing(t, folder)
		})
	}
}
