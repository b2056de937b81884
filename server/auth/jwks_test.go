package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// jwk is a public key as a key set holds it.
func jwk(kid string, key crypto.Signer) jwkset.JWKMarshal {
	return made(jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})).Marshal()
}

// keySetOf is the JSON of a key set.
func keySetOf(keys ...any) string {
	return string(made(json.Marshal(map[string]any{"keys": keys})))
}

// publisher is an issuer's URL: over HTTP, or instead of it as a transport.
type publisher struct {
	mu     sync.Mutex // guards the rest
	answer string
	status int
	down   bool
	// asked counts requests, active those without an answer.
	asked, active int
	closed        bool
	// hangs, if not nil, keeps whoever asks until it is closed or he gives up.
	hangs chan struct{}
}

func (p *publisher) set(change func(*publisher)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// say is the answer to one request.
func (p *publisher) say(ctx context.Context) (status int, answer string, err error) {
	p.mu.Lock()
	p.asked++
	p.active++
	defer p.set(func(p *publisher) { p.active-- })
	hangs, status, answer, down := p.hangs, p.status, p.answer, p.down
	p.mu.Unlock()
	if hangs != nil {
		select {
		case <-hangs:
		case <-ctx.Done():
			return 0, "", ctx.Err()
		}
	}
	if down {
		return 0, "", errors.New("connection refused")
	}
	return status, answer, nil
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, answer, err := p.say(r.Context())
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	io.WriteString(w, answer)
}

func (p *publisher) CloseIdleConnections() { p.set(func(p *publisher) { p.closed = true }) }

func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	status, answer, err := p.say(r.Context())
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// publish serves a key set over HTTP.
func publish(t testing.TB, keys ...any) *published {
	p := &published{publisher: &publisher{status: http.StatusOK, answer: keySetOf(keys...)}}
	p.Server = httptest.NewServer(p.publisher)
	t.Cleanup(p.Close)
	return p
}

type published struct {
	*publisher
	*httptest.Server
}

// trusts is a verifier of a publisher's tokens and of the secret's, in a bubble
// of time, and what it logs.
func trusts(t *testing.T, p *publisher) (*Verifier, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	v, err := newVerifier(VerifierConfig{
		Own: ownKey(t, []byte(secret)), JWKSURLs: []string{"http://user:hunter2@id.example/keys"},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}, p)
	if err != nil {
		t.Fatalf("new verifier: %v", err)
	}
	t.Cleanup(v.Close)
	return v, log
}

// by is a token that names the key it is signed with.
func by(t testing.TB, kid string, key crypto.Signer) string {
	return sign(t, methodsOf(key.Public())[0], key, good(), header{"kid": kid})
}

func TestOutsideIssuersByURL(t *testing.T) {
	pss := jwk("pss", rsaKey())
	pss.ALG = jwkset.AlgPS256
	p := publish(t, jwk("rsa", rsaKey()), jwk("ed", ed25519Key()), jwk("p256", p256Key()), jwk("p384", p384Key()), pss,
		map[string]string{"kty": "OKP", "crv": "Ed448", "kid": "unknown", "x": "AAAA"})
	v := verifier(t, VerifierConfig{JWKSURLs: []string{p.URL}})
	for kid, key := range map[string]crypto.Signer{"rsa": rsaKey(), "ed": ed25519Key(), "p256": p256Key(), "p384": p384Key()} {
		t.Run(kid, func(t *testing.T) {
			wantAccepted(t, v, by(t, kid, key), "ann")
			wantAccepted(t, v, sign(t, methodsOf(key.Public())[0], key, good()), "ann") // names no key
			wantRefused(t, v, by(t, kid, p521Key()))
		})
	}
	t.Run("RS512", func(t *testing.T) {
		wantAccepted(t, v, sign(t, "RS512", rsaKey(), good(), header{"kid": "rsa"}), "ann")
	})
	t.Run("the alg of the key", func(t *testing.T) {
		wantAccepted(t, v, sign(t, "PS256", rsaKey(), good(), header{"kid": "pss"}), "ann")
		wantRefused(t, v, sign(t, "RS256", rsaKey(), good(), header{"kid": "pss"}))
	})
	t.Run("expired", func(t *testing.T) {
		wantRefused(t, v, sign(t, "EdDSA", ed25519Key(), good(jwt.MapClaims{"exp": 1}), header{"kid": "ed"}))
	})
}

func TestAWeakKeyInAKeySetIsNone(t *testing.T) {
	weak := made(rsa.GenerateKey(rand.Reader, 1_024))
	v := verifier(t, VerifierConfig{JWKSURLs: []string{publish(t, jwk("weak", weak), jwk("ed", ed25519Key())).URL}})
	wantRefused(t, v, sign(t, "RS256", weak, good(), header{"kid": "weak"}))
	wantRefused(t, v, sign(t, "RS256", weak, good()))
	wantAccepted(t, v, by(t, "ed", ed25519Key()), "ann")
}

func TestURLsThatAreNone(t *testing.T) {
	for name, address := range map[string]string{
		"nothing": "", "a word": "keys", "a path": "/keys", "a file": "file:///keys", "no host": "https://", "no URL": "http://[",
	} {
		if _, err := NewVerifier(VerifierConfig{JWKSURLs: []string{address}}); err == nil || !strings.Contains(err.Error(), "the JWKS URL") {
			t.Errorf("%s: got %v, want an error that says it is the JWKS URL", name, err)
		}
	}
}

func TestRotationOverHTTP(t *testing.T) {
	p := publish(t, jwk("old", ed25519Key()))
	v := verifier(t, VerifierConfig{JWKSURLs: []string{p.URL}})
	wantAccepted(t, v, by(t, "old", ed25519Key()), "ann")
	p.set(func(p *publisher) { p.answer = keySetOf(jwk("new", p256Key())) })
	wantAccepted(t, v, by(t, "new", p256Key()), "ann")
	wantRefused(t, v, by(t, "old", ed25519Key()))
	wantRefused(t, v, by(t, "new", ed25519Key()))
}

func TestAWithdrawnKeyIsRefusedWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &publisher{status: http.StatusOK, answer: keySetOf(jwk("a", ed25519Key()), jwk("b", p256Key()))}
		v, _ := trusts(t, p)
		wantAccepted(t, v, by(t, "a", ed25519Key()), "ann")
		p.set(func(p *publisher) { p.answer = keySetOf(jwk("b", p256Key())) })
		<-time.After(refreshEvery)
		synctest.Wait()
		wantRefused(t, v, by(t, "a", ed25519Key()))
		wantRefused(t, v, sign(t, "EdDSA", ed25519Key(), good()))
		wantAccepted(t, v, by(t, "b", p256Key()), "ann")
	})
}

