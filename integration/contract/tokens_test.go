package contract

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer is somebody outside who signs tokens.
type issuer struct {
	method jwt.SigningMethod
	key    any // private, or the secret
	public crypto.PublicKey
	kid    string
}

func (i issuer) sign(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(i.method, claims)
	if i.kid != "" {
		token.Header["kid"] = i.kid
	}
	signed, err := token.SignedString(i.key)
	if err != nil {
		t.Fatalf("signing: %v", err)
	}
	return signed
}

// claims are good ones.
func claims(name string) jwt.MapClaims {
	return jwt.MapClaims{"sub": name, "exp": time.Now().Add(time.Hour).Unix()}
}

// file writes what a flag names.
func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func publicPEM(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func must[K any](t *testing.T, key K, err error) K {
	t.Helper()
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	return key
}

// issuers makes one of each kind.
func issuers(t *testing.T) map[string]issuer {
	t.Helper()
	secret := []byte(rand.Text() + rand.Text())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	rsaKey = must(t, rsaKey, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ecKey = must(t, ecKey, err)
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	edKey = must(t, edKey, err)
	return map[string]issuer{
		"HMAC":    {jwt.SigningMethodHS256, secret, nil, ""},
		"RSA":     {jwt.SigningMethodRS256, rsaKey, rsaKey.Public(), ""},
		"RSA-PSS": {jwt.SigningMethodPS256, rsaKey, rsaKey.Public(), ""},
		"ECDSA":   {jwt.SigningMethodES256, ecKey, ecKey.Public(), ""},
		"Ed25519": {jwt.SigningMethodEdDSA, edKey, edPublic, ""},
	}
}

func TestTokensOfOutsideIssuers(t *testing.T) {
	for kind, i := range issuers(t) {
		t.Run(kind, func(t *testing.T) {
			flags := []string{"--auth-hmac-key", ""}
			if i.public == nil {
				flags[1] = file(t, i.key.([]byte))
			} else {
				flags = []string{"--auth-public-key", file(t, publicPEM(t, i.public))}
			}
			server := suite.Binary.Start(t, flags...)
			name := unique("from outside")
			ask := request{base: server.URL, method: "POST", path: "/v1/chatrooms/users/token", token: i.sign(t, claims(name))}
			var made, again person
			ask.do(t).ok(http.StatusOK, &made) // the first use makes the user
			ask.do(t).ok(http.StatusOK, &again)
			if made.Name != name || made.ID != again.ID {
				t.Errorf("got user %d %q and then %d, want one user %q", made.ID, made.Name, again.ID, name)
			}
			made.T, made.base = t, server.URL
			made.join(made.newRoom())
			refuseForgeries(t, server.URL, i)
		})
	}
}

// refuseForgeries sends tokens that look like the issuer's and are not.
func refuseForgeries(t *testing.T, base string, i issuer) {
	good := i.sign(t, claims("forged"))
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	header := func(alg string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"JWT"}`))
	}
	forged := map[string]string{
		"none":                 header("none") + "." + body + ".",
		"None":                 header("None") + "." + body + ".",
		"nOnE with signature":  header("nOnE") + "." + body + "." + signature,
		"no signature":         head + "." + body + ".",
		"cut signature":        good[:len(good)-4],
		"another body":         head + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin","exp":99999999999}`)) + "." + signature,
		"empty":                ".." + signature,
		"expired":              i.sign(t, jwt.MapClaims{"sub": "x", "exp": time.Now().Add(-time.Second).Unix()}),
		"not yet valid":        i.sign(t, jwt.MapClaims{"sub": "x", "exp": time.Now().Add(time.Hour).Unix(), "nbf": time.Now().Add(time.Minute).Unix()}),
		"without exp":          i.sign(t, jwt.MapClaims{"sub": "x"}),
		"without sub":          i.sign(t, jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix()}),
		"a name that is none":  i.sign(t, claims(" x")),
		"another key":          issuers(t)["HMAC"].sign(t, claims("x")),
		"exp that is a string": i.sign(t, jwt.MapClaims{"sub": "x", "exp": "tomorrow"}),
	}
	if i.public != nil { // the public key taken for a secret
		text := publicPEM(t, i.public)
		block, _ := pem.Decode(text)
		for what, secret := range map[string][]byte{"PEM": text, "PEM without newline": []byte(strings.TrimSpace(string(text))), "DER": block.Bytes} {
			forged["HMAC with the public key as "+what] = issuer{method: jwt.SigningMethodHS256, key: secret}.sign(t, claims("x"))
		}
	}
	for what, token := range forged {
		t.Run(what, func(t *testing.T) {
			request{base: base, method: "POST", path: "/v1/chatrooms/users/token", token: token}.do(t).refused(http.StatusUnauthorized, "unauthorized")
		})
	}
}

