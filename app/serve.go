package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/internal/observe"
	"github.com/breakwater-chat/breakwater/janitor"
	"github.com/breakwater-chat/breakwater/server"
	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/server/auth"
	"github.com/breakwater-chat/breakwater/server/directory"
	"github.com/breakwater-chat/breakwater/server/lease"
	"github.com/breakwater-chat/breakwater/server/live"
	"github.com/breakwater-chat/breakwater/server/playback"
	"github.com/breakwater-chat/breakwater/store"
)

// parts are what a deployment is made of; close ends them in their order.
type parts struct {
	store   store.Store
	history history.History
	broker  broker.Broker
	// caches, of users and rooms, and pages, of messages, are asked in their order; the
	// last is the one that all servers share.
	caches, pages []cache.Cache
	needed        []server.Dependency
	close         func() error
}

// Bounds of what is remembered of clients.
const (
	maxUsersMetered     = 1_000_000
	maxAddressesMetered = 200_000
	maxNamesGuarded     = 100_000
)

// graceShare is the part of a lease's time that the users of a dead server have to come
// back: with what it takes to notice and to tell it stays below twice the lease's time.
const graceShare = 3

// stopLimit bounds the end of running requests when the server stops.
const stopLimit = 5 * time.Second

// serve runs a server until a signal ends it.
func serve(f serveFlags, out, errOut io.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	return serveUntil(signals, f, out, errOut)
}

// serveUntil drains at the first signal and gives up at the second.
func serveUntil(signals <-chan os.Signal, f serveFlags, out, errOut io.Writer) error {
	log := newLogger(f, errOut)
	s, err := assemble(context.Background(), f, log)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", f.Listen)
	if err != nil {
		return errors.Join(&usageError{"--listen", err}, s.close())
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(ln) }()
	scheme := "http"
	if f.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(out, "listening on %s://%s\n", scheme, ln.Addr())

	select {
	case err := <-served:
		return errors.Join(err, s.close())
	case <-s.lease.Superseded():
		log.Error("another process runs under this server's name; this one stops", "server", f.ServerID)
		return errors.Join(errors.New("--server-id: another process runs under this name"), s.stop(0, served, log))
	case sig := <-signals:
		log.Info("draining", "signal", sig.String(), "window", f.DrainWindow.String())
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop(f.DrainWindow, served, log) }()
	select {
	case err := <-stopped:
		log.Info("stopped")
		return err
	case <-signals:
		return errors.New("a second signal: stopped at once, without draining")
	}
}

// stop drains the connections, ends HTTP and closes everything.
func (a *assembly) stop(window time.Duration, served <-chan error, log *slog.Logger) error {
	a.hub.Drain(context.Background(), window)
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	err := a.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests were cut off", "error", err)
		return a.close()
	}
	if err == nil {
		err = <-served
	}
	return errors.Join(err, a.close())
}

// assembly is a server that is ready to serve.
type assembly struct {
	http  *server.Server
	hub   *live.Hub
	lease *lease.Keeper
	undo  undoList
}

// close ends everything that was begun.
func (a *assembly) close() error { return a.undo.close() }

// undoList is how to end what was begun, in the order of its beginning.
type undoList []func() error

// close ends everything, newest first.
func (u *undoList) close() error {
	var errs []error
	for _, end := range slices.Backward(*u) {
		errs = append(errs, end())
	}
	*u = nil
	return errors.Join(errs...)
}

