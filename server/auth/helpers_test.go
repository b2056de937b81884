package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is an HMAC secret of the least length.
const secret = "0123456789abcdef0123456789abcdef"

// Keys of outside issuers. RSA takes long to make: all tests have the same.
var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return made(rsa.GenerateKey(rand.Reader, minRSA)) })
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return made(key, err)
	})
	p256Key = sync.OnceValue(func() *ecdsa.PrivateKey { return made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key = sync.OnceValue(func() *ecdsa.PrivateKey { return made(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521Key = sync.OnceValue(func() *ecdsa.PrivateKey { return made(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
)

// made is a value whose making cannot fail in a test.
func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// file writes what a configuration names.
func file(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func privatePEM(key crypto.Signer) []byte {
	return pemOf("PRIVATE KEY", made(x509.MarshalPKCS8PrivateKey(key)))
}

func publicPEM(key crypto.Signer) []byte {
	return pemOf("PUBLIC KEY", made(x509.MarshalPKIXPublicKey(key.Public())))
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// ownKey is a server's key from a file with this content.
func ownKey(t testing.TB, content []byte) *Key {
	t.Helper()
	key, err := LoadKey(file(t, content))
	if err != nil {
		t.Fatalf("load the key: %v", err)
	}
	return key
}

func verifier(t testing.TB, cfg VerifierConfig) *Verifier {
	t.Helper()
	v, err := NewVerifier(cfg)
	if err != nil {
		t.Fatalf("new verifier: %v", err)
	}
	t.Cleanup(v.Close)
	return v
}

// good are claims that nothing is wrong with.
func good(changes ...jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for _, change := range changes {
		for name, value := range change {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
	}
	return claims
}

// header is put into a token beside alg and typ.
type header map[string]any

// sign makes a token as an issuer does.
func sign(t testing.TB, alg string, key any, claims jwt.Claims, headers ...header) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	for _, h := range headers {
		for name, value := range h {
			token.Header[name] = value
		}
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatalf("sign by %s: %v", alg, err)
	}
	return signed
}

// wantAccepted verifies a token that is good.
func wantAccepted(t testing.TB, v *Verifier, token string, name bw.Name) {
	t.Helper()
	if got, err := v.Verify(token); err != nil || got.Name != name {
		t.Errorf("verify: got %q and %v, want %q", got.Name, err, name)
	}
}

// reasons are all that is ever said of a token.
var reasons = []string{
	"the token is too long",
	"the token is malformed",
	"the token is not signed by anybody known here",
	"the token has expired",
	"the token is not valid yet",
	"the token lacks a claim that is required",
	"the token is not from the issuer or not for the audience that is expected here",
	"the token's sub is not a user name",
}

// wantRefused verifies a token that is not good: the error is Unauthorized and
// tells nothing of the token but one of the reasons.
func wantRefused(t testing.TB, v *Verifier, token string) {
	t.Helper()
	got, err := v.Verify(token)
	e, ok := err.(*bw.Error) //nolint:errorlint // it is to be this very type
	switch {
	case !ok || e.Kind != bw.Unauthorized || got != (Claims{}):
		t.Errorf("verify: got %+v and %T %v, want none and a *breakwater.Error of kind unauthorized", got, err, err)
	case !slices.Contains(reasons, e.Detail) || e.Err != nil:
		t.Errorf("verify: got %q because of %v, want one of the reasons that are known to say nothing of the token", e.Detail, e.Err)
	}
}
