package deploy

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// composeFile is what of the compose specification the project uses; another key
// is a mistake, or is to be added here with a look at the specification.
type composeFile struct {
	Name     string
	Services map[string]composeService
	Networks map[string]struct {
		Internal bool
		IPAM     struct {
			Config []struct{ Subnet netip.Prefix }
		}
	}
	Volumes    map[string]struct{}
	Secrets    map[string]struct{ File string }
	Extensions map[string]yaml.Node `yaml:",inline"` // x-…
}

type composeService struct {
	Image           string
	Build           struct{ Context, Dockerfile string }
	Command         []string
	Environment     map[string]string
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Secrets         []string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Ulimits         map[string]int
	Restart         string
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
	Volumes         []string
	Ports           []string
	ExtraHosts      map[string]netip.Addr `yaml:"extra_hosts"`
	Networks        map[string]struct {
		Address netip.Addr `yaml:"ipv4_address"`
	}
	Healthcheck *struct {
		Test              []string
		Interval, Timeout time.Duration
		Retries           int
	}
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(readFile(t, "compose/docker-compose.yaml"))))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// isServer tells whether a service is one of the equal servers.
func isServer(name string) bool { return strings.HasPrefix(name, "server-") }

// What a service names is there: files, networks, volumes, secrets, other
// services with what is waited for, variables of the environment.
func TestComposeNamesWhatThereIs(t *testing.T) {
	c := readCompose(t)
	for key := range c.Extensions {
		if !strings.HasPrefix(key, "x-") {
			t.Errorf("compose has no key %s", key)
		}
	}
	for name, s := range c.Services {
		if s.Image == "" || s.Restart == "" || len(s.Networks) == 0 {
			t.Errorf("%s has the image %q, the restart policy %q and %d networks, want one each at least", name, s.Image, s.Restart, len(s.Networks))
		}
		for network, at := range s.Networks {
			declared, ok := c.Networks[network]
			if !ok {
				t.Errorf("%s is in the network %s, which is not declared", name, network)
			}
			if at.Address.IsValid() && !declared.IPAM.Config[0].Subnet.Contains(at.Address) {
				t.Errorf("%s has the address %s, which is not of its network", name, at.Address)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, ok := c.Volumes[source]; !ok && !isThere("compose/"+source) {
				t.Errorf("%s mounts %s, which is neither a volume nor a file", name, source)
			}
		}
		for _, secret := range s.Secrets {
			if _, ok := c.Secrets[secret]; !ok {
				t.Errorf("%s needs the secret %s, which is not declared", name, secret)
			}
		}
		for on, want := range s.DependsOn {
			other, ok := c.Services[on]
			if !ok || want.Condition == "service_healthy" && other.Healthcheck == nil ||
				want.Condition == "service_completed_successfully" && other.Restart != "no" ||
				!slices.Contains([]string{"service_healthy", "service_completed_successfully"}, want.Condition) {
				t.Errorf("%s waits for %s to be %s, which cannot be", name, on, want.Condition)
			}
		}
		if b := s.Build; b.Context != "" && !isThere(filepath.Join("compose", b.Context, b.Dockerfile)) {
			t.Errorf("%s is built from %s in %s, which is not there", name, b.Dockerfile, b.Context)
		}
	}
	example := readFile(t, "compose/.env.example")
	for _, variable := range regexp.MustCompile(`\$\{(\w+)`).FindAllStringSubmatch(readFile(t, "compose/docker-compose.yaml"), -1) {
		if !regexp.MustCompile(`(?m)^` + variable[1] + `=`).MatchString(example) {
			t.Errorf("%s is not in .env.example", variable[1])
		}
	}
	ignored := strings.Fields(readFile(t, "compose/.gitignore"))
	for name, secret := range c.Secrets {
		if !slices.Contains(ignored, filepath.Base(secret.File)) {
			t.Errorf("the file of the secret %s could get into the repository", name)
		}
	}
}

func isThere(path string) bool {
	_, err := os.Stat(filepath.Join(files, path))
	return err == nil
}

// The servers and the migration are started as the program can be.
func TestComposeStartsThePrograms(t *testing.T) {
	c := readCompose(t)
	ids := map[string]bool{}
	for name, s := range c.Services {
		if s.Image != "breakwater" {
			continue
		}
		command := []string{"serve"}
		if len(s.Command) > 0 {
			command = s.Command
		}
		says := help(t, command...)
		for variable := range s.Environment {
			if !hasVariable(says, variable) {
				t.Errorf("%s has %s, which %s does not know", name, variable, strings.Join(command, " "))
			}
		}
		for _, service := range []string{"REDIS", "MYSQL", "ELASTICSEARCH"} {
			host := strings.ToLower(service)
			if !strings.Contains(s.Environment["BREAKWATER_"+service], host) || c.Services[host].Image == "" {
				t.Errorf("%s reaches no %s", name, host)
			}
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s has rights that it does not need", name)
		}
		if !isServer(name) {
			continue
		}
		ids[s.Environment["BREAKWATER_SERVER_ID"]] = true
		if least := drainWindow(t) + stopTime; s.StopGracePeriod < least {
			t.Errorf("%s is killed %v after it was asked to stop, want at least %v", name, s.StopGracePeriod, least)
		}
		if s.Environment["BREAKWATER_TOKEN_KEY"] != "/run/secrets/"+s.Secrets[0] {
			t.Errorf("%s does not read its secret", name)
		}
		if s.DependsOn["migrate"].Condition != "service_completed_successfully" {
			t.Errorf("%s does not wait for the migration", name)
		}
	}
	if len(ids) != 3 {
		t.Errorf("got the server ids %v, want three", ids)
	}
}

// stopTime is what a server may take to end after its drain window.
const stopTime = 15 * time.Second

// drainWindow is the program's own.
func drainWindow(t *testing.T) time.Duration {
	t.Helper()
	found := regexp.MustCompile(`--drain-window=(\S+)`).FindStringSubmatch(help(t, "serve"))
	if found == nil {
		t.Fatal("there is no --drain-window")
	}
	window, err := time.ParseDuration(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return window
}

// nginx finds each server at its address, and the servers believe it and nobody else.
func TestComposeServersAreBehindNginx(t *testing.T) {
	c := readCompose(t)
	nginx := c.Services["nginx"]
	servers := regexp.MustCompile(`(?m)^server ([\w-]+):8080 `).FindAllStringSubmatch(readFile(t, "nginx/upstream.conf"), -1)
	if len(servers) != len(nginx.ExtraHosts) || len(servers) == 0 {
		t.Errorf("nginx has %d servers, of which it knows %d addresses", len(servers), len(nginx.ExtraHosts))
	}
	for _, server := range servers {
		at := c.Services[server[1]].Networks["front"].Address
		if got := nginx.ExtraHosts[server[1]]; got != at || !at.IsValid() {
			t.Errorf("%s is at %v, nginx takes it to be at %v", server[1], at, got)
		}
		if got, want := c.Services[server[1]].Environment["BREAKWATER_TRUSTED_PROXY"], nginx.Networks["front"].Address.String(); got != want {
			t.Errorf("%s trusts %s, want nginx at %s", server[1], got, want)
		}
	}
	for name, s := range c.Services {
		if len(s.Ports) > 0 && name != "nginx" {
			t.Errorf("%s can be reached from outside", name)
		}
	}
}

// Redis keeps what servers have acknowledged.
func TestComposeRedisKeepsAcks(t *testing.T) {
	redis := readCompose(t).Services["redis"]
	command := strings.Join(redis.Command, " ")
	for _, setting := range []string{"--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"} {
		if !strings.Contains(command, setting) {
			t.Errorf("redis is started without %s", setting)
		}
	}
	if !slices.Contains(redis.Volumes, "redis:/data") {
		t.Error("redis has no volume where it writes")
	}
}
