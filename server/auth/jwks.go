package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	// refreshEvery is how long a key that its issuer withdrew is still good.
	refreshEvery = time.Minute
	// retryEvery is when a URL that failed is asked again, and how often at most
	// a token of an unknown key can have it asked.
	retryEvery = 10 * time.Second
	// fetchLimit bounds one answer in time, and with it the start of the server
	// and whoever brings a token of an unknown key.
	fetchLimit = 5 * time.Second
	// maxJWKS bounds an answer, in bytes.
	maxJWKS = 1 << 20
)

// keySet is what an issuer publishes at a URL (JWKS, RFC 7517), read again and
// again. While the URL fails, the keys that it gave last stay good.
type keySet struct {
	url    *url.URL
	client *http.Client
	log    *slog.Logger
	keys   jwkset.Storage
	lookup keyfunc.Keyfunc

	// turn is held by who asks the URL.
	turn chan struct{}
	// demand bounds how often tokens have it asked.
	demand *rate.Limiter
}

func newKeySet(address string, client *http.Client, log *slog.Logger) (*keySet, error) {
	u, err := url.ParseRequestURI(address)
	if err != nil {
		return nil, fmt.Errorf("the JWKS URL: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("the JWKS URL %s does not begin with https:// or http:// and a host", u.Redacted())
	}
	s := &keySet{
		url: u, client: client, log: log, keys: jwkset.NewMemoryStorage(),
		turn: make(chan struct{}, 1), demand: rate.NewLimiter(rate.Every(retryEvery), 1),
	}
	if s.lookup, err = keyfunc.New(keyfunc.Options{Storage: s.keys}); err != nil {
		return nil, fmt.Errorf("the JWKS URL %s: %w", u.Redacted(), err)
	}
	return s, nil
}

// keepFresh asks the URL until the context ends. It calls tried after each time.
func (s *keySet) keepFresh(ctx context.Context, tried func()) {
	for ctx.Err() == nil {
		wait := refreshEvery
		if !s.refresh(ctx, false) {
			wait = retryEvery
		}
		tried()
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// refresh asks the URL and tells whether it answered. What a token demands is
// done only so often; whoever comes while it is done waits for the same answer.
func (s *keySet) refresh(ctx context.Context, demanded bool) bool {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return false
	}
	if demanded && !s.demand.Allow() {
		return false
	}
	err := s.fetch(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Warn("reading a JWKS", "url", s.url.Redacted(), "error", err)
	}
	return err == nil
}

// fetch replaces the keys by what the URL gives, all or none.
func (s *keySet) fetch(ctx context.Context) error {
	_, err := jwkset.NewStorageFromHTTP(s.url.String(), jwkset.HTTPClientStorageOptions{
		Client: s.client, Ctx: ctx, HTTPTimeout: fetchLimit, Storage: s.keys,
	})
	return err
}

// key finds the key, or the keys if it names none, that a token may be signed
// with. A key serves the algorithms of its own type only.
func (s *keySet) key(token *jwt.Token) (any, error) {
	found, err := s.lookup.Keyfunc(token)
	if err != nil {
		return nil, err
	}
	unfit := func(key jwt.VerificationKey) bool { return !slices.Contains(methodsOf(key), token.Method.Alg()) }
	if set, ok := found.(jwt.VerificationKeySet); ok {
		set.Keys = slices.DeleteFunc(set.Keys, unfit)
		return set, nil
	}
	if unfit(found) {
		return nil, errors.New("the key is of another type than the algorithm")
	}
	return found, nil
}

// boundedTransport cuts off answers that are longer than any JWKS.
type boundedTransport struct{ http.RoundTripper }

func (b boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxJWKS)
	}
	return answer, err
}

func (b boundedTransport) CloseIdleConnections() {
	(&http.Client{Transport: b.RoundTripper}).CloseIdleConnections()
}