// assemble makes a server; what was begun is ended if it fails half-way.
func assemble(ctx context.Context, f serveFlags, log *slog.Logger) (_ *assembly, err error) {
	a := &assembly{}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	descriptors, err := raiseDescriptors()
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	id := serverID(f)
	p, err := connect(ctx, f, id, registry, log)
	if err != nil {
		return nil, err
	}
	a.undo = append(a.undo, p.close)
	meter := observe.NewMeter(registry)
	p.store, p.history, p.broker = directory.NewGuarded(meter.Store(p.store), log), meter.History(p.history), meter.Broker(p.broker)
	cached := directory.NewCachedStore(p.store, p.caches[len(p.caches)-1], log)
	a.undo = append(a.undo, cached.Close)
	key, verifier, err := loadKeys(f, log)
	if err != nil {
		return nil, err
	}
	a.undo = append(a.undo, func() error { verifier.Close(); return nil })
	keeper, err := lease.Take(ctx, lease.Config{Server: id, TTL: f.Lease, Registerer: registry, Log: log}, cached)
	if err != nil {
		return nil, err
	}
	a.lease = keeper
	a.undo = append(a.undo, keeper.Release)
	if err := a.bury(ctx, f, janitor.Config{Leases: cached, Broker: p.broker, Steady: keeper.Steady, Registerer: registry, Log: log}); err != nil {
		return nil, err
	}
	names := directory.New(p.store, p.caches, log)
	a.undo = append(a.undo, func() error { names.Close(); return nil })

	messages := playback.New(playback.Config{Broker: p.broker, History: p.history, Caches: p.pages, Registerer: registry, Log: log})
	a.undo = append(a.undo, func() error { messages.Close(); return nil })
	share := divide(f.MaxConnections, descriptors)
	cfg := live.DefaultConfig()
	cfg.MaxConnections = share.connections
	cfg.PingInterval, cfg.SilenceTimeout, cfg.FencedLimit = f.PingInterval, f.SilenceTimeout, f.Lease
	cfg.Limits.MaxText, cfg.Limits.MaxMessage, cfg.Limits.MaxBody = f.MaxText, f.MaxMessage, f.MaxBody
	a.hub, err = live.New(cfg, live.Deps{
		Broker: p.broker, Playback: messages, Members: cached, Lease: keeper, Rooms: names,
		Sends:      admission.Sends{Buckets: admission.NewBuckets(admission.Config{Rate: f.SendRate, Burst: f.SendBurst, MaxKeys: maxUsersMetered})},
		Registerer: registry, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the hub: %w", err)
	}
	a.undo = append(a.undo, a.hub.Close)

	web := server.DefaultConfig()
	web.Limits, web.TokenTTL, web.TrustedProxies = cfg.Limits, f.TokenTTL, f.TrustedProxy
	web.MaxSilent, web.MaxReading, web.MaxIdle = share.silent, share.reading, share.idle
	web.CertFile, web.KeyFile = f.TLSCert, f.TLSKey
	a.http, err = server.New(web, server.Deps{
		Hub: a.hub, Store: cached, Broker: p.broker, Playback: messages, History: p.history, Directory: names,
		Key: key, Verifier: verifier, Hasher: auth.NewHasher(runtime.GOMAXPROCS(0)),
		SignUps: admission.NewBuckets(admission.Config{Rate: f.SignupRate, Burst: f.SignupBurst, MaxKeys: maxAddressesMetered}),
		Logins:  admission.NewLoginGuard(maxNamesGuarded),
		Needed:  p.needed, Registry: registry, Log: log,
	})
	if err != nil {
		return nil, &usageError{"--tls-cert", err}
	}
	return a, nil
}

// bury starts the janitor. Where there is no other server that a former process's users
// could be on by now, what it left behind goes before anybody looks.
func (a *assembly) bury(ctx context.Context, f serveFlags, cfg janitor.Config) error {
	if f.clustered() && !ablation.Off(ablation.Grace) {
		cfg.Grace = f.Lease / graceShare
	}
	j := janitor.New(cfg)
	if !f.clustered() {
		if err := j.Pass(ctx); err != nil {
			return fmt.Errorf("removing what the last process left: %w", err)
		}
	}
	j.Start()
	a.undo = append(a.undo, j.Close)
	return nil
}

// connect makes the parts of the deployment that the flags describe.
func connect(ctx context.Context, f serveFlags, id bw.ServerID, registry prometheus.Registerer, log *slog.Logger) (parts, error) {
	if f.clustered() {
		return wireCluster(ctx, f, id, registry, log)
	}
	return wireEmbedded(ctx, f, registry, log)
}

// embeddedServer is the only server that a data folder ever has: its lock sees to
// that. It is the same after a change of the host's name, so that a new process
// always succeeds the former one.
const embeddedServer bw.ServerID = "embedded"

// serverID names this process among the servers of its deployment.
func serverID(f serveFlags) bw.ServerID {
	switch {
	case !f.clustered():
		return embeddedServer
	case f.ServerID != "":
		return bw.ServerID(f.ServerID)
	}
	random := strings.ToLower(rand.Text()[:8])
	host, err := os.Hostname()
	if err != nil {
		return bw.ServerID(random)
	}
	return bw.ServerID(host[:min(len(host), maxServerID-len(random)-1)] + "-" + random)
}

// loadKeys reads the keys that tokens are signed and verified with.
func loadKeys(f serveFlags, log *slog.Logger) (*auth.Key, *auth.Verifier, error) {
	load, path := auth.LoadKey, f.TokenKey
	if path == "" {
		load, path = auth.CreateKey, filepath.Join(f.Data, tokenKeyFile)
	}
	key, err := load(path)
	if err != nil {
		return nil, nil, &usageError{"--token-key", err}
	}
	// Each kind of key alone first, so that the wrong flag can be named.
	for _, only := range []struct {
		flag string
		cfg  auth.VerifierConfig
	}{
		{"--auth-hmac-key", auth.VerifierConfig{HMACFiles: f.AuthHMACKey}},
		{"--auth-public-key", auth.VerifierConfig{PublicKeyFiles: f.AuthPublicKey}},
	} {
		verifier, err := auth.NewVerifier(only.cfg)
		if err != nil {
			return nil, nil, &usageError{only.flag, err}
		}
		verifier.Close()
	}
	verifier, err := auth.NewVerifier(auth.VerifierConfig{
		Own: key, HMACFiles: f.AuthHMACKey, PublicKeyFiles: f.AuthPublicKey, JWKSURLs: f.AuthJWKSURL,
		Issuer: f.AuthIssuer, Audience: f.AuthAudience, Log: log,
	})
	if err != nil {
		return nil, nil, &usageError{"--auth-jwks-url", err}
	}
	return key, verifier, nil
}

func newLogger(f serveFlags, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		level = slog.LevelInfo // cannot be: the flag is an enumeration
	}
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
