package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// VerifierConfig says whose tokens are good.
type VerifierConfig struct {
	// Own is the server's own key.
	Own *Key
	// HMACFiles, PublicKeyFiles (PEM) and JWKSURLs (RFC 7517) are keys of outside issuers.
	HMACFiles, PublicKeyFiles, JWKSURLs []string
	// Issuer and Audience, where set, must stand in outside tokens.
	Issuer, Audience string
	Log              *slog.Logger
}

// Claims are what a good token says.
type Claims struct {
	Name    bw.Name
	Expires time.Time
}

// maxToken bounds what is worth parsing, in bytes.
const maxToken = 8 << 10

// Verifier checks tokens.
type Verifier struct {
	sources []source
	client  *http.Client

	// ctx ends what asks JWKS URLs; running waits for it.
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// NewVerifier loads the keys. A JWKS URL that does not answer within a few
// seconds is asked again later. Close ends that.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	return newVerifier(cfg, http.DefaultTransport.(*http.Transport).Clone())
}

func newVerifier(cfg VerifierConfig, transport http.RoundTripper) (*Verifier, error) {
	v := &Verifier{client: &http.Client{Transport: boundedTransport{transport}}}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	if err := v.load(cfg); err != nil {
		v.Close()
		return nil, err
	}
	v.start()
	return v, nil
}

// start asks all JWKS URLs at once and waits for the first answers.
func (v *Verifier) start() {
	var first sync.WaitGroup
	for _, s := range v.sources {
		if s.set != nil {
			first.Add(1)
			v.running.Go(func() { s.set.keepFresh(v.ctx, sync.OnceFunc(first.Done)) })
		}
	}
	first.Wait()
}

// Close stops the refreshing of JWKS and waits for its end.
func (v *Verifier) Close() {
	v.cancel()
	v.running.Wait()
	v.client.CloseIdleConnections()
}

// Verify returns what a good token says. The error is a *breakwater.Error of
// kind Unauthorized, which says nothing of the token but why it is not good.
func (v *Verifier) Verify(token string) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, bw.Errorf(bw.Unauthorized, "the token is too long")
	}
	claims, unknown, err := v.try(token)
	if len(unknown) == 0 {
		return claims, err
	}
	// The issuer may have published the key since the last look.
	var looks sync.WaitGroup
	for _, set := range unknown {
		looks.Go(func() { set.refresh(v.ctx, true) })
	}
	looks.Wait()
	claims, _, err = v.try(token)
	return claims, err
}

// try asks all sources. Unknown are those that do not have the key which the
// token names, if none of the others has accepted it.
func (v *Verifier) try(token string) (_ Claims, unknown []*keySet, _ error) {
	detail := "the token is not signed by anybody known here"
	for _, s := range v.sources {
		var said tokenClaims
		_, err := s.parser.ParseWithClaims(token, &said, s.key)
		switch {
		case err == nil:
			claims, err := read(said)
			return claims, nil, err
		case errors.Is(err, jwkset.ErrKeyNotFound):
			unknown = append(unknown, s.set)
		case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
			// Of all reasons the one of the key that did sign is of use.
		default:
			detail = explain(err)
		}
	}
	return Claims{}, unknown, bw.Errorf(bw.Unauthorized, "%s", detail)
}

// tokenClaims are read to the letter: an issuer's claim Sub is not sub, two of
// a name leave open which is meant, and a name of broken characters is nobody's.
type tokenClaims struct{ jwt.RegisteredClaims }

func (c *tokenClaims) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &c.RegisteredClaims)
}

func read(said tokenClaims) (Claims, error) {
	if !time.Now().Before(said.ExpiresAt.Time) { // the leeway is for the other times
		return Claims{}, bw.Errorf(bw.Unauthorized, "the token has expired")
	}
	name, err := wire.ParseName(said.Subject)
	if err != nil {
		return Claims{}, bw.Errorf(bw.Unauthorized, "the token's sub is not a user name")
	}
	return Claims{Name: name, Expires: said.ExpiresAt.Time}, nil
}

func explain(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "the token is not valid yet"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the token lacks a claim that is required"
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), errors.Is(err, jwt.ErrTokenInvalidAudience):
		return "the token is not from the issuer or not for the audience that is expected here"
	default:
		return "the token is malformed"
	}
}
