// Package server speaks the contract's HTTP and hands WebSocket connections to
// package live.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/server/auth"
	"github.com/breakwater-chat/breakwater/server/live"
	"github.com/breakwater-chat/breakwater/server/playback"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/wire"
)

// Config is how the HTTP server behaves.
type Config struct {
	Limits   wire.Limits
	TokenTTL time.Duration
	// TrustedProxies may say in X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// MaxSilent bounds the connections that have not sent a byte yet.
	MaxSilent int
	// MaxReading bounds the connections that are in the middle of a request and
	// take their time.
	MaxReading int
	// MaxIdle bounds the connections that rest between requests.
	MaxIdle int
	// RequestTimeout is how long a client may take to send a whole request, and
	// for its first byte.
	RequestTimeout time.Duration
	// IdleTimeout is how long a connection may rest between requests.
	IdleTimeout time.Duration
	// CertFile and KeyFile switch TLS on; changed files are loaded again.
	CertFile, KeyFile string
}

// DefaultConfig returns the bounds of the contract and what serves well beside.
func DefaultConfig() Config {
	return Config{
		Limits:         wire.DefaultLimits(),
		TokenTTL:       24 * time.Hour,
		MaxSilent:      4_000,
		MaxReading:     500,
		MaxIdle:        1_000,
		RequestTimeout: 10 * time.Second,
		IdleTimeout:    75 * time.Second,
	}
}

// Directory knows users and rooms by what never changes of them.
type Directory interface {
	FindRoom(ctx context.Context, id bw.RoomID) (bw.Room, error)
	EnsureUser(ctx context.Context, name bw.Name) (bw.User, error)
}

// Logs keeps the messages of rooms.
type Logs interface {
	// Begin says that a room was made just now.
	Begin(ctx context.Context, room bw.RoomID) error
}

// Dependency is something that readiness needs.
type Dependency struct {
	Name    string
	Healthy func(context.Context) error
}

// Deps are what a Server works with; it owns none of them.
type Deps struct {
	Hub       *live.Hub
	Store     store.Store
	Broker    Logs
	Playback  *playback.Reader
	History   history.History
	Directory Directory
	Key       *auth.Key
	Verifier  *auth.Verifier
	Hasher    *auth.Hasher
	SignUps   *admission.Buckets
	Logins    *admission.LoginGuard
	Needed    []Dependency
	Registry  *prometheus.Registry
	Log       *slog.Logger
}

// Server is the HTTP side of one Breakwater server.
type Server struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	readers *readers
	door    *door
	http    *fasthttp.Server
	tls     *tls.Config
	files   map[string]file
	scrape  fasthttp.RequestHandler

	// mu guards what Serve and Shutdown tell each other: fasthttp forgets a Shutdown that
	// comes before its Serve, and would serve for ever.
	mu      sync.Mutex
	gate    *gate
	stopped bool
}

// New makes a server; Serve starts it.
func New(cfg Config, deps Deps) (*Server, error) {
	s := &Server{cfg: cfg, deps: deps, metrics: newMetrics(deps.Registry), files: staticFiles(), scrape: scrapeHandler(deps.Registry)}
	if cfg.CertFile != "" {
		certificates, err := newCertificates(cfg.CertFile, cfg.KeyFile, deps.Log)
		if err != nil {
			return nil, err
		}
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificates.get, NextProtos: []string{"http/1.1"}}
	}
	s.readers = newReaders(cfg.MaxReading, cfg.MaxIdle, s.metrics)
	s.door = newDoor(s)
	s.http = &fasthttp.Server{
		ConnState:                    s.follow,
		Handler:                      s.handle,
		ErrorHandler:                 s.handleUnreadable,
		ExpectHandler:                s.handleExpect,
		ReadTimeout:                  cfg.RequestTimeout,
		WriteTimeout:                 cfg.RequestTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		MaxRequestBodySize:           maxBody(cfg.Limits),
		ReadBufferSize:               maxHead,
		ReduceMemoryUsage:            true,
		KeepHijackedConns:            true,
		NoDefaultServerHeader:        true,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
		Logger:                       fasthttpLog{deps.Log},
	}
	return s, nil
}

// maxHead bounds a request's line and headers, a token among them.
const maxHead = 16 << 10

// maxBody is what fasthttp takes for no limit when it is huge.
func maxBody(l wire.Limits) int {
	if l.MaxBody > 0 {
		return l.MaxBody
	}
	return 1 << 30
}

// Serve answers on the listener until Shutdown or the listener's end, and closes it;
// after Shutdown it closes it at once. It is called once.
func (s *Server) Serve(ln net.Listener) error {
	door := s.door
	if s.tls != nil || ablation.Off(ablation.Door) {
		door = nil // of what comes by TLS it cannot read anything
	}
	g, err := newGate(ln, s.cfg.MaxSilent, s.cfg.RequestTimeout, door, s.metrics)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }() // Shutdown has, and told of its error; the listener's own end has not
	if !s.opened(g) {
		return nil
	}
	var in net.Listener = g
	if s.tls != nil {
		in = tls.NewListener(g, s.tls)
	}
	if err := s.http.Serve(in); err != nil {
		return fmt.Errorf("serving HTTP: %w", err)
	}
	return nil
}

// follow is told by fasthttp what becomes of a connection.
func (s *Server) follow(c net.Conn, state fasthttp.ConnState) {
	s.readers.follow(c, state)
	if state == fasthttp.StateClosed {
		s.door.closed(c)
	}
}

// opened tells whether the gate is to be served.
func (s *Server) opened(g *gate) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = g
	return !s.stopped
}

// stop ends accepting, now or when Serve comes.
func (s *Server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.gate == nil {
		return nil
	}
	return s.gate.Close()
}

// Shutdown stops accepting, lets running requests end, and closes the rest when
// ctx ends. A Serve that has not begun yet will not.
func (s *Server) Shutdown(ctx context.Context) error {
	s.readers.reading.stop()
	if err := errors.Join(s.stop(), s.http.ShutdownWithContext(ctx)); err != nil {
		return fmt.Errorf("stopping HTTP: %w", err)
	}
	return nil
}

// fasthttpLog is where fasthttp says what went wrong below any request: noise of
// clients mostly.
type fasthttpLog struct{ log *slog.Logger }

// Printf implements fasthttp.Logger. It keeps to the sentence: what would be
// filled in quotes requests that could not be read, tokens included.
func (l fasthttpLog) Printf(format string, _ ...any) { l.log.Debug("http", "message", format) }
