package server

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/breakwater-chat/breakwater/server/page"
	"github.com/breakwater-chat/breakwater/wire"
)

// file is something static: the chat page's, or a document of the contract.
type file struct {
	contentType, etag string
	body              []byte
	// policy is the Content-Security-Policy, empty for documents.
	policy string
}

func staticFiles() map[string]file {
	files := make(map[string]file)
	for _, f := range page.Files() {
		files[f.Path] = file{contentType: f.ContentType, etag: f.ETag, body: f.Body, policy: page.ContentSecurityPolicy}
	}
	for path, body := range map[string][]byte{"/openapi.json": wire.OpenAPI, "/asyncapi.json": wire.AsyncAPI} {
		sum := sha256.Sum256(body)
		files[path] = file{contentType: "application/json", etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`, body: body}
	}
	return files
}

// showFile answers with a static file, or that the client has it already.
func (s *Server) showFile(r *request) error {
	f := s.files[string(r.Path())]
	h := &r.Response.Header
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache") // asked for each time, sent only when changed
	if f.policy != "" {
		h.Set("Content-Security-Policy", f.policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	if matches(string(r.Request.Header.Peek("If-None-Match")), f.etag) {
		r.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	r.SetContentType(f.contentType)
	r.SetBody(f.body)
	return nil
}

// matches compares weakly, as RFC 9110, section 13.1.2, asks.
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