func TestTokensOfAKeySet(t *testing.T) {
	all := issuers(t)
	first, second := all["RSA"], all["ECDSA"]
	first.kid, second.kid = "first", "second"
	keys := map[string]any{"keys": []any{jwk(first)}}
	set := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(keys) // the server under test says what it did not get
	}))
	defer set.Close()
	server := suite.Binary.Start(t, "--auth-jwks-url", set.URL, "--auth-issuer", "https://issuer.example", "--auth-audience", "chat")
	use := func(i issuer, change func(jwt.MapClaims)) answer {
		c := claims("by key set")
		c["iss"], c["aud"] = "https://issuer.example", []string{"chat", "else"}
		if change != nil {
			change(c)
		}
		return request{base: server.URL, method: "POST", path: "/v1/chatrooms/users/token", token: i.sign(t, c)}.do(t)
	}
	use(first, nil).ok(http.StatusOK, nil)
	use(second, nil).refused(http.StatusUnauthorized, "unauthorized")
	use(first, func(c jwt.MapClaims) { c["iss"] = "https://other.example" }).refused(http.StatusUnauthorized, "unauthorized")
	use(first, func(c jwt.MapClaims) { c["aud"] = "else" }).refused(http.StatusUnauthorized, "unauthorized")
	use(first, func(c jwt.MapClaims) { delete(c, "aud") }).refused(http.StatusUnauthorized, "unauthorized")
	own := newPersonAt(t, server.URL, "of its own") // whose tokens have neither
	own.newRoom()
}

// jwk is a public key of a set (RFC 7517).
func jwk(i issuer) map[string]string {
	encode := base64.RawURLEncoding.EncodeToString
	switch key := i.public.(type) {
	case *rsa.PublicKey:
		return map[string]string{"kty": "RSA", "kid": i.kid, "alg": i.method.Alg(), "use": "sig", "n": encode(key.N.Bytes()), "e": "AQAB"}
	default:
		panic("not needed")
	}
}

func TestTheServersKeyOutlivesIt(t *testing.T) {
	key := file(t, []byte(rand.Text()+rand.Text()))
	one, two := suite.Binary.Start(t, "--token-key", key), suite.Binary.Start(t, "--token-key", key)
	p := newPersonAt(t, one.URL, "Ada")
	request{base: two.URL, method: "POST", path: "/v1/chatrooms/users/token", token: p.Token}.do(t).ok(http.StatusOK, nil)
	request{method: "POST", path: "/v1/chatrooms/users/token", token: p.Token}.do(t).refused(http.StatusUnauthorized, "unauthorized")
}

func TestTokenThatExpiresDuringAConnection(t *testing.T) {
	t.Parallel()
	server := suite.Binary.Start(t, "--token-ttl", "6s")
	p := newPersonAt(t, server.URL, "brief")
	p.join(p.newRoom()).expectClose(4002, "token_expired")
	p.post("/v1/chatrooms/users/token", nil).refused(http.StatusUnauthorized, "unauthorized")
}
