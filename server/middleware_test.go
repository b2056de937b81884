package server

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

func TestClientAddress(t *testing.T) {
	var trusted []netip.Prefix
	for _, p := range []string{"10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7/32"} {
		trusted = append(trusted, netip.MustParsePrefix(p))
	}
	s := &Server{cfg: Config{TrustedProxies: trusted}}
	for _, test := range []struct {
		name, peer string
		forwarded  []string // lines of X-Forwarded-For
		want       string
	}{
		{"nobody between", "203.0.113.9", nil, "203.0.113.9"},
		{"a stranger's word counts nothing", "203.0.113.9", []string{"198.51.100.1"}, "203.0.113.9"},
		{"nor does one that names a proxy", "203.0.113.9", []string{"10.0.0.1"}, "203.0.113.9"},
		{"one proxy", "10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"one proxy of a single address", "192.0.2.7", []string{"198.51.100.1"}, "198.51.100.1"},
		{"beside that address", "192.0.2.8", []string{"198.51.100.1"}, "192.0.2.8"},
		{"a chain of proxies", "10.0.0.1", []string{"198.51.100.1, 10.0.0.3, 10.0.0.2"}, "198.51.100.1"},
		{"a chain without spaces", "10.0.0.1", []string{"198.51.100.1,10.0.0.2"}, "198.51.100.1"},
		{"a client that pretends", "10.0.0.1", []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{"a client that pretends to be a proxy", "10.0.0.1", []string{"10.9.9.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"several lines", "10.0.0.1", []string{"127.0.0.1", "198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"only proxies", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no header", "10.0.0.1", nil, "10.0.0.1"},
		{"an empty header", "10.0.0.1", []string{""}, "10.0.0.1"},
		{"junk alone", "10.0.0.1", []string{"unknown"}, "10.0.0.1"},
		{"junk before a proxy", "10.0.0.1", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"junk before the client", "10.0.0.1", []string{"<script>, 198.51.100.1"}, "198.51.100.1"},
		{"an address with a port", "10.0.0.1", []string{"198.51.100.1:4000"}, "198.51.100.1"},
		{"IPv6 with a port", "10.0.0.1", []string{"[2001:db8:2::1]:4000"}, "2001:db8:2::1"},
		{"IPv6 between brackets", "10.0.0.1", []string{"[2001:db8:2::1]"}, "2001:db8:2::1"},
		{"a port alone", "10.0.0.1", []string{":4000"}, "10.0.0.1"},
		{"IPv6", "2001:db8:1::5", []string{"2001:db8:2::1"}, "2001:db8:2::1"},
		{"IPv6 beside the network", "2001:db8:2::5", []string{"198.51.100.1"}, "2001:db8:2::5"},
		{"IPv4 within IPv6", "::ffff:10.0.0.1", []string{"::ffff:198.51.100.1, ::ffff:10.0.0.2"}, "198.51.100.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ctx fasthttp.RequestCtx
			var asked fasthttp.Request
			for _, line := range test.forwarded {
				asked.Header.Add("X-Forwarded-For", line)
			}
			ctx.Init(&asked, &net.TCPAddr{IP: net.ParseIP(test.peer), Port: 1234}, nil)
			if got := s.clientAddress(&request{RequestCtx: &ctx}); got.String() != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhatAnAddressIsMeteredAs(t *testing.T) {
	for _, test := range []struct {
		name, one, other string
		same             bool
	}{
		{"neighbours in IPv4", "198.51.100.1", "198.51.100.2", false},
		{"one network of IPv6", "2001:db8:2::1", "2001:db8:2::ffff:1", true},
		{"the next network", "2001:db8:2:0::1", "2001:db8:2:1::1", false},
		{"whatever its zone", "fe80::1%eth0", "fe80::2%eth1", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			one, other := meteredAs(netip.MustParseAddr(test.one)), meteredAs(netip.MustParseAddr(test.other))
			if (one == other) != test.same {
				t.Errorf("%s and %s are metered as %s and %s", test.one, test.other, one, other)
			}
		})
	}
}

func TestBearerToken(t *testing.T) {
	for _, test := range []struct{ name, head, want string }{
		{"none", "GET / HTTP/1.1", ""},
		{"the header", "GET / HTTP/1.1\nAuthorization: Bearer a.b.c", "a.b.c"},
		{"the scheme in any case", "GET / HTTP/1.1\nauthorization: bEARER a.b.c", "a.b.c"},
		{"more than one space", "GET / HTTP/1.1\nAuthorization: Bearer   a.b.c", "a.b.c"},
		{"the query", "GET /?token=a.b.c HTTP/1.1", "a.b.c"},
		{"an escaped query", "GET /?token=a%2Eb%2Ec HTTP/1.1", "a.b.c"},
		{"a subprotocol", "GET / HTTP/1.1\nSec-WebSocket-Protocol: breakwater.v1, bearer.a.b.c", "a.b.c"},
		{"a subprotocol on a second line", "GET / HTTP/1.1\nSec-WebSocket-Protocol: breakwater.v1\nSec-WebSocket-Protocol: bearer.a.b.c", "a.b.c"},
		{"a subprotocol without the dot", "GET / HTTP/1.1\nSec-WebSocket-Protocol: bearer", ""},
		{"the header before the query", "GET /?token=query HTTP/1.1\nAuthorization: Bearer header", "header"},
		{"the query before the subprotocol", "GET /?token=query HTTP/1.1\nSec-WebSocket-Protocol: bearer.protocol", "query"},
		{"the header before the subprotocol", "GET / HTTP/1.1\nAuthorization: Bearer header\nSec-WebSocket-Protocol: bearer.protocol", "header"},
		{"another scheme is no token", "GET / HTTP/1.1\nAuthorization: Basic YTpi", ""},
		{"another scheme leaves the query", "GET /?token=query HTTP/1.1\nAuthorization: Basic YTpi", "query"},
		{"a scheme alone leaves the query", "GET /?token=query HTTP/1.1\nAuthorization: Bearer", "query"},
		{"an empty query leaves the subprotocol", "GET /?token= HTTP/1.1\nSec-WebSocket-Protocol: bearer.protocol", "protocol"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := bearerToken(requestOf(t, test.head, "")); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	s := newStand(t, nil)
	long := strings.Repeat("x", 64)
	for _, test := range []struct {
		name, given string
		kept        bool
	}{
		{"none", "", false},
		{"a word", "abc-DEF_1.2", true},
		{"the longest", long, true},
		{"longer", long + "x", false},
		{"two words", "a b", false},
		{"a quote", `a"b`, false},
		{"other letters", "ä", false},
		{"another log field", "a\tlevel=ERROR", false},
		{"a header", "a:b", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := requestOf(t, "GET /healthz HTTP/1.1", "")
			ctx.Request.Header.Set("X-Request-Id", test.given)
			s.handle(ctx)
			got := string(ctx.Response.Header.Peek("X-Request-Id"))
			if (got == test.given) != test.kept || len(got) < 10 {
				t.Errorf("got %q for %q, want it kept: %v", got, test.given, test.kept)
			}
			if !strings.Contains(s.diary.String(), `"request":"`+got+`"`) {
				t.Errorf("the log does not name the request %q", got)
			}
		})
	}
	one, other := s.ask(t, "GET /healthz HTTP/1.1", ""), s.ask(t, "GET /healthz HTTP/1.1", "")
	if a, b := one.Response.Header.Peek("X-Request-Id"), other.Response.Header.Peek("X-Request-Id"); string(a) == string(b) {
		t.Errorf("two requests have the same id %q", a)
	}
}

// panicking is a store with a defect.
type panicking struct{ store.Store }

func (panicking) ListRooms(context.Context, bw.RoomID, int) ([]store.RoomCount, error) {
	panic("a defect of the store")
}

func TestAPanicIsOneRequestsOnly(t *testing.T) {
	s := newStand(t, func(_ *Config, d *Deps) { d.Store = panicking{d.Store} })
	address := s.listen(t)
	c := dial(t, address)
	for range 2 { // on one connection, which stays
		if _, err := c.Write([]byte("GET /v1/chatrooms HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 4<<10)
		n, err := c.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		response, body := statusOf(t, string(answer[:n]))
		var told problem
		if err := json.Unmarshal([]byte(body), &told); err != nil || response.StatusCode != http.StatusInternalServerError || told.Status != 500 || told.Code != "internal" {
			t.Errorf("got status %d, %s, want a problem document of 500 and code internal", response.StatusCode, body)
		}
		if strings.Contains(body, "defect") {
			t.Errorf("the client is told of the panic: %s", body)
		}
	}
	if ctx := s.ask(t, "GET /v1/chatrooms/1 HTTP/1.1", ""); ctx.Response.StatusCode() != http.StatusOK {
		t.Errorf("another request: got status %d, want 200", ctx.Response.StatusCode())
	}
	if log := s.diary.String(); !strings.Contains(log, "a defect of the store") || !strings.Contains(log, "ListRooms") {
		t.Errorf("the log does not tell of the panic and its place:\n%s", log)
	}
}
