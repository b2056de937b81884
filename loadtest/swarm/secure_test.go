//go:build linux

package swarm

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// sizes are of the texts that an echo greets with: of one record, and of many.
var sizes = []int{1, 100, 1000, 20_000, 70_000, 300_000}

// echo is a server over TLS that greets with texts of these sizes, answers each text with
// itself, and closes after one that says so.
type echo struct {
	*httptest.Server
	talking sync.WaitGroup
}

// startEcho starts one. chunk is how many bytes it writes at a time; 0 is all.
func startEcho(t *testing.T, config *tls.Config, chunk int) *echo {
	t.Helper()
	e := &echo{}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		e.talking.Go(func() { talk(conn) })
	}))
	e.TLS = config
	e.Listener = chunked{e.Listener, chunk}
	e.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of handshakes that fail on purpose
	e.StartTLS()
	t.Cleanup(func() {
		e.Close()
		e.talking.Wait()
	})
	return e
}

func talk(conn net.Conn) {
	defer conn.Close()
	for _, size := range sizes {
		if wsutil.WriteServerText(conn, []byte(strings.Repeat("x", size))) != nil {
			return
		}
	}
	for {
		text, err := wsutil.ReadClientText(conn)
		if err != nil {
			return
		}
		if string(text) == "close" {
			_ = wsutil.WriteServerMessage(conn, ws.OpClose, ws.NewCloseFrameBody(4001, "as asked"))
			return
		}
		if wsutil.WriteServerText(conn, text) != nil {
			return
		}
	}
}

// chunked has connections that write a little at a time.
type chunked struct {
	net.Listener
	size int
}

func (l chunked) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || l.size == 0 {
		return conn, err
	}
	return &chunkedConn{conn, l.size}, nil
}

type chunkedConn struct {
	net.Conn
	size int
}

func (c *chunkedConn) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var wrote int
		wrote, err = c.Conn.Write(b[n:min(len(b), n+c.size)])
		n += wrote
	}
	return n, err
}

// listener is a Handler that notes what it hears.
type listener struct {
	texts map[int][]string
	ends  []End
}

func (*listener) Request(int) Request { return Request{Path: "/", Token: "x"} }

func (l *listener) Text(conn int, payload []byte) {
	l.texts[conn] = append(l.texts[conn], string(payload))
}

func (l *listener) Ended(_ int, end End) { l.ends = append(l.ends, end) }

// swarmOf opens connections to an address.
func swarmOf(t *testing.T, address string, config *tls.Config, connections int) (*Swarm, *listener) {
	t.Helper()
	l := &listener{texts: map[int][]string{}}
	target := Target{Host: address, Addresses: []netip.AddrPort{netip.MustParseAddrPort(address)}, TLS: config}
	s, err := New(Config{Targets: []Target{target}, Handshakes: connections, Clock: NewClock(), Random: rand.New(rand.NewPCG(1, 2))}, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Open(connections)
	return s, l
}

// poll serves the swarm until something holds.
func poll(t *testing.T, s *Swarm, what string, holds func() bool) {
	t.Helper()
	const patience = 30 * time.Second
	for end := s.cfg.Clock.Now() + patience; !holds(); {
		if s.Now() > end {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
		if err := s.Poll(s.Now() + 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// trusting trusts what servers of httptest have.
func trusting(e *echo) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(e.Certificate())
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// TestConnectionsOverTLS has texts of many sizes go both ways, in records that come whole and
// in crumbs.
func TestConnectionsOverTLS(t *testing.T) {
	for _, test := range []struct {
		name    string
		version uint16
		chunk   int
	}{
		{"1.3", tls.VersionTLS13, 0},
		{"1.2", tls.VersionTLS12, 0},
		{"1.3 in crumbs", tls.VersionTLS13, 1 << 9},
		{"1.2 in crumbs", tls.VersionTLS12, 1 << 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			const people = 5
			e := startEcho(t, &tls.Config{MaxVersion: test.version, MinVersion: tls.VersionTLS12}, test.chunk)
			s, l := swarmOf(t, e.Listener.Addr().String(), trusting(e), people)
			heard := func(texts int) func() bool {
				return func() bool {
					for i := range people {
						if len(l.texts[i]) < texts {
							return false
						}
					}
					return true
				}
			}
			poll(t, s, "all are greeted", heard(len(sizes)))
			want := make([]string, 0, len(sizes)+1)
			for _, size := range sizes {
				want = append(want, strings.Repeat("x", size))
			}
			for i := range people {
				if text := "from " + strconv.Itoa(i) + strings.Repeat("y", 50_000*i); !s.Send(i, []byte(text)) {
					t.Fatalf("connection %d took no text", i)
				}
			}
			poll(t, s, "all are answered", heard(len(sizes)+1))
			for i := range people {
				for j, text := range append(want, "from "+strconv.Itoa(i)+strings.Repeat("y", 50_000*i)) {
					if l.texts[i][j] != text {
						t.Fatalf("connection %d got %d bytes as its text %d, want %d others", i, len(l.texts[i][j]), j, len(text))
					}
				}
			}
			s.Cut()
			poll(t, s, "all are back", heard(2*len(sizes)+1))
			l.ends = nil
			s.Send(0, []byte("close"))
			poll(t, s, "one is closed", func() bool { return len(l.ends) > 0 })
			if got := l.ends[0]; got.Reason != "unauthorized" || got.Detail != "as asked" || !got.Final || !got.Live {
				t.Errorf("got the end %+v, want that of the close frame", got)
			}
		})
	}
}

// TestHandshakesThatFail names what is wrong, and leaves no handshake behind.
func TestHandshakesThatFail(t *testing.T) {
	e := startEcho(t, nil, 0)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	other := trusting(e)
	other.ServerName = "another.example"
	for _, test := range []struct {
		name    string
		address net.Addr
		config  *tls.Config
		want    End
	}{
		{"a certificate of nobody's", e.Listener.Addr(), &tls.Config{ServerName: "127.0.0.1"}, End{Reason: ReasonUntrusted, Final: true}},
		{"a certificate of another host", e.Listener.Addr(), other, End{Reason: ReasonUntrusted, Final: true}},
		{"a server without TLS", plain.Listener.Addr(), trusting(e), End{Reason: ReasonTLS}},
		{"a server that says nothing", mute.Addr(), trusting(e), End{Reason: ReasonCut}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, l := swarmOf(t, test.address.String(), test.config, 1)
			if test.want.Reason == ReasonCut {
				poll(t, s, "it shakes hands", func() bool { return s.conns[0].state == securing })
				s.Cut()
			}
			poll(t, s, "it has ended", func() bool { return len(l.ends) > 0 })
			if got := l.ends[0]; got.Reason != test.want.Reason || got.Final != test.want.Final || got.Live {
				t.Errorf("got the end %+v, want %+v", got, test.want)
			}
		})
	}
}
