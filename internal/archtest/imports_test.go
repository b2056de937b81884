package archtest

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// mayImport says which of our packages the code of a folder may import, its
// tests left aside. The longest matching folder counts; "." is the root
// package, which everybody may import, and every folder may import what is below it.
var mayImport = map[string][]string{
	".":          {},
	"cmd":        {"app"},
	"app":        {"broker", "cache", "client", "history", "internal", "janitor", "loadtest", "migrations", "server", "store", "wire"},
	"wire":       {},
	"server":     {"broker", "cache", "client/js", "history", "internal", "store", "wire"},
	"client":     {"wire"},
	"janitor":    {"broker", "internal/ablation", "store"},
	"client/js":  {},
	"migrations": {},
	"internal":   {"internal"},
	// It measures the contracts themselves.
	"internal/observe": {"broker", "history", "store"},

	"broker":  {"wire"},
	"cache":   {"wire", "internal/ablation"},
	"store":   {"wire"},
	"history": {"wire"},

	"broker/membroker":   {"broker", "internal", "migrations"},
	"broker/redisbroker": {"broker", "internal"},
	"broker/brokertest":  {"broker"},
	"cache/memcache":     {"cache", "internal", "migrations"},
	"cache/rediscache":   {"cache", "internal"},
	"cache/cachetest":    {"cache"},
	"store/sqlitestore":  {"store", "internal", "migrations"},
	"store/mysqlstore":   {"store", "internal", "migrations"},
	"store/storetest":    {"store"},
	"store/ledger":       {"store"},
	"history/sqlitefts":  {"history", "internal", "migrations"},
	"history/elastic":    {"history", "internal", "migrations"},
	// It carries what the log has stored into the history.
	"history/indexer": {"broker", "history", "internal"},
	// The suite's subjects are filled by what a log commits.
	"history/historytest": {"history"},

	"loadtest": {"client", "internal", "wire"},
	// What is brought up to be loaded and hurt, and those who hurt and judge it.
	"loadtest/stand":         {"deploy", "internal"},
	"loadtest/stand/service": {},
	"loadtest/drill":         {"client", "internal", "loadtest", "wire"},
	// It reads what clients saw and what databases hold, and knows nothing of how either came to be.
	"loadtest/oracle": {},
	"loadtest/report": {},

	"bench":       {"wire", "internal"},
	"integration": {"wire", "internal", "integration", "loadtest", "deploy"},
	"deploy":      {},
}

// Implementations are folders below a contract that are named after their
// means: no implementation may reach another one, nor a server.
var contracts = []string{"broker", "cache", "store", "history"}

// Folders below a contract that hold no means but what its implementations have
// in common: these may reach them.
var common = []string{"store/ledger"}

// mayUse says which folders may import a driver or framework; every other
// dependency is free to all but the root package.
var mayUse = map[string][]string{
	"modernc.org/sqlite":             {"internal/sqlite", "store/sqlitestore", "history/sqlitefts"},
	"database/sql":                   {"internal/sqlite", "store/sqlitestore", "history/sqlitefts", "store/mysqlstore", "migrations", "loadtest/stand/service"},
	"github.com/pressly/goose":       {"internal/sqlite", "migrations", "app"},
	"github.com/valyala/fasthttp":    {"server", "app"},
	"github.com/gobwas":              {"client", "server", "wire"},
	"github.com/maypok86/otter":      {"cache/memcache"},
	"github.com/golang-jwt":          {"server/auth"},
	"github.com/MicahParks":          {"server/auth"},
	"github.com/alecthomas":          {"app"},
	"github.com/chromedp":            {"integration"},
	"github.com/coder/websocket":     {"integration"},
	"github.com/pb33f":               {"integration"},
	"github.com/santhosh-tekuri":     {"integration"},
	"go.uber.org/goleak":             {},
	"pgregory.net/rapid":             {},
	"github.com/stretchr/testify":    {},
	"github.com/sirupsen/logrus":     {},
	"golang.org/x/exp":               {},
	"github.com/gorilla/websocket":   {},
	"github.com/google/uuid":         {},
	"github.com/redis/go-redis":      {"broker/redisbroker", "cache/rediscache", "loadtest/stand/service"},
	"github.com/go-sql-driver/mysql": {"store/mysqlstore", "migrations", "loadtest/stand/service"},
	"github.com/elastic":             {"history/elastic", "migrations"},
	"github.com/sony/gobreaker":      {"internal", "history/elastic", "cache/rediscache", "server/directory"},
	"github.com/testcontainers":      {"integration"},
	"github.com/Shopify/toxiproxy":   {"integration", "loadtest/stand"},
	"k8s.io":                         {"integration", "deploy"},
	"github.com/HdrHistogram":        {"loadtest"},
}

