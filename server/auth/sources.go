package auth

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// clockSkew is how far an issuer's clock may be ahead. A token that has expired
// has expired.
const clockSkew = 5 * time.Second

// source is one key or set of keys with the parser of its tokens.
type source struct {
	parser *jwt.Parser
	key    jwt.Keyfunc
	// set is where the keys come from, nil for a file.
	set *keySet
}

func (v *Verifier) load(cfg VerifierConfig) error {
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
	log := cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	for _, address := range cfg.JWKSURLs {
		set, err := newKeySet(address, v.client, log)
		if err != nil {
			return err
		}
		v.sources = append(v.sources, source{parser: newParser(asymmetric, outside), key: uncritical(set.key), set: set})
	}
	return nil
}

// asymmetric are the algorithms of public keys. A JWKS never verifies an HMAC:
// what it holds is public.
var asymmetric = []string{"EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

func newParser(methods []string, more []jwt.ParserOption) *jwt.Parser {
	return jwt.NewParser(append([]jwt.ParserOption{
		jwt.WithValidMethods(methods), jwt.WithExpirationRequired(), jwt.WithLeeway(clockSkew), jwt.WithStrictDecoding(),
	}, more...)...)
}

func (v *Verifier) add(key any, more ...jwt.ParserOption) {
	v.sources = append(v.sources, source{
		parser: newParser(methodsOf(key), more),
		key:    uncritical(func(*jwt.Token) (any, error) { return key, nil }),
	})
}

// uncritical refuses tokens that demand an extension: none is known here
// (RFC 7515, section 4.1.11).
func uncritical(find jwt.Keyfunc) jwt.Keyfunc {
	return func(token *jwt.Token) (any, error) {
		if _, ok := token.Header["crit"]; ok {
			return nil, errors.New("the token demands an extension")
		}
		return find(token)
	}
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
