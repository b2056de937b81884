package app

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// TestEveryFlagIsAlsoAVariableAndAKey walks the program's own list of flags, so
// that a new one is held to the same as soon as it is there.
func TestEveryFlagIsAlsoAVariableAndAKey(t *testing.T) {
	var c commands
	parser, err := newParser(&c, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, command := range parser.Model.Leaves(true) {
		words := strings.Fields(command.Path())
		for _, a := range command.Positional {
			words = append(words, "a-"+a.Name)
		}
		for _, group := range command.AllFlags(true) {
			for _, flag := range group {
				if flag.Name == "help" || flag.Name == "config" {
					continue
				}
				seen++
				t.Run(strings.Join(append(words, flag.Name), " "), func(t *testing.T) { testPrecedence(t, words, flag) })
			}
		}
	}
	if seen < 20 {
		t.Errorf("got %d flags, want at least the 20 of serve: the walk is broken", seen)
	}
}

// testPrecedence gives a flag three values, each by a stronger way.
func testPrecedence(t *testing.T, words []string, flag *kong.Flag) {
	inFile, inEnvironment, asFlag := samples(t, flag)
	variable := "BREAKWATER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
	if got := fmt.Sprint(flag.Envs); got != "["+variable+"]" {
		t.Errorf("the variables of --%s: got %s, want [%s]", flag.Name, got, variable)
	}
	weaker := parsed(t, flag.Name, words)
	words = append(slices.Clip(words), companions(flag.Name, words[0] == "serve")...)
	check := func(way, want string, args ...string) {
		t.Helper()
		got := parsed(t, flag.Name, slices.Concat(words, args))
		if got != want {
			t.Errorf("--%s %s: got %s, want %s", flag.Name, way, got, want)
		}
		if want == weaker {
			t.Errorf("--%s %s: the sample %s is what a weaker way says too, which shows nothing", flag.Name, way, want)
		}
		weaker = want
	}
	content, err := yaml.Marshal(map[string]string{flag.Name: inFile})
	if err != nil {
		t.Fatal(err)
	}
	config := "--config=" + write(t, "breakwater.yaml", string(content))
	check("in the file", shown(flag, inFile), config)
	t.Setenv(variable, inEnvironment)
	check("in the environment", shown(flag, inEnvironment), config)
	check("as a flag", shown(flag, asFlag), config, "--"+flag.Name+"="+asFlag)
}

// companions are the flags that one cannot be given without.
func companions(flag string, serve bool) (others []string) {
	services := []string{"redis", "mysql", "elasticsearch"}
	switch {
	case flag == "tls-cert":
		return []string{"--tls-key=/x"}
	case flag == "tls-key":
		return []string{"--tls-cert=/x"}
	case !slices.Contains(services, flag):
		return nil
	}
	for _, other := range services {
		if other != flag {
			others = append(others, "--"+other+"=/x")
		}
	}
	if serve {
		others = append(others, "--token-key=/x")
	}
	return others
}

// samples returns three values that the flag may have.
func samples(t *testing.T, flag *kong.Flag) (one, two, three string) {
	t.Helper()
	if flag.Enum != "" {
		values := slices.DeleteFunc(flag.EnumSlice(), func(v string) bool { return v == flag.Default })
		return values[0], flag.Default, values[0]
	}
	switch of := flag.Target.Interface().(type) {
	case bool:
		return "true", "false", "true"
	case string, []string:
		return "/one", "/two", "/three"
	case int, int64, uint64, float64, []int:
		return "131", "132", "133"
	case time.Duration:
		return "31s", "32s", "33s"
	case []netip.Prefix:
		return "10.0.0.0/8", "2001:db8::/32", "192.168.0.0/16"
	default:
		t.Fatalf("--%s is of type %T, which this test has no values for", flag.Name, of)
		return "", "", ""
	}
}

// shown is how a value prints.
func shown(flag *kong.Flag, value string) string {
	if flag.IsSlice() {
		return "[" + value + "]"
	}
	return value
}

// parsed is the flag's value after the command line was read.
func parsed(t *testing.T, name string, args []string) string {
	t.Helper()
	var c commands
	parser, err := newParser(&c, args)
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range chosen.Flags() {
		if flag.Name == name {
			return fmt.Sprint(flag.Target.Interface())
		}
	}
	t.Fatalf("there is no flag --%s", name)
	return ""
}

func TestConfigFile(t *testing.T) {
	for _, test := range []struct {
		name, content, flag, want string
	}{
		{"an empty file", "", "listen", "127.0.0.1:8080"},
		{"only a comment", "# nothing yet\n", "listen", "127.0.0.1:8080"},
		{"a list", "trusted-proxy: [10.0.0.1, 2001:db8::/32]\n", "trusted-proxy", "[10.0.0.1/32 2001:db8::/32]"},
		{"a list of one a line", "auth-jwks-url:\n- http://a/?x=1,2\n- http://b/\n", "auth-jwks-url", "[http://a/?x=1,2 http://b/]"},
		{"a plain number", "send-rate: 0.5\n", "send-rate", "0.5"},
		{"what YAML takes for a number", "auth-issuer: 0123\n", "auth-issuer", "0123"},
		{"what YAML takes for a date", "auth-issuer: 2020-01-01\n", "auth-issuer", "2020-01-01"},
		{"the key of another command", "send-rate: 7\ntoken-ttl: 1h\n", "token-ttl", "1h0m0s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, "breakwater.yaml", test.content)
			if got := parsed(t, test.flag, []string{"serve", "--config", path}); got != test.want {
				t.Errorf("--%s by --config: got %s, want %s", test.flag, got, test.want)
			}
			t.Setenv("BREAKWATER_CONFIG", path)
			if got := parsed(t, test.flag, []string{"serve"}); got != test.want {
				t.Errorf("--%s by BREAKWATER_CONFIG: got %s, want %s", test.flag, got, test.want)
			}
		})
	}
}

func TestTrustedProxyIsANetworkOrAnAddress(t *testing.T) {
	for in, want := range map[string]string{
		"10.1.2.3":            "[10.1.2.3/32]",
		"10.1.2.3/8":          "[10.0.0.0/8]",
		"::1":                 "[::1/128]",
		"2001:db8::5/32":      "[2001:db8::/32]",
		"10.0.0.1,10.0.0.2":   "[10.0.0.1/32 10.0.0.2/32]",
		"::ffff:10.1.2.3":     "[10.1.2.3/32]",
		"::ffff:10.0.0.0/104": "[10.0.0.0/8]",
	} {
		if got := parsed(t, "trusted-proxy", []string{"serve", "--trusted-proxy", in}); got != want {
			t.Errorf("--trusted-proxy %s: got %s, want %s", in, got, want)
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	for _, test := range []struct {
		name               string
		asked, descriptors int
		connections        int
	}{
		{"many descriptors", 0, 1 << 20, 15_000},
		{"few descriptors", 0, 1024, 768},
		{"as asked", 50_000, 1 << 20, 50_000},
		{"more asked than there are", 50_000, 1024, 50_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := divide(test.asked, test.descriptors)
			if got.connections != test.connections {
				t.Errorf("connections: got %d, want %d", got.connections, test.connections)
			}
			others := got.silent + got.reading + got.idle
			if min(got.silent, got.reading, got.idle) < 1 || test.connections < test.descriptors && got.connections+others >= test.descriptors {
				t.Errorf("got shares %+v of %d descriptors, want some for each and some left", got, test.descriptors)
			}
		})
	}
}
