package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/membroker"
	"github.com/breakwater-chat/breakwater/history/sqlitefts"
	"github.com/breakwater-chat/breakwater/server/lease"
	"github.com/breakwater-chat/breakwater/server/live"
	"github.com/breakwater-chat/breakwater/server/playback"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/sqlitestore"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// stand is a hub over the embedded parts, behind a plain upgrade.
type stand struct {
	t     *testing.T
	hub   *live.Hub
	store *sqlitestore.Store
	url   string
	reg   *prometheus.Registry
	// allow answers the question whether a user may send.
	refuse atomic.Bool
	// slow, while it is held, keeps back what the store knows of rooms.
	slow   sync.RWMutex
	broker *lateBroker
	seat   *seat
}

// seat is the server's lease, whose standing can be over.
type seat struct {
	*lease.Keeper
	lapsed atomic.Bool
}

// Standing implements live.Lease.
func (s *seat) Standing() bool { return !s.lapsed.Load() && s.Keeper.Standing() }

// lateBroker answers sends when it is let to.
type lateBroker struct {
	broker.Broker
	gate sync.RWMutex // held to keep the answers back
}

func (b *lateBroker) Send(s broker.Send, done func(broker.Ack, error)) {
	b.Broker.Send(s, func(a broker.Ack, err error) {
		go func() {
			b.gate.RLock()
			defer b.gate.RUnlock()
			done(a, err)
		}()
	})
}

// Allow implements live.Sends.
func (s *stand) Allow(bw.Name) (time.Duration, bool) { return time.Second, !s.refuse.Load() }

// FindRoom implements live.Rooms.
func (s *stand) FindRoom(ctx context.Context, id bw.RoomID) (bw.Room, error) {
	s.slow.RLock()
	defer s.slow.RUnlock()
	found, err := s.store.FindRoom(ctx, id)
	return found.Room, err
}

func newStand(t *testing.T, change func(*live.Config)) *stand {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	s := &stand{t: t, reg: prometheus.NewRegistry()}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	s.store, err = sqlitestore.Open(ctx, sqlitestore.Config{Path: filepath.Join(dir, "store.db")})
	must(err)
	messages, err := sqlitefts.Open(ctx, sqlitefts.Config{Path: filepath.Join(dir, "messages.db")})
	must(err)
	keeper, err := lease.Take(ctx, lease.Config{Server: "test", TTL: time.Hour, Registerer: s.reg, Log: log}, s.store)
	must(err)
	s.seat = &seat{Keeper: keeper}
	b := membroker.New(membroker.Config{}, messages)
	s.broker = &lateBroker{Broker: b}
	cfg := live.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	s.hub, err = live.New(cfg, live.Deps{
		Broker: s.broker, Playback: playback.New(playback.Config{Broker: s.broker, History: messages, Registerer: s.reg}), Members: s.store, Lease: s.seat, Rooms: s, Sends: s,
		Registerer: s.reg, Log: log,
	})
	must(err)
	server := httptest.NewServer(http.HandlerFunc(s.upgrade))
	s.url = server.URL
	t.Cleanup(func() {
		must(s.hub.Close())
		must(keeper.Release())
		server.Close()
		must(b.Close())
		must(messages.Close())
		must(s.store.Close())
	})
	return s
}

// upgrade does what the HTTP server does before Adopt.
func (s *stand) upgrade(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	room, err := strconv.ParseInt(q.Get("room"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	user, err := s.store.EnsureUser(r.Context(), bw.Name(q.Get("user")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	hello := live.Hello{User: user, Room: bw.RoomID(room), TokenExpires: time.Now().Add(time.Hour)}
	if in := q.Get("expires"); in != "" {
		d, _ := time.ParseDuration(in)
		hello.TokenExpires = time.Now().Add(d)
	}
	if since := q.Get("since"); since != "" {
		hello.Since = &bw.Position{}
		_, _ = fmt.Sscanf(since, "%d-%d", &hello.Since.Epoch, &hello.Since.Seq)
	}
	nc, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	s.hub.Adopt(nc, nil, hello)
}

func (s *stand) room(name bw.Name) bw.RoomID {
	s.t.Helper()
	r, err := s.store.CreateRoom(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.ID
}

// frame is any frame of the server.
type frame struct {
	Type       string
	ID         string
	Room       bw.RoomID
	Epoch      bw.Epoch
	Seq        bw.Seq
	User       bw.Name
	Users      int
	Text       string
	Code       string
	RetryAfter int `json:"retry_after_ms"`
	Duplicate  bool
	Recovered  bool
	Messages   []bw.Message
	Joined     []bw.Name
	Left       []bw.Name
	Next       *bw.Seq
}

// person is a client.
type person struct {
	t  *testing.T
	ws *websocket.Conn
}

func (s *stand) dial(user string, room bw.RoomID, more string) *person {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("%s/?user=%s&room=%d%s", s.url, user, room, more), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetReadLimit(-1)
	s.t.Cleanup(func() { _ = c.CloseNow() })
	return &person{t: s.t, ws: c}
}

// join dials and returns the `joined` frame as well.
func (s *stand) join(user string, room bw.RoomID, more string) (*person, frame) {
	s.t.Helper()
	p := s.dial(user, room, more)
	return p, p.await("joined")
}

func (p *person) say(format string, args ...any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) read() (frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var f frame
	_, data, err := p.ws.Read(ctx)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

// await reads up to the first frame of a type.
func (p *person) await(kind string) frame {
	p.t.Helper()
	for {
		f, err := p.read()
		if err != nil {
			p.t.Fatalf("waiting for %q: %v", kind, err)
		}
		if f.Type == kind {
			return f
		}
	}
}

// closed reads to the end and returns the close code.
func (p *person) closed() int {
	p.t.Helper()
	for {
		if _, err := p.read(); err != nil {
			return int(websocket.CloseStatus(err))
		}
	}
}

// until waits for something that no frame tells.
func (s *stand) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

var _ store.Store = (*sqlitestore.Store)(nil)