func TestImportsPointOneWay(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		folder, allowed, ok := rule(f.dir)
		if !ok {
			t.Errorf("%s: the folder %s has no line in the table of imports: say there what it may import", f.name, f.dir)
			continue
		}
		for _, imported := range f.imports {
			ours, ok := ourFolder(imported)
			if !ok || ours == "." && folder != "." || folder != "." && within(ours, folder) {
				continue
			}
			if !within(ours, allowed...) || crossesContracts(f.dir, ours) {
				t.Errorf("%s imports %s; got an import of %s from %s, want only %q", f.name, imported, ours, folder, allowed)
			}
		}
	}
}

func TestRootImportsTheStandardLibraryOnly(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.dir != "." || f.test {
			continue
		}
		for _, imported := range f.imports {
			if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s; the root package holds words only", f.name, imported)
			}
		}
	}
}

func TestDriversStayInTheirImplementations(t *testing.T) {
	drivers := slices.Sorted(maps.Keys(mayUse))
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		for _, imported := range f.imports {
			for _, driver := range drivers {
				if within(imported, driver) && !within(f.dir, mayUse[driver]...) && !isSuite(f.dir) {
					t.Errorf("%s imports %s; got it in %s, want it only in %q", f.name, imported, f.dir, mayUse[driver])
				}
			}
		}
	}
}

func TestNobodyImportsTheIntegrationTests(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, imported := range f.imports {
			if ours, ok := ourFolder(imported); ok && within(ours, "integration") && !within(f.dir, "integration") {
				t.Errorf("%s imports %s; only integration tests may", f.name, imported)
			}
		}
	}
}

// TestRulesTellRightFromWrong keeps the rules themselves from passing everything.
func TestRulesTellRightFromWrong(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"server/live", "broker", true},
		{"server/live", "broker/membroker", false},
		{"server", "server/live", true},
		{"broker/membroker", "broker", true},
		{"broker/membroker", "history/sqlitefts", false},
		{"broker/membroker", "server/live", false},
		{"history/sqlitefts", "internal/sqlite", true},
		{"store/mysqlstore", "store/ledger", true},
		{"store/mysqlstore", "store/sqlitestore", false},
		{"server/live", "store/ledger", false},
		{"app", "history/sqlitefts", true},
		{"wire", "server", false},
		{"cmd/breakwater", "app", true},
		{"cmd/breakwater", "server", false},
	} {
		folder, allowed, _ := rule(c.from)
		got := within(c.to, folder) || within(c.to, allowed...) && !crossesContracts(c.from, c.to)
		if got != c.want {
			t.Errorf("may %s import %s: got %t, want %t", c.from, c.to, got, c.want)
		}
	}
}

// rule finds the line of the table that a folder falls under.
func rule(dir string) (folder string, allowed []string, ok bool) {
	if dir == "." {
		return ".", mayImport["."], true
	}
	for candidate, imports := range mayImport {
		if candidate != "." && within(dir, candidate) && len(candidate) > len(folder) {
			folder, allowed, ok = candidate, imports, true
		}
	}
	return folder, allowed, ok
}

// ourFolder turns an import path of this module into a folder.
func ourFolder(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// crossesContracts tells whether code reaches below a contract, where the
// implementations are: only the wiring may, and an implementation into itself
// and into what it has in common with the others.
func crossesContracts(from, to string) bool {
	if within(from, "app") {
		return false
	}
	for _, contract := range contracts {
		if strings.HasPrefix(to, contract+"/") && !within(from, to) {
			return !within(from, contract) || !within(to, common...)
		}
	}
	return false
}

// isSuite tells whether a folder holds a conformance suite: code of tests that
// is not in a _test file, so that several implementations can run it.
func isSuite(dir string) bool {
	return within(dir, "integration") || strings.HasSuffix(dir, "test") && strings.Count(dir, "/") == 1
}
