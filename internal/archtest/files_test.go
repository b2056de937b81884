package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxLines keeps a file readable in one go.
const maxLines = 600

// written are the kinds of files that people write by hand.
var written = []string{".go", ".js", ".ts", ".css", ".html", ".sql", ".sh", ".md", ".yml"}

func TestFilesAreShort(t *testing.T) {
	walk(t, func(name string) {
		if !slices.Contains(written, path.Ext(name)) {
			return
		}
		if got := strings.Count(read(t, name), "\n"); got > maxLines {
			t.Errorf("%s: got %d lines, want at most %d", name, got, maxLines)
		}
	})
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		documented[f.dir] = documented[f.dir] || f.syntax.Doc != nil && len(f.syntax.Doc.Text()) > len("Package x")
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("the package in %s has no comment that says what it is", dir)
		}
	}
}

// forbidden are calls that make a test wait blindly or hide that it did not run.
var forbidden = map[string]string{
	"time.Sleep": "wait for what should happen, with a deadline",
	"t.Skip":     "a test runs or fails", "t.Skipf": "a test runs or fails", "t.SkipNow": "a test runs or fails",
	"b.Skip": "a benchmark runs or fails", "b.Skipf": "a benchmark runs or fails", "b.SkipNow": "a benchmark runs or fails",
}

func TestTestsNeitherSleepNorSkip(t *testing.T) {
	for _, f := range goFiles(t) {
		if !f.test && !isSuite(f.dir) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			on, ok := selector.X.(*ast.Ident)
			if !ok {
				return true
			}
			if reason, bad := forbidden[on.Name+"."+selector.Sel.Name]; bad {
				t.Errorf("%s: got %s.%s; %s", f.at(n.Pos()), on.Name, selector.Sel.Name, reason)
			}
			return true
		})
	}
}

// Marks are put together here so that this file does not hold them itself.
var (
	unfinished = regexp.MustCompile(`\b(` + "TO" + "DO|FIX" + "ME|XX" + `X)\b`)
	// A path that exists on the machine where a file was written, and nowhere else.
	machinePath = regexp.MustCompile(`(^|[\s"'=(:` + "`" + `])/(ho` + `me|ro` + `ot|Us` + `ers|wo` + `rk|fa` + `rm)/[A-Za-z0-9._-]`)
	outside     = regexp.MustCompile(`\.\./sha` + `red\b`)
)

func TestTheProjectSpeaksOfItselfAlone(t *testing.T) {
	walk(t, func(name string) {
		content := read(t, name)
		if path.Ext(name) == ".sum" || strings.ContainsRune(content, 0) {
			return // checksums, or no text
		}
		for number, line := range strings.Split(content, "\n") {
			for what, pattern := range map[string]*regexp.Regexp{
				"a mark of unfinished work": unfinished, "a path of some machine": machinePath, "a folder beside the project": outside,
			} {
				if pattern.MatchString(line) {
					t.Errorf("%s:%d: got %s: %s", name, number+1, what, strings.TrimSpace(line))
				}
			}
		}
	})
}
