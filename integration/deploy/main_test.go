package deploy

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// files is the folder of what is tested here.
const files = "../../deploy"

// suite has the binary and one embedded server.
var suite harness.Suite

func TestMain(m *testing.M) {
	os.Exit(func() int {
		status := suite.Run(m.Run)
		http.DefaultClient.CloseIdleConnections()
		if leak := goleak.Find(); leak != nil && status == 0 {
			fmt.Fprintln(os.Stderr, leak)
			return 1
		}
		return status
	}())
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(files, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// help is what a command of the program says of its flags.
func help(t *testing.T, command ...string) string {
	t.Helper()
	text, err := suite.Binary.Command(append(command, "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hasVariable tells whether a flag in the help can be given by that environment variable.
func hasVariable(help, name string) bool {
	return regexp.MustCompile(`\(\$` + regexp.QuoteMeta(name) + `\)`).MatchString(help)
}
