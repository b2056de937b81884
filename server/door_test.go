package server

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
)

// joinRequest is a join as it is sent, without the empty line behind it.
func joinRequest(query string, lines ...string) string {
	head := []string{"GET /v1/chatrooms/1/join?user=ann" + query + " HTTP/1.1", "Host: x", "X-Request-Id: mine"}
	return strings.Join(append(append(head, handshake...), lines...), "\r\n") + "\r\n"
}

// fillJoins takes all turns that there are for who is new, or for who comes back.
func (s *stand) fillJoins(back bool) (leave []func(bool)) {
	for {
		next, err := s.deps.Hub.EnterJoin(back)
		if err != nil {
			return leave
		}
		leave = append(leave, next)
	}
}

// underWay is how many joins have their turn.
func (s *stand) underWay(t *testing.T) int {
	t.Helper()
	return metricOf(t, s.deps.Registry, "breakwater_overload_under_way", "join")
}

// knock is a connection over which something was said.
func knock(t *testing.T, address, said string) net.Conn {
	t.Helper()
	c := dial(t, address)
	if _, err := io.WriteString(c, said); err != nil {
		t.Fatal(err)
	}
	return c
}

// asked is the answer to what is said over a connection, but for what is drawn anew for each.
func asked(t *testing.T, address, said string) (head http.Header, body string) {
	t.Helper()
	c := knock(t, address, said)
	defer c.Close()
	lines := bufio.NewReader(c)
	for range strings.Count(said, "\r\n\r\n") { // the answer to the last of the requests
		response, err := http.ReadResponse(lines, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		head, body = response.Header, string(text)
		head.Set("Status", response.Status)
		if response.Close {
			head.Set("Connection", "close") // it was taken from there
			if n, err := lines.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("got %d bytes and %v behind the answer, want its end", n, err)
			}
		}
	}
	if after, err := strconv.Atoi(head.Get("Retry-After")); err != nil || after < 1 {
		t.Errorf("got Retry-After %q, want seconds", head.Get("Retry-After"))
	}
	head.Del("Date")
	head.Del("Retry-After")
	return head, regexp.MustCompile(`"retry_after_ms":\d+`).ReplaceAllString(body, "")
}

// A join that is refused at the door is told, header by header, what the handler would
// tell; who comes back goes before who is new.
func TestTheDoorRefusesAsTheHandlerDoes(t *testing.T) {
	s := newStand(t, nil)
	address := s.listen(t)
	s.fillJoins(false)
	hall := joinRequest("") + "\r\n"
	atDoor, told := asked(t, address, hall)
	byHandler, said := asked(t, address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"+hall)
	if holdsBack && atDoor.Get("Connection") != "close" {
		t.Errorf("got %v, want the connection closed", atDoor)
	}
	atDoor.Del("Connection")
	if !maps.EqualFunc(atDoor, byHandler, slices.Equal) || told != said || byHandler.Get("Status") != "429 Too Many Requests" {
		t.Errorf("at the door got\n%v %s\nby the handler\n%v %s", atDoor, told, byHandler, said)
	}
	back := joinRequest("&epoch=1&since=0", "Authorization: Bearer "+s.token) + "\r\n"
	c := knock(t, address, back)
	defer c.Close()
	if response, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("who comes back got %v, %v; want to be let in", response, err)
	}
	s.fillJoins(true)
	asked(t, address, back)
}

// still tells that no join is under way, or waits until it is so.
func (s *stand) still(t *testing.T, what string) {
	t.Helper()
	until(t, what+": no join is under way", func() bool { return s.underWay(t) == 0 })
}

// slowDirectory finds rooms when it is let.
type slowDirectory struct {
	Directory
	asked chan struct{}
	found func()
}

func (d slowDirectory) FindRoom(ctx context.Context, id bw.RoomID) (bw.Room, error) {
	d.asked <- struct{}{}
	d.found()
	return d.Directory.FindRoom(ctx, id)
}