// Tokens of unknown keys cost anybody nothing to make.
func TestUnknownKeysHaveTheURLAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &publisher{status: http.StatusOK, answer: keySetOf(jwk("a", ed25519Key()))}
		v, _ := trusts(t, p)
		before, began := p.count(), time.Now()
		for range 100 {
			wantRefused(t, v, by(t, "unknown", ed25519Key()))
		}
		if got := p.count() - before; got != 1 {
			t.Errorf("requests for 100 tokens: got %d, want 1", got)
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("they waited: got %v, want not at all", got)
		}
		<-time.After(retryEvery)
		p.set(func(p *publisher) { p.answer = keySetOf(jwk("unknown", ed25519Key())) })
		wantAccepted(t, v, by(t, "unknown", ed25519Key()), "ann")
	})
}

// All who come with a new key while the URL is asked for it get in.
func TestManyTokensOfANewKeyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &publisher{status: http.StatusOK, answer: keySetOf(jwk("old", ed25519Key()))}
		v, _ := trusts(t, p)
		gate := make(chan struct{})
		p.set(func(p *publisher) { p.answer, p.hangs = keySetOf(jwk("new", ed25519Key())), gate })
		before := p.count()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { wantAccepted(t, v, by(t, "new", ed25519Key()), "ann") })
		}
		synctest.Wait()
		close(gate)
		all.Wait()
		if got := p.count() - before; got != 1 {
			t.Errorf("requests for 50 tokens: got %d, want 1", got)
		}
	})
}

