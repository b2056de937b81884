// Package app is the program: its commands and flags, the wiring of a
// deployment, and the life of a server from the first flag to the last commit.
package app

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// ExitUsage is the exit status for a wrong flag, variable or file.
const ExitUsage = 2

// commands is the command line. Every flag has an environment variable of the
// same name and a key in the configuration file.
type commands struct {
	Config string `help:"YAML file with a key for each flag." type:"path" placeholder:"FILE"`

	Serve    serveFlags    `cmd:"" help:"Run a server."`
	Token    tokenFlags    `cmd:"" help:"Sign tokens for names, one NAME<TAB>TOKEN a line."`
	Migrate  migrateFlags  `cmd:"" help:"Bring the databases to this version's schema, or show how far they are."`
	Loadtest loadtestFlags `cmd:"" help:"Load a server, or a cluster, and report what it did."`
	Drill    drillFlags    `cmd:"" help:"Hurt a cluster of its own on purpose, and judge what its users saw."`
	Version  struct{}      `cmd:"" help:"Print the version."`
}

// dataFlags say where the embedded databases are.
type dataFlags struct {
	Data string `help:"Folder of the embedded databases." default:"data" type:"path" placeholder:"DIR"`
}

// serveFlags are the flags of serve.
type serveFlags struct {
	deploymentFlags `embed:""`

	ServerID string `name:"server-id" help:"Name of this server in its cluster, which no other has. The host's name and some random letters if not given." placeholder:"ID"`

	Listen  string `help:"Address to listen on; port 0 picks a free one." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	TLSCert string `help:"PEM certificate; switches TLS on. A changed file is loaded again." type:"path" placeholder:"FILE"`
	TLSKey  string `help:"PEM private key of the certificate." type:"path" placeholder:"FILE"`
	Migrate bool   `help:"Migrate the schema before serving. The embedded databases are always migrated."`

	TokenKey string        `help:"Key to sign and verify tokens: a PEM private key, or an HMAC secret of at least 32 bytes. Made in the data folder if not given; a cluster needs one for all." type:"path" placeholder:"FILE"`
	TokenTTL time.Duration `help:"How long a token is valid." default:"24h"`

	AuthHMACKey   []string `help:"HMAC secret of an outside issuer of tokens." type:"path" placeholder:"FILE"`
	AuthPublicKey []string `help:"PEM public key (RSA, ECDSA, Ed25519) of an outside issuer." type:"path" placeholder:"FILE"`
	AuthJWKSURL   []string `name:"auth-jwks-url" help:"URL of the key set of an outside issuer." placeholder:"URL"`
	AuthIssuer    string   `help:"The iss that outside tokens must have."`
	AuthAudience  string   `help:"The aud that outside tokens must have."`

	SendRate    float64 `help:"Messages a second for each user; 0 is no limit." default:"50"`
	SendBurst   int     `help:"Messages at once for each user after a rest; 0 is no limit." default:"200"`
	SignupRate  float64 `help:"Sign-ups and logins a second for each client address; 0 is no limit." default:"20"`
	SignupBurst int     `help:"Sign-ups and logins at once for each client address after a rest; 0 is no limit." default:"200"`

	MaxBody        int `help:"Bytes of a request's body; 0 is no limit." default:"65536"`
	MaxMessage     int `help:"Bytes of a WebSocket message; 0 is no limit." default:"16384"`
	MaxText        int `help:"Bytes of a message's text; 0 is no limit." default:"4096"`
	MaxConnections int `help:"WebSocket connections at once; 0 takes three quarters of the file descriptors, at most 15,000." default:"0"`

	TrustedProxy []netip.Prefix `help:"Address or network of a proxy whose X-Forwarded-For is believed." placeholder:"CIDR"`

	PingInterval   time.Duration `help:"After how much silence a connection is pinged." default:"25s"`
	SilenceTimeout time.Duration `help:"After how much silence a connection is closed." default:"60s"`
	DrainWindow    time.Duration `help:"How long clients may take to leave when the server stops." default:"10s"`
	Lease          time.Duration `help:"How long a server may give no sign of life before the others take it for dead; the same for all of a cluster." default:"15s"`

	LogLevel  string `help:"Least level to log: debug, info, warn, error." default:"info" enum:"debug,info,warn,error"`
	LogFormat string `help:"Form of log lines: json or text." default:"json" enum:"json,text"`
}

// maxServerID is how long a server's name may be.
const maxServerID = 64

// Bounds of --lease: a shorter one is over when MySQL hesitates, and a longer one is no
// way to notice anything.
const (
	minLease = 3 * time.Second
	maxLease = 5 * time.Minute
)

// unprintable tells whether a character would spoil a line of a log. What is no
// UTF-8 is one.
func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// isRate tells whether a number makes sense as a rate: infinity is none.
func isRate(perSecond float64) bool { return perSecond >= 0 && perSecond <= 1e9 }

const wantRate = "must be from 0 to 1e9"

// Validate is called by kong; the flag is named in what it returns.
func (f *serveFlags) Validate() error {
	if err := f.deploymentFlags.Validate(); err != nil {
		return err
	}
	for _, check := range []struct {
		flag string
		ok   bool
		want string
	}{
		{"--listen", f.Listen != "", "must not be empty"},
		{"--token-key", !f.clustered() || f.TokenKey != "", "must be given to a server of a cluster, the same to all"},
		{"--server-id", len(f.ServerID) <= maxServerID, "must have at most 64 bytes"},
		{"--server-id", strings.IndexFunc(f.ServerID, unprintable) < 0, "must have printable characters only"},
		{"--tls-cert and --tls-key", (f.TLSCert == "") == (f.TLSKey == ""), "must be given together"},
		{"--token-ttl", f.TokenTTL >= time.Second, "must be at least one second"},
		{"--send-rate", isRate(f.SendRate), wantRate},
		{"--send-burst", f.SendBurst >= 0, "must not be negative"},
		{"--signup-rate", isRate(f.SignupRate), wantRate},
		{"--signup-burst", f.SignupBurst >= 0, "must not be negative"},
		{"--max-body", f.MaxBody >= 0, "must not be negative"},
		{"--max-message", f.MaxMessage >= 0, "must not be negative"},
		{"--max-text", f.MaxText >= 0, "must not be negative"},
		{"--max-connections", f.MaxConnections >= 0 && f.MaxConnections <= 1<<20, "must be from 0 to 1,048,576"},
		{"--ping-interval", f.PingInterval > 0, "must be positive"},
		{"--silence-timeout", f.SilenceTimeout > f.PingInterval, "must be longer than --ping-interval"},
		{"--drain-window", f.DrainWindow >= 0, "must not be negative"},
		{"--lease", f.Lease >= minLease && f.Lease <= maxLease, "must be from 3s to 5m"},
	} {
		if !check.ok {
			return fmt.Errorf("%s %s", check.flag, check.want)
		}
	}
	return nil
}

// Run is the program: it returns the exit status.
func Run(args []string, version string, in io.Reader, out, errOut io.Writer) int {
	var c commands
	parser, err := newParser(&c, args)
	if err != nil {
		tell(errOut, err)
		return ExitUsage
	}
	exit := -1
	parser.Exit = func(status int) { exit = status }
	parser.Stdout, parser.Stderr = out, errOut
	chosen, err := parser.Parse(args)
	if exit >= 0 { // --help was asked for
		return exit
	}
	if err != nil {
		tell(errOut, err)
		return ExitUsage
	}
	switch command, _, _ := strings.Cut(chosen.Command(), " "); command {
	case "serve":
		err = serve(c.Serve, out, errOut)
	case "token":
		err = printTokens(c.Token, in, out)
	case "migrate":
		err = migrate(chosen.Command(), c.Migrate, out)
	case "loadtest":
		err = loadtest(c.Loadtest, args, version, out, errOut)
	case "drill":
		err = runDrills(c.Drill, version, out)
	case "version":
		if ablation.Built {
			version += " " + ablation.Mark
		}
		_, err = fmt.Fprintln(out, version)
	}
	return status(err, errOut)
}

// status tells a failure, and which exit status it has.
func status(err error, errOut io.Writer) int {
	if err == nil {
		return 0
	}
	tell(errOut, err)
	var wrong *usageError
	if errors.As(err, &wrong) {
		return ExitUsage
	}
	var unmet *unmetError
	if errors.As(err, &unmet) {
		return ExitExpectation
	}
	return 1
}

// tell tells a failure in one line, whatever it is made of.
func tell(errOut io.Writer, err error) {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	fmt.Fprintln(errOut, "breakwater:", strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": "))
}

// usageError is a wrong value that shows only when it is used.
type usageError struct {
	flag string
	err  error
}

func (e *usageError) Error() string { return e.flag + ": " + e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func newParser(c *commands, args []string) (*kong.Kong, error) {
	options := []kong.Option{
		kong.Name("breakwater"),
		kong.Description("A chat-room server for rooms that must not go down."),
		kong.UsageOnError(),
		kong.DefaultEnvars("BREAKWATER"),
		kong.NamedMapper("prefix", prefixMapper{}),
		kong.TypeMapper(typeOfPrefix, prefixMapper{}),
	}
	if path := configPath(args); path != "" {
		file, err := readConfig(path)
		if err != nil {
			return nil, err
		}
		options = append(options, kong.Resolvers(file))
	}
	return kong.New(c, options...)
}