// A join that was let in at the door has one turn, until it has come to an end.
func TestAJoinHasOneTurn(t *testing.T) {
	goOn, asked := make(chan struct{}), make(chan struct{})
	s := newStand(t, func(_ *Config, d *Deps) { d.Directory = slowDirectory{d.Directory, asked, func() { <-goOn }} })
	address := s.listen(t)
	c := knock(t, address, joinRequest("", "Authorization: Bearer "+s.token)+"\r\n")
	<-asked
	if n := s.underWay(t); n != 1 {
		t.Errorf("got %d joins under way, want 1", n)
	}
	close(goOn)
	if response, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("got %v, %v; want to be let in", response, err)
	}
	s.still(t, "he is in")
}

// A turn of the door is given back whatever becomes of the connection and its request.
func TestTurnsOfTheDoorComeBack(t *testing.T) {
	s := newStand(t, nil)
	address := s.listen(t)
	hall := joinRequest("") + "\r\n"
	for what, request := range map[string]string{
		"no token":      hall,
		"a wrong token": joinRequest("", "Authorization: Bearer nonsense") + "\r\n",
		"no such room":  strings.Replace(joinRequest("", "Authorization: Bearer "+s.token), "/1/", "/7/", 1) + "\r\n",
		"not a request": joinRequest("", "Transfer-Encoding: nonsense") + "\r\n",
		"another HTTP":  strings.Replace(joinRequest("", "Connection: keep-alive"), "HTTP/1.1", "HTTP/2.0", 1) + "\r\n",
	} {
		c := knock(t, address, request)
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		s.still(t, what) // and the connection is open
		_ = c.Close()
	}
}

// A turn is given back when its connection says something else, ends, or waits at the door
// when the server stops.
func TestTurnsThatAreNotUsedComeBack(t *testing.T) {
	s := newStand(t, nil)
	hall := []byte(joinRequest("") + "\r\n")
	admit := func(c net.Conn, want int) {
		t.Helper()
		if refusal, admitted := s.door.knock(c, hall); !admitted || s.underWay(t) != want {
			t.Fatalf("got %t, %q and %d joins under way, want %d", admitted, refusal, s.underWay(t), want)
		}
	}
	ctx := requestOf(t, "GET /healthz HTTP/1.1", "")
	admit(ctx.Conn(), 1)
	s.handle(ctx)
	s.still(t, "who says something else")

	c, other := net.Pipe()
	defer other.Close()
	<-s.door.let
	admit(c, 1)
	s.follow(<-s.door.let, fasthttp.StateClosed)
	s.still(t, "who says nothing more")

	for n := range 3 * cap(s.door.let) {
		c, other := net.Pipe()
		defer other.Close()
		admit(c, n+1)
	}
	s.door.stop()
	s.still(t, "who waits when the server stops")

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGate(ln, 10, patience, newDoor(s.Server), newMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	knock(t, ln.Addr().String(), string(hall))
	if holdsBack {
		until(t, "he is let in", func() bool { return s.underWay(t) == 1 })
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	s.still(t, "who is let in when the gate closes")
}

// As many joins as have a place go on at once. The others wait for it, who comes back
// before who is new; who waits for something else than the processor holds nobody up.
func TestTheDoorLetsInAsManyAsAreDoneAtOnce(t *testing.T) {
	s := newStand(t, nil)
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(s.Server)
		var fresh, back []net.Conn
		left := 0
		come := func(to *[]net.Conn, back bool) {
			c, _ := net.Pipe()
			*to = append(*to, c)
			d.admit(c, back, func(bool) { left++ })
		}
		for range cap(d.let) + 2 {
			come(&fresh, false)
		}
		come(&back, true)
		if len(d.let) != cap(d.let) {
			t.Fatalf("got %d inside, want %d", len(d.let), cap(d.let))
		}
		var ends []func(bool)
		for range cap(d.let) {
			ends = append(ends, d.take(<-d.let))
		}
		want := func(what string, c net.Conn) {
			t.Helper()
			select {
			case got := <-d.let:
				if got != c {
					t.Errorf("%s: got another one", what)
				}
				ends = append(ends, d.take(got))
			default:
				t.Errorf("%s: nobody goes on", what)
			}
		}
		ends[0](true)
		want("when one has left, who comes back", back[0])
		ends[1](true)
		want("when another one has left, who is new", fresh[cap(d.let)])
		if len(d.let) != 0 {
			t.Errorf("got one too many")
		}
		<-time.After(lentFor)
		synctest.Wait()
		want("when nobody leaves for a time, who is left", fresh[cap(d.let)+1])
		for _, end := range ends[2:] {
			end(true)
		}
		if left != cap(d.let)+3 || d.inside != 0 {
			t.Errorf("at the end %d have left and %d are inside, want %d and none", left, d.inside, cap(d.let)+3)
		}
	})
}

