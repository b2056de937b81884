package app

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/crowd"
	"github.com/breakwater-chat/breakwater/loadtest/scenario"
	"github.com/breakwater-chat/breakwater/wire"
)

// loadtestFlags are the flags of loadtest.
type loadtestFlags struct {
	Scenario string `arg:"" optional:"" help:"What to do: fanout (members talk in rooms), storm (all are cut off at once and come back), soak (a fanout whose end is compared with its beginning), mixed (talk, joins and leaves, searches, pages)."`

	Target   []string `help:"URL of the server or load balancer, http://HOST:PORT or https://HOST:PORT; several are equal servers, and connections take turns." default:"http://127.0.0.1:8080" placeholder:"URL"`
	CA       string   `name:"ca" help:"PEM certificates to trust of https targets, in place of those that the system trusts." type:"path" placeholder:"FILE"`
	Insecure bool     `help:"Trust any certificate of an https target."`
	Source   []string `help:"Local address to connect from; several take turns. On loopback there are as many as it takes." placeholder:"ADDRESS"`

	Members    int           `help:"Connections, each a member of a room." default:"1000"`
	Rooms      int           `help:"Rooms; 0 is one of fanout and soak, one for a hundred members of storm and mixed." default:"0"`
	Room       int64         `help:"Id of a room that is there, in place of new ones." placeholder:"ID"`
	Zipf       float64       `help:"Exponent of the rooms' sizes by Zipf's law, 0 for equal ones; -1 is 1 of mixed, else 0." default:"-1" placeholder:"EXPONENT"`
	Rate       float64       `help:"Messages a second of all members together; 0 is a closed loop, see --window." default:"50"`
	Window     int           `help:"With a rate of 0: messages on their way at a time." default:"64"`
	Arrivals   string        `help:"Times between messages: constant, or drawn as poisson." default:"poisson" enum:"constant,poisson"`
	Payload    int           `help:"Bytes of a message's text." default:"128"`
	Duration   time.Duration `help:"How long the load lasts; of a storm, how long all may take to be back." default:"30s"`
	Steady     time.Duration `help:"How long the members of a storm talk before the cut." default:"5s"`
	Cut        string        `help:"Who cuts the members of a storm off: own, or none, to wait for a fault from outside." default:"own" enum:"own,none"`
	Moves      float64       `help:"Joins and leaves of further rooms a second, of mixed." default:"5"`
	Searches   float64       `help:"Searches a second, of mixed." default:"2"`
	Pages      float64       `help:"Pages of older messages a second, of mixed." default:"5"`
	Handshakes int           `help:"Connections that may be in the making at the beginning." default:"128"`
	GiveUp     time.Duration `help:"How long there may be no connection at all before the run ends." default:"10s"`
	Seed       uint64        `help:"Seed of what is drawn; 0 draws one." default:"0"`

	Users    int           `help:"Users; 0 is one a member, or at most 200 if they have to be signed up." default:"0"`
	TokenKey string        `help:"Key to sign the users' tokens with, as serve has it." type:"path" placeholder:"FILE"`
	TokenTTL time.Duration `help:"How long a token is valid." default:"24h"`
	Tokens   string        `help:"Users to take: lines NAME<TAB>TOKEN, as the command token prints them." type:"path" placeholder:"FILE"`

	Expect    string   `help:"What is expected of figures, such as p99=50ms,lost=0; else the exit status is 3." placeholder:"LIST"`
	JSON      string   `name:"json" help:"Write the result as JSON." type:"path" placeholder:"FILE"`
	HTML      string   `name:"html" help:"Write the result as one page of HTML." type:"path" placeholder:"FILE"`
	ServerPID []int    `name:"server-pid" help:"Process of this host whose CPU and memory are reported beside the generator's." placeholder:"PID"`
	Metrics   []string `help:"URL of a server's /metrics, for the same." placeholder:"URL"`

	Worker       bool     `help:"Be a worker: wait at --listen for runs of others, and do their parts."`
	Listen       string   `help:"Address of a worker." default:"127.0.0.1:7070" placeholder:"HOST:PORT"`
	Workers      []string `help:"Workers that do the run in place of this process." placeholder:"HOST:PORT"`
	WorkerSecret string   `help:"Secret that workers know their runs by; needed unless they listen on loopback." type:"path" placeholder:"FILE"`
}

// mostMembers bounds a run, far above what one host holds.
const mostMembers = 10_000_000

