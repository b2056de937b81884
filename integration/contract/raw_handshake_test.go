package contract

import (
	"crypto/sha1"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

// rawAcceptOf is what RFC 6455, section 4.2.2, wants as the answer to a key.
func rawAcceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestRawHandshake holds the answer to an upgrade to RFC 6455, section 4.2.2.
func TestRawHandshake(t *testing.T) {
	if got := rawAcceptOf(rawKey); got != rawAccept {
		t.Fatalf("got %s for the key of the RFC, want %s", got, rawAccept)
	}
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		header := "Authorization: Bearer " + seat.user.Token
		usual := []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + rawKey}
		with := func(lines ...string) []string { return append(usual[:len(usual):len(usual)], lines...) }
		bearer := "bearer." + seat.user.Token
		for _, row := range []struct {
			name, query string
			lines       []string
			subprotocol string
		}{
			{"the token in the header", "", with(header), ""},
			{"the token in the query", "?token=" + seat.user.Token, usual, ""},
			{"the token and the name in the query", "?user=" + url.QueryEscape(seat.user.Name) + "&token=" + seat.user.Token, usual, ""},
			{"the token in the subprotocols", "", with("Sec-WebSocket-Protocol: breakwater.v1, " + bearer), "breakwater.v1"},
			{"the token before the subprotocol", "", with("Sec-WebSocket-Protocol: " + bearer + ",breakwater.v1"), "breakwater.v1"},
			{"the token in a line of its own", "", with("Sec-WebSocket-Protocol: breakwater.v1", "Sec-WebSocket-Protocol: "+bearer), "breakwater.v1"},
			{"the token as the only subprotocol", "", with("Sec-WebSocket-Protocol: " + bearer), ""},
			{"a subprotocol beside the header", "", with(header, "Sec-WebSocket-Protocol: breakwater.v1"), "breakwater.v1"},
			{"one of several subprotocols", "", with(header, "Sec-WebSocket-Protocol: chat, breakwater.v1, superchat"), "breakwater.v1"},
			{"subprotocols that are not spoken", "", with(header, "Sec-WebSocket-Protocol: chat, breakwater.v2"), ""},
			{"compression offered", "", with(header, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"), ""},
			{"an extension that is none", "", with(header, "Sec-WebSocket-Extensions: ;;="), ""},
			{"names and values in odd case", "", []string{
				"uPGRADE: WebSocket", "CONNECTION: keep-alive, uPgRaDe", "sec-websocket-VERSION: 13", "SEC-WEBSOCKET-KEY: " + rawKey,
				"authorization: bearer " + seat.user.Token, "sec-websocket-protocol: breakwater.v1",
			}, "breakwater.v1"},
			{"white space around values", "", []string{
				"Upgrade:websocket", "Connection: \t keep-alive ,Upgrade \t ", "Sec-WebSocket-Version:13", "Sec-WebSocket-Key:\t" + rawKey + "  ", header,
			}, ""},
			{"a connection header in two lines", "", with("Connection: keep-alive", header), ""},
			{"several protocols to upgrade to", "", []string{"Upgrade: h2c, websocket", usual[1], usual[2], usual[3], header}, ""},
			{"what browsers send", "", with(header, "Origin: https://chat.example", "Pragma: no-cache", "Cache-Control: no-cache", "User-Agent: Mozilla/5.0", "Accept-Encoding: gzip, deflate, br"), ""},
			{"a long line", "", with(header, "Cookie: "+strings.Repeat("c", 9<<10)), ""},
			{"a long query", "?x=" + strings.Repeat("q", 9<<10), with(header), ""},
		} {
			t.Run(row.name, func(t *testing.T) {
				c := seat.dial(t)
				c.write(seat.head(row.query, row.lines...))
				rawSwitched(c, rawAccept, row.subprotocol)
				c.expect("joined")
				c.alive()
			})
		}
		t.Run("another key", func(t *testing.T) {
			const key = "AAECAwQFBgcICQoLDA0ODw=="
			c := seat.dial(t)
			c.write([]byte(strings.Replace(string(seat.upgrade()), rawKey, key, 1)))
			rawSwitched(c, rawAcceptOf(key), "")
		})
	})
}

// rawSwitched holds the 101 to what it must and must not have.
func rawSwitched(c *rawClient, accept, subprotocol string) {
	c.Helper()
	got := c.switched()
	want := map[string]string{"Sec-Websocket-Accept": accept, "Upgrade": "websocket", "Connection": "Upgrade"}
	if subprotocol != "" {
		want["Sec-Websocket-Protocol"] = subprotocol
	}
	for name, value := range want {
		if values := got.Header.Values(name); len(values) != 1 || !strings.EqualFold(values[0], value) || name == "Sec-Websocket-Accept" && values[0] != value {
			c.Errorf("got %s %q, want %q", name, values, value)
		}
	}
	// A header that was not asked for, or that no 1xx may have (RFC 9110, section 8.6).
	for _, name := range []string{"Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Content-Length", "Transfer-Encoding", "Content-Type"} {
		if values := got.Header.Values(name); want[name] == "" && len(values) > 0 {
			c.Errorf("got %s %q, want none", name, values)
		}
	}
	if got.Proto != "HTTP/1.1" {
		c.Errorf("got %s, want HTTP/1.1", got.Proto)
	}
}

// TestRawHandshakeRefusals sends what no HTTP client would.
func TestRawHandshakeRefusals(t *testing.T) {
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		good := string(seat.upgrade())
		for _, row := range []struct {
			name, request string
			status        int
		}{
			{"HTTP/1.0", strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), 400},
			{"another method", strings.Replace(good, "GET", "POST", 1), 405},
			{"a body", strings.Replace(good, "Upgrade: websocket", "Content-Length: 2\r\nUpgrade: websocket", 1) + "{}", 400},
			{"a body in chunks", strings.Replace(good, "Upgrade: websocket", "Transfer-Encoding: chunked\r\nUpgrade: websocket", 1) + "2\r\n{}\r\n0\r\n\r\n", 400},
			{"no host", good[:strings.Index(good, "Host:")] + good[strings.Index(good, "Upgrade:"):], 400},
			{"a key that is no base64", strings.Replace(good, rawKey, strings.Repeat("!", 24), 1), 400},
			{"a key of 17 bytes", strings.Replace(good, rawKey, "AAECAwQFBgcICQoLDA0ODxA=", 1), 400},
			{"two keys", strings.Replace(good, "Upgrade:", "Sec-WebSocket-Key: "+rawKey+"\r\nUpgrade:", 1), 400},
			{"a version of long ago", strings.Replace(good, "Version: 13", "Version: 0", 1), 426},
			{"no version", strings.Replace(good, "Sec-WebSocket-Version: 13\r\n", "", 1), 426},
			{"a connection header without upgrade", strings.Replace(good, "Connection: Upgrade", "Connection: keep-alive", 1), 426},
		} {
			t.Run(row.name, func(t *testing.T) {
				c := seat.dial(t)
				c.write([]byte(row.request))
				if got := c.answer().StatusCode; got != row.status {
					t.Errorf("got status %d, want %d", got, row.status)
				}
			})
		}
	})
}
