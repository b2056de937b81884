// Package page is the chat page that the server shows at "/": static files, embedded in the binary,
// with the browser client that they use. It needs nothing from another host.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"strings"

	js "github.com/breakwater-chat/breakwater/client/js"
)

// ContentSecurityPolicy is sent with every file of the page. Scripts, styles, images and connections
// (WebSockets among them: CSP Level 3 §6.7.2.8 lets 'self' match ws and wss) come from the page's own
// origin only, nothing inline is run, and text never becomes markup.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

//go:embed static
var static embed.FS

// A File is one file of the page, ready to be served.
type File struct {
	Path        string // of the URL: "/", "/app.js", "/client/breakwater.js", …
	ContentType string
	ETag        string // strong and quoted, from the SHA-256 of Body
	Body        []byte // shared: not to be changed
}

// Files returns all files of the page, the client's modules under "/client/".
func Files() []File {
	site, err := fs.Sub(static, "static")
	if err != nil {
		panic(fmt.Sprintf("page: embedded files: %v", err)) // a constant path: the build is broken
	}
	return append(collect(site, "/"), collect(js.Files, "/client/")...)
}

// collect reads a tree that is part of the binary, where reading cannot fail.
func collect(tree fs.FS, prefix string) []File {
	var files []File
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files = append(files, newFile(prefix+name, body))
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("page: embedded files: %v", err))
	}
	return files
}

func newFile(name string, body []byte) File {
	sum := sha256.Sum256(body)
	return File{
		Path:        strings.TrimSuffix(name, "index.html"),
		ContentType: contentType(name),
		ETag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`,
		Body:        body,
	}
}

// contentType does not use the mime package: that reads tables of the machine it runs on.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}