// Validate is called by kong; the flag is named in what it returns.
func (f *loadtestFlags) Validate() error {
	for _, check := range []struct {
		flag string
		ok   bool
		want string
	}{
		{"--members", f.Members > 0 && f.Members <= mostMembers, "must be from 1 to 10,000,000"},
		{"--rooms", f.Rooms >= 0 && f.Rooms <= f.Members, "must be from 0 to the number of members"},
		{"--room", f.Room >= 0 && (f.Room == 0 || f.Rooms <= 1), "must be positive, and then there are no other --rooms"},
		{"--zipf", f.Zipf == -1 || f.Zipf >= 0 && f.Zipf <= 1000, "must be from 0 to 1000, or -1"},
		{"--rate", isRate(f.Rate), wantRate},
		{"--moves", isRate(f.Moves), wantRate},
		{"--searches", isRate(f.Searches), wantRate},
		{"--pages", isRate(f.Pages), wantRate},
		{"--window", f.Window > 0, "must be positive"},
		{"--payload", f.Payload >= crowd.MinText && f.Payload <= wire.MaxText, fmt.Sprintf("must be from %d to %d", crowd.MinText, wire.MaxText)},
		{"--duration", f.Duration > 0, "must be positive"},
		{"--steady", f.Steady >= 0, "must not be negative"},
		{"--handshakes", f.Handshakes > 0, "must be positive"},
		{"--give-up", f.GiveUp > 0, "must be positive"},
		{"--users", f.Users >= 0 && f.Users <= mostMembers, "must be from 0 to 10,000,000"},
		{"--insecure", !f.Insecure || f.CA == "", "and --ca exclude each other"},
		{"--tokens", f.Tokens == "" || f.TokenKey == "", "and --token-key exclude each other"},
		{"--token-ttl", f.TokenTTL >= time.Second, "must be at least one second"},
		{"--listen", f.Listen != "", "must not be empty"},
	} {
		if !check.ok {
			return fmt.Errorf("%s %s", check.flag, check.want)
		}
	}
	return nil
}

// validScenario tells what is wrong with the choice of what to do.
func (f *loadtestFlags) validScenario() error {
	if f.Worker {
		if f.Scenario != "" || len(f.Workers) > 0 {
			return &usageError{"--worker", errors.New("it takes its scenario from the run, and has no workers of its own")}
		}
		return nil
	}
	if !slices.Contains(scenario.Kinds(), scenario.Kind(f.Scenario)) {
		return &usageError{"loadtest", fmt.Errorf(`expected one of "fanout", "storm", "soak", "mixed", or --worker, got %q`, f.Scenario)}
	}
	return nil
}

// plan makes a plan of the flags.
func (f *loadtestFlags) plan() (scenario.Plan, error) {
	kind := scenario.Kind(f.Scenario)
	p := scenario.Plan{Members: f.Members, Rooms: f.Rooms, Users: f.Users, Room: bw.RoomID(f.Room)}
	p.Settings = scenario.Settings{
		Kind: kind, Run: runName(), Seed: f.Seed, Handshakes: f.Handshakes, Rate: f.Rate, Window: f.Window,
		Poisson: f.Arrivals == "poisson", Size: f.Payload, Duration: f.Duration, Steady: f.Steady,
		CutOwn: f.Cut == "own", GiveUp: f.GiveUp,
	}
	if p.Seed == 0 {
		p.Seed = rand.Uint64N(1 << 53) // survives JavaScript
	}
	if p.Rooms == 0 {
		p.Rooms = 1
		if kind == scenario.Storm || kind == scenario.Mixed {
			p.Rooms = max(1, f.Members/100)
		}
	}
	if kind == scenario.Mixed {
		p.Zipf, p.Moves, p.Searches, p.Pages = 1, f.Moves, f.Searches, f.Pages
	}
	if f.Zipf >= 0 {
		p.Zipf = f.Zipf
	}
	for _, text := range f.Target {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return p, &usageError{"--target", fmt.Errorf("%q is not http://HOST:PORT or https://HOST:PORT", text)}
		}
		p.Targets = append(p.Targets, u.Scheme+"://"+u.Host)
	}
	trust, err := f.trust()
	if err != nil {
		return p, err
	}
	p.Trust = trust
	for _, text := range f.Source {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return p, &usageError{"--source", err}
		}
		p.Sources = append(p.Sources, address)
	}
	return p, nil
}

// trust reads which certificates are trusted.
func (f *loadtestFlags) trust() (scenario.Trust, error) {
	t := scenario.Trust{Insecure: f.Insecure}
	if f.CA == "" {
		return t, nil
	}
	roots, err := os.ReadFile(f.CA)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(roots) {
		err = fmt.Errorf("%s has no certificate in PEM", f.CA)
	}
	if err != nil {
		return t, &usageError{"--ca", err}
	}
	t.Roots = string(roots)
	return t, nil
}

// runName tells runs apart in names of users and rooms.
func runName() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	name := make([]byte, 6)
	for i := range name {
		name[i] = letters[rand.IntN(len(letters))]
	}
	return string(name)
}