// What a publisher may do wrong. Then its last keys stay good, others' too, and
// the log says which URL and why.
func TestFailingURLs(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(*publisher)
		logs string
	}{
		{"down", func(p *publisher) { p.down = true }, "connection refused"},
		{"hangs", func(p *publisher) { p.hangs = make(chan struct{}) }, "deadline exceeded"},
		{"status 500", func(p *publisher) { p.status = http.StatusInternalServerError }, "500"},
		{"no JSON", func(p *publisher) { p.answer = "<html>" }, "invalid character"},
		{"a broken key", func(p *publisher) { p.answer = keySetOf(map[string]string{"kty": "RSA", "n": "%", "e": "AQAB"}) }, "JWK"},
		{"too long", func(p *publisher) { p.answer = `{"keys":[` + strings.Repeat(" ", maxJWKS) + `]}` }, "too large"},
	} {
		t.Run(c.name+" at the start", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &publisher{status: http.StatusOK, answer: keySetOf(jwk("a", ed25519Key()))}
				c.fail(p)
				began := time.Now()
				v, log := trusts(t, p)
				if got := time.Since(began); got > fetchLimit {
					t.Errorf("the start: got %v, want at most %v", got, fetchLimit)
				}
				wantAccepted(t, v, sign(t, "HS256", []byte(secret), good()), "ann")
				wantRefused(t, v, sign(t, "EdDSA", ed25519Key(), good()))
				wantLogged(t, log, c.logs)
				p.set(recovers)
				<-time.After(retryEvery)
				synctest.Wait()
				wantAccepted(t, v, sign(t, "EdDSA", ed25519Key(), good()), "ann")
				v.Close()
			})
		})
		t.Run(c.name+" later", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &publisher{status: http.StatusOK, answer: keySetOf(jwk("a", ed25519Key()))}
				v, log := trusts(t, p)
				p.set(c.fail)
				began := time.Now()
				wantRefused(t, v, by(t, "b", ed25519Key()))
				if got := time.Since(began); got > fetchLimit {
					t.Errorf("the token of an unknown key waited: got %v, want at most %v", got, fetchLimit)
				}
				<-time.After(5 * refreshEvery)
				began = time.Now()
				wantAccepted(t, v, by(t, "a", ed25519Key()), "ann")
				wantAccepted(t, v, sign(t, "HS256", []byte(secret), good()), "ann")
				if got := time.Since(began); got != 0 {
					t.Errorf("tokens of known keys waited: got %v, want not at all", got)
				}
				wantLogged(t, log, c.logs)
				v.Close()
			})
		})
	}
}

// recovers makes a publisher one that nothing is wrong with.
func recovers(p *publisher) {
	p.down, p.hangs, p.status, p.answer = false, nil, http.StatusOK, keySetOf(jwk("a", ed25519Key()))
}

func wantLogged(t *testing.T, log *bytes.Buffer, reason string) {
	t.Helper()
	synctest.Wait()
	if got := log.String(); !strings.Contains(got, "id.example/keys") || !strings.Contains(got, reason) || strings.Contains(got, "hunter2") {
		t.Errorf("log: got %q, want the URL without its password, and %q", got, reason)
	}
}

// A URL that hangs does not keep the server from stopping.
func TestCloseEndsWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &publisher{status: http.StatusOK, answer: keySetOf(jwk("a", ed25519Key()))}
		v, _ := trusts(t, p)
		p.set(func(p *publisher) { p.hangs = make(chan struct{}) })
		<-time.After(refreshEvery)
		synctest.Wait()
		began := time.Now()
		v.Close()
		if got := time.Since(began); got != 0 {
			t.Errorf("close: got %v, want at once", got)
		}
		p.set(func(p *publisher) {
			if p.active != 0 || !p.closed {
				t.Errorf("after close: got %d requests, connections closed %v, want none and true", p.active, p.closed)
			}
		})
		wantAccepted(t, v, by(t, "a", ed25519Key()), "ann")
		wantRefused(t, v, by(t, "b", ed25519Key()))
	})
}

// One issuer that hangs keeps nobody else's tokens waiting.
func TestIssuersDoNotWaitForEachOther(t *testing.T) {
	good := publish(t, jwk("a", ed25519Key()))
	bad := publish(t)
	v := verifier(t, VerifierConfig{JWKSURLs: []string{bad.URL, good.URL}})
	before := bad.count()
	wantAccepted(t, v, by(t, "a", ed25519Key()), "ann")
	if got := bad.count() - before; got != 0 {
		t.Errorf("requests to the other issuer: got %d, want 0", got)
	}
}