// Who is new gets in, however many say that they come back.
func TestNobodyWaitsAtTheDoorForEver(t *testing.T) {
	s := newStand(t, nil)
	come := func(back bool) net.Conn {
		c, other := net.Pipe()
		t.Cleanup(func() { _ = other.Close() })
		s.door.admit(c, back, func(bool) {})
		return c
	}
	for range cap(s.door.let) {
		come(false)
	}
	fresh := come(false)
	for n := range 100 {
		come(true)
		if len(s.door.let) == 0 {
			t.Fatal("nobody goes on")
		}
		c := <-s.door.let
		if s.door.take(c)(true); c == fresh {
			t.Logf("%d went before him", n)
			return
		}
	}
	t.Error("got 100 others in before one who is new")
}

// A defect in a handler holds no turn.
func TestADefectHoldsNoTurn(t *testing.T) {
	asked := make(chan struct{}, 1)
	s := newStand(t, func(_ *Config, d *Deps) {
		d.Directory = slowDirectory{d.Directory, asked, func() { panic("a defect of the test") }}
	})
	s.ask(t, "GET /v1/chatrooms/1/join HTTP/1.1\nAuthorization: Bearer "+s.token, "")
	<-asked
	s.still(t, "a panic")
}

// Nobody has a turn at the door who has more to say before anything can be done for him,
// nor who does not speak TLS where the server does.
func TestTheDoorIsForWholeRequests(t *testing.T) {
	s := newStand(t, nil)
	address := s.listen(t)
	for what, request := range map[string]string{
		"the end is missing": joinRequest(""),
		"a body":             joinRequest("", "Content-Length: 5") + "\r\n",
		"parts":              joinRequest("", "Transfer-Encoding: chunked") + "\r\n",
		"expectations":       joinRequest("", "Content-Length: 5", "Expect: 100-continue") + "\r\n",
	} {
		c := knock(t, address, request)
		until(t, what+": the request is read", func() bool { return s.reading() == 1 })
		if n := s.underWay(t); n != 0 {
			t.Errorf("%s: %d joins are under way, want none", what, n)
		}
		_ = c.Close()
		until(t, what+": it is gone", func() bool { return s.reading() == 0 })
	}

	dir := t.TempDir()
	p := pair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	p.issue(t, "some.example")
	secure := newStand(t, func(c *Config, _ *Deps) { c.CertFile, c.KeyFile = p.cert, p.key })
	answer := talk(t, secure.listen(t), joinRequest("")+"\r\n")
	if n := secure.underWay(t); n != 0 {
		t.Errorf("without TLS: got %q and %d joins under way, want none", answer, n)
	}
}

// reading is how many requests have begun and are not whole.
func (s *stand) reading() int {
	s.readers.reading.mu.Lock()
	defer s.readers.reading.mu.Unlock()
	return s.readers.reading.order.Len()
}
