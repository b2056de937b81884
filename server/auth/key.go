// Package auth says who somebody is: it signs and verifies bearer tokens (JWT,
// RFC 7519) and checks passwords.
package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	bw "github.com/breakwater-chat/breakwater"
)

// minSecret is the least length of an HMAC secret, in bytes (RFC 7518, section 3.2).
const minSecret = 32

// minRSA is the least length of an RSA key, in bits (RFC 7518, section 3.3).
const minRSA = 2_048

var errUnsupported = fmt.Errorf("keys are Ed25519, RSA of at least %d bits, or ECDSA on P-256, P-384 or P-521; this one is not", minRSA)

// Key is the server's own: all servers of a cluster have the same.
type Key struct {
	method  jwt.SigningMethod
	private any
	public  any
}

// LoadKey reads a key file: a PEM private key (Ed25519, RSA, ECDSA), or else an
// HMAC secret, which is the file's bytes without a newline at the end.
func LoadKey(path string) (*Key, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the token key: %w", err)
	}
	key, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("the token key %s: %w", path, err)
	}
	return key, nil
}

// CreateKey loads a key file, and makes one with a random HMAC secret, readable
// by its owner only, if there is none. Of several that make it at once all get
// the same, and a crash leaves either no file or a whole one.
func CreateKey(path string) (*Key, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := writeSecret(path); err != nil {
			return nil, fmt.Errorf("making the token key: %w", err)
		}
	}
	return LoadKey(path)
}

// writeSecret writes beside the path first: a link appears at once and whole,
// and never in place of what is there already.
func writeSecret(path string) error {
	secret := make([]byte, minSecret)
	_, _ = rand.Read(secret)                                              // never fails
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(secret) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func parseKey(data []byte) (*Key, error) {
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") { // OpenSSL writes EC PARAMETERS before it
			return parsePrivateKey(block)
		}
	}
	// What was meant to be PEM is no secret: it may be public.
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		return nil, errors.New("this PEM file has no whole private key in it")
	}
	secret, cut := bytes.CutSuffix(data, []byte("\r\n"))
	if !cut {
		secret = bytes.TrimSuffix(data, []byte("\n"))
	}
	if len(secret) < minSecret {
		return nil, fmt.Errorf("an HMAC secret has at least %d bytes, this one has %d", minSecret, len(secret))
	}
	return &Key{method: jwt.SigningMethodHS256, private: secret, public: secret}, nil
}

func parsePrivateKey(block *pem.Block) (*Key, error) {
	var parsed any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the private key is encrypted, and there is nobody to ask for its passphrase")
	default:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("this PEM block is no private key: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("keys of this type cannot sign")
	}
	methods := methodsOf(signer.Public())
	if len(methods) == 0 {
		return nil, errUnsupported
	}
	return &Key{method: jwt.GetSigningMethod(methods[0]), private: parsed, public: signer.Public()}, nil
}

// methodsOf names the algorithms that a key may be used with, the one to sign
// with first. A key serves those of its own type and no others, so that a public
// key never passes for a secret.
func methodsOf(key any) []string {
	switch k := key.(type) {
	case []byte:
		return []string{"HS256", "HS384", "HS512"}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return nil
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		case elliptic.P521():
			return []string{"ES512"}
		}
	}
	return nil
}

// Sign makes a token for a user that is valid from now on for ttl.
func (k *Key) Sign(name bw.Name, now time.Time, ttl time.Duration) (token string, expires time.Time, err error) {
	expires = now.Add(ttl).Truncate(time.Second)
	token, err = jwt.NewWithClaims(k.method, jwt.MapClaims{"sub": string(name), "iat": now.Unix(), "exp": expires.Unix(), "jti": rand.Text()}).SignedString(k.private)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("signing a token: %w", err)
	}
	return token, expires, nil
}
