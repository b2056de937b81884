package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, fasthttpsOwn()...) }

// fasthttpsOwn are goroutines that are not ours to wait for: the process's one
// clock of the Date header, and the cleaner of a pool that has stopped, which
// sees that when it wakes after ten seconds.
func fasthttpsOwn() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
}

// result is what a run of the program leaves to see.
type result struct {
	status   int
	out, err string
}

// run is one run of the program in a folder of its own.
func run(t *testing.T, in string, args ...string) (r result) {
	t.Helper()
	var out, errOut bytes.Buffer
	r.status = Run(args, "v1.2.3-test", strings.NewReader(in), &out, &errOut)
	r.out, r.err = out.String(), errOut.String()
	return r
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// write makes a file in the test's folder and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openFiles lists the files in the folder that the process has open, as far as
// the system tells.
func openFiles(folder string) (open []string) {
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return nil
	}
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && strings.HasPrefix(path, folder) {
			open = append(open, path)
		}
	}
	return open
}
