package auth

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/MicahParks/keyfunc/v3"
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

// clockSkew is how far an issuer's clock may be ahead. A token that has expired
// has expired.
const clockSkew = 5 * time.Second

// Verifier checks tokens.
type Verifier struct {
	sources []source
	cancel  context.CancelFunc
}

// source is one key or set of keys with the parser of its tokens.
type source struct {
	parser *jwt.Parser
	key    jwt.Keyfunc
}

// NewVerifier loads the keys. A JWKS URL that does not answer now is asked again
// later. Close ends that.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	ctx, cancel := context.WithCancel(context.Background())
	v := &Verifier{cancel: cancel}
	if err := v.load(ctx, cfg); err != nil {
		cancel()
		return nil, err
	}
	return v, nil
}

// Close stops the refreshing of JWKS.
func (v *Verifier) Close() { v.cancel() }

func (v *Verifier) load(ctx context.Context, cfg VerifierConfig) error {
	if cfg.Own != nil {
		v.add(cfg.Own.public)
	}
	var outside []jwt.ParserOption
	if cfg.Issuer != "" {
		outside = append(outside, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		outside = append(outside, jwt.WithAudience(cfg.Audience))
	}
	for _, path := range cfg.HMACFiles {
		key, err := LoadKey(path)
		if err != nil {
			return err
		}
		secret, ok := key.public.([]byte)
		if !ok {
			return fmt.Errorf("%s is no HMAC secret but a private key", path)
		}
		v.add(secret, outside...)
	}
	for _, path := range cfg.PublicKeyFiles {
		key, err := loadPublicKey(path)
		if err != nil {
			return err
		}
		v.add(key, outside...)
	}
	for _, url := range cfg.JWKSURLs {
		set, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{url}, keyfunc.Override{
			RefreshInterval: time.Minute,
			RefreshErrorHandlerFunc: func(u string) func(context.Context, error) {
				return func(_ context.Context, err error) { cfg.Log.Warn("reading a JWKS", "url", u, "error", err) }
			},
		})
		if err != nil {
			return fmt.Errorf("the JWKS URL %s: %w", url, err)
		}
		v.sources = append(v.sources, source{parser: newParser(asymmetric, outside), key: set.Keyfunc})
	}
	return nil
}

// asymmetric are the algorithms of public keys. A JWKS never verifies an HMAC:
// what it holds is public.
var asymmetric = []string{"EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

func newParser(methods []string, more []jwt.ParserOption) *jwt.Parser {
	return jwt.NewParser(append([]jwt.ParserOption{jwt.WithValidMethods(methods), jwt.WithExpirationRequired(), jwt.WithLeeway(clockSkew)}, more...)...)
}

func (v *Verifier) add(key any, more ...jwt.ParserOption) {
	v.sources = append(v.sources, source{
		parser: newParser(methodsOf(key), more),
		key:    func(*jwt.Token) (any, error) { return key, nil },
	})
}

// loadPublicKey reads a PEM public key or certificate.
func loadPublicKey(path string) (any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a public key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", path)
	}
	var key any
	switch block.Type {
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s holds no public key: %w", path, err)
	}
	if len(methodsOf(key)) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errUnsupported)
	}
	return key, nil
}

// Verify returns what a good token says. The error is a *breakwater.Error of
// kind Unauthorized, which says nothing of the token but why it is not good.
func (v *Verifier) Verify(token string) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, bw.Errorf(bw.Unauthorized, "the token is too long")
	}
	detail := "the token is not signed by anybody known here"
	for _, s := range v.sources {
		var claims jwt.RegisteredClaims
		_, err := s.parser.ParseWithClaims(token, &claims, s.key)
		if err == nil {
			return read(claims)
		}
		// Of all reasons the one of the key that did sign is of use.
		if !slices.ContainsFunc([]error{jwt.ErrTokenSignatureInvalid, jwt.ErrTokenUnverifiable}, func(e error) bool { return errors.Is(err, e) }) {
			detail = explain(err)
		}
	}
	return Claims{}, bw.Errorf(bw.Unauthorized, "%s", detail)
}

func read(claims jwt.RegisteredClaims) (Claims, error) {
	if !time.Now().Before(claims.ExpiresAt.Time) { // the leeway is for the other times
		return Claims{}, bw.Errorf(bw.Unauthorized, "the token has expired")
	}
	name, err := wire.ParseName(claims.Subject)
	if err != nil {
		return Claims{}, bw.Errorf(bw.Unauthorized, "the token's sub is not a user name")
	}
	return Claims{Name: name, Expires: claims.ExpiresAt.Time}, nil
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
