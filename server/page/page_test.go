package page_test

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/server/page"
)

func byPath(t *testing.T) map[string]page.File {
	t.Helper()
	files := map[string]page.File{}
	for _, file := range page.Files() {
		if _, twice := files[file.Path]; twice {
			t.Errorf("path %s is there twice", file.Path)
		}
		files[file.Path] = file
	}
	return files
}

func TestFilesAreReadyToServe(t *testing.T) {
	files := byPath(t)
	types := map[string]string{
		"/":                     "text/html; charset=utf-8",
		"/app.js":               "text/javascript; charset=utf-8",
		"/app.css":              "text/css; charset=utf-8",
		"/client/breakwater.js": "text/javascript; charset=utf-8",
		"/favicon.svg":          "image/svg+xml",
	}
	for name, want := range types {
		if got := files[name].ContentType; got != want {
			t.Errorf("content type of %s: got %q, want %q", name, got, want)
		}
	}
	etag := regexp.MustCompile(`^"[A-Za-z0-9_-]{43}"$`)
	for name, file := range files {
		if !etag.MatchString(file.ETag) {
			t.Errorf("ETag of %s: got %s, want a quoted SHA-256", name, file.ETag)
		}
		if len(file.Body) == 0 {
			t.Errorf("%s is empty", name)
		}
		if strings.Contains(name, "/test/") {
			t.Errorf("%s is a test and must not be served", name)
		}
	}
}

// TestEveryReferenceIsServed follows imports and links, so that a renamed file cannot break the page.
func TestEveryReferenceIsServed(t *testing.T) {
	files := byPath(t)
	imports := regexp.MustCompile(`from '(\.[^']+)'`)
	links := regexp.MustCompile(`(?:src|href)="(/[^"]*)"`)
	for name, file := range files {
		var targets []string
		for _, match := range imports.FindAllSubmatch(file.Body, -1) {
			targets = append(targets, path.Join(path.Dir(name), string(match[1])))
		}
		for _, match := range links.FindAllSubmatch(file.Body, -1) {
			targets = append(targets, string(match[1]))
		}
		for _, target := range targets {
			if _, found := files[target]; !found {
				t.Errorf("%s refers to %s, which is not served", name, target)
			}
		}
	}
}

func TestNothingThatThePolicyForbids(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		"an inline style":        regexp.MustCompile(`(?i)<style|\sstyle="`),
		"an inline script":       regexp.MustCompile(`(?i)<script(?:\s+type="module")?>|\son[a-z]+="`),
		"markup made from text":  regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(`),
		"something from outside": regexp.MustCompile(`(?:src|href)="(?:https?:)?//|url\(\s*["']?(?:https?:)?//|from 'https?:|@import`),
	}
	for name, file := range byPath(t) {
		for what, pattern := range forbidden {
			if found := pattern.Find(file.Body); found != nil {
				t.Errorf("%s has %s: %s", name, what, found)
			}
		}
	}
}

// TestTestIDsAreListed holds the list at the top of index.html, on which browser tests rely, to the truth.
func TestTestIDsAreListed(t *testing.T) {
	files := byPath(t)
	page := string(files["/"].Body)
	head, body, found := strings.Cut(page, "-->")
	if !found {
		t.Fatal("index.html has no comment at its top")
	}
	var sources strings.Builder
	sources.WriteString(body)
	for name, file := range files {
		if strings.HasPrefix(name, "/app/") {
			sources.Write(file.Body)
		}
	}
	used := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?:data-testid="|testid: ')([a-z-]+)`).FindAllStringSubmatch(sources.String(), -1) {
		used[match[1]] = true
	}
	listed := map[string]bool{}
	list := regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(head[strings.Index(head, "data-testid:")+len("data-testid:"):], "")
	for _, id := range strings.Fields(list) {
		listed[id] = true
	}
	for id := range used {
		if !listed[id] {
			t.Errorf("data-testid %q is used but not listed in index.html", id)
		}
	}
	for id := range listed {
		if !used[id] {
			t.Errorf("data-testid %q is listed in index.html but not used", id)
		}
	}
}
