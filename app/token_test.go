package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/server/auth"
)

// secret is a key that tokens can be signed with.
const secret = "thirty-two bytes are what it needs, at least\n"

func TestTokenSignsForNames(t *testing.T) {
	keyFile := write(t, "token.key", secret)
	for _, test := range []struct {
		name  string
		in    string
		names []string
		want  []string
	}{
		{"one", "", []string{"ann"}, []string{"ann"}},
		{"several", "", []string{"ann", "bob"}, []string{"ann", "bob"}},
		{"a name of two words", "", []string{"ann of the harbour"}, []string{"ann of the harbour"}},
		{"other scripts", "", []string{"Анна", "🦀"}, []string{"Анна", "🦀"}},
		{"another form of the same name", "", []string{"Zoe\u0308"}, []string{"Zo\u00eb"}},
		{"standard input", "ann\nbob\n", []string{"-"}, []string{"ann", "bob"}},
		{"no newline at the end", "ann\nbob", []string{"-"}, []string{"ann", "bob"}},
		{"empty lines and those of Windows", "ann\r\n\r\nbob\r\n", []string{"-"}, []string{"ann", "bob"}},
		{"nothing on standard input", "", []string{"-"}, nil},
		{"both", "bob\n", []string{"ann", "-", "cid"}, []string{"ann", "bob", "cid"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, test.in, append([]string{"token", "--token-key=" + keyFile, "--token-ttl=1h", "--"}, test.names...)...)
			if got.status != 0 || got.err != "" {
				t.Fatalf("got exit status %d and %q, want 0 and nothing", got.status, got.err)
			}
			checkTokens(t, keyFile, got.out, test.want)
		})
	}
}

// checkTokens reads NAME<TAB>TOKEN lines and asks a verifier for each.
func checkTokens(t *testing.T, keyFile, out string, want []string) {
	t.Helper()
	key, err := auth.LoadKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.VerifierConfig{Own: key})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	var names []string
	for line := range strings.Lines(out) {
		name, token, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		names = append(names, name)
		claims, err := verifier.Verify(token)
		if err != nil || string(claims.Name) != name {
			t.Errorf("the token of %q: got name %q and error %v", name, claims.Name, err)
		}
		if left := time.Until(claims.Expires); left < 55*time.Minute || left > time.Hour {
			t.Errorf("the token of %q: got %v left, want an hour", name, left)
		}
	}
	if strings.Join(names, "|") != strings.Join(want, "|") {
		t.Errorf("got the names %q, want %q", names, want)
	}
}

func TestTokenRefusesAWrongNameOnStandardInput(t *testing.T) {
	got := run(t, "ann\n bob\n", "token", "--token-key="+write(t, "token.key", secret), "-")
	if got.status != ExitUsage || !strings.Contains(got.err, `" bob"`) || strings.Count(got.err, "\n") != 1 {
		t.Errorf("got exit status %d and %q, want %d and one line that quotes the name", got.status, got.err, ExitUsage)
	}
}

func TestVersion(t *testing.T) {
	if got := run(t, "", "version"); got != (result{out: "v1.2.3-test\n"}) {
		t.Errorf("got %+v, want the version alone", got)
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	got := run(t, "", "--help")
	if got.status != 0 || got.err != "" {
		t.Errorf("got exit status %d and %q, want 0 and nothing", got.status, got.err)
	}
	for _, command := range []string{"serve", "token", "migrate up", "migrate status", "version"} {
		if !strings.Contains(got.out, command) {
			t.Errorf("the help does not name %s:\n%s", command, got.out)
		}
	}
}

func TestMigrate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	states := func(command string) (states []string) {
		t.Helper()
		got := run(t, "", "migrate", command, "--data="+folder)
		if got.status != 0 || got.err != "" {
			t.Fatalf("migrate %s: got exit status %d and %q, want 0 and nothing", command, got.status, got.err)
		}
		for line := range strings.Lines(got.out) {
			fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(fields) != 3 || filepath.Dir(fields[0]) != folder {
				t.Fatalf("migrate %s: got the line %q, want a path, a step and a state", command, line)
			}
			states = append(states, filepath.Base(fields[0])+" "+fields[2])
		}
		return states
	}
	for _, step := range []struct{ name, command, want string }{
		{"before anything", "status", "store.db behind, messages.db behind"},
		{"up", "up", "store.db up to date, messages.db up to date"},
		{"up again", "up", "store.db up to date, messages.db up to date"},
		{"after it", "status", "store.db up to date, messages.db up to date"},
	} {
		if got := strings.Join(states(step.command), ", "); got != step.want {
			t.Errorf("%s: migrate %s: got %s, want %s", step.name, step.command, got, step.want)
		}
		if _, err := os.Stat(folder); step.name == "before anything" && err == nil {
			t.Error("asking for the status made the data folder")
		}
	}
	leavesNothing(t, folder)
}
