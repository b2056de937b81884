package contract

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// rawServer is a server that is spoken to in bytes of the test's own making.
type rawServer struct {
	url string
	// tls is how to trust it; nil where it speaks plainly.
	tls  *tls.Config
	http *http.Client
}

// rawBoth runs a test against both ways into the server: plain connections,
// which epoll loops read, and TLS, where each has goroutines of its own.
func rawBoth(t *testing.T, test func(*testing.T, *rawServer)) {
	t.Run("plain", func(t *testing.T) {
		test(t, &rawServer{url: suite.Server.URL, http: http.DefaultClient})
	})
	t.Run("TLS", func(t *testing.T) {
		cert, key := harness.Certificate(t)
		roots := x509.NewCertPool()
		if trusted, err := os.ReadFile(cert); err != nil || !roots.AppendCertsFromPEM(trusted) {
			t.Fatalf("read the certificate: %v", err)
		}
		running := suite.Binary.Start(t, "--send-rate", "0", "--signup-rate", "0", "--tls-cert", cert, "--tls-key", key)
		// Long records from the start put more in one than a buffer of the upgrade takes.
		config := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		t.Cleanup(client.CloseIdleConnections)
		test(t, &rawServer{url: running.URL, tls: config, http: client})
	})
}

// ask makes an HTTP request beside the raw connections.
func (s *rawServer) ask(t *testing.T, method, path, token string, body, into any) {
	t.Helper()
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(encoded)
	}
	out, err := http.NewRequestWithContext(t.Context(), method, s.url+path, payload)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.http.Do(out)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: got status %d with %s, %v, want success", method, path, response.StatusCode, got, err)
	}
	if err := json.Unmarshal(got, into); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, got)
	}
}

// rawSeat is a user with a room to join.
type rawSeat struct {
	server *rawServer
	user   struct{ Name, Token string }
	room   room
}

func (s *rawServer) newSeat(t *testing.T) *rawSeat {
	t.Helper()
	seat := &rawSeat{server: s}
	s.ask(t, "POST", "/v1/chatrooms/users", "", map[string]string{"name": unique("raw")}, &seat.user)
	s.ask(t, "POST", "/v1/chatrooms", seat.user.Token, map[string]string{"name": unique("raw")}, &seat.room)
	return seat
}

// texts returns what is stored in the room, oldest first.
func (seat *rawSeat) texts(t *testing.T) []string {
	t.Helper()
	var p page
	seat.server.ask(t, "GET", seat.room.path("/messages?limit=500"), seat.user.Token, nil, &p)
	var all []string
	for _, m := range p.Messages {
		all = append(all, m.Text)
	}
	return all
}

// The sample of RFC 6455, section 1.3.
const (
	rawKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	rawAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// head is an upgrade request with lines instead of the usual headers.
func (seat *rawSeat) head(query string, lines ...string) []byte {
	address := seat.server.url[strings.Index(seat.server.url, "://")+3:]
	return fmt.Appendf(nil, "GET %s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", seat.room.path("/join"), query, address, strings.Join(lines, "\r\n"))
}

// upgrade is the usual upgrade request, with further lines.
func (seat *rawSeat) upgrade(lines ...string) []byte {
	return seat.head("", append([]string{
		"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + rawKey,
		"Authorization: Bearer " + seat.user.Token,
	}, lines...)...)
}
