package auth

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// encoded is base64url without padding (RFC 7515, section 2).
func encoded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// assemble makes a token of any header and payload, signed by HS256 whatever
// the header says.
func assemble(t testing.TB, header, payload string, key []byte) string {
	t.Helper()
	text := encoded(header) + "." + encoded(payload)
	signature, err := jwt.SigningMethodHS256.Sign(text, key)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return text + "." + encoded(string(signature))
}

// payload is a good one.
const payload = `{"sub":"ann","exp":9999999999}`

// everybody trusts one key of each kind.
func everybody(t *testing.T) *Verifier {
	return verifier(t, VerifierConfig{
		Own: ownKey(t, []byte("the server's own "+secret)), HMACFiles: []string{file(t, []byte(secret))},
		PublicKeyFiles: []string{
			file(t, publicPEM(rsaKey())), file(t, publicPEM(ed25519Key())), file(t, publicPEM(p256Key())), file(t, publicPEM(p384Key())),
		},
		JWKSURLs: []string{publish(t, jwk("rsa", rsaKey()), jwk("ed", ed25519Key()), jwk("p256", p256Key()), jwk("p384", p384Key())).URL},
	})
}

// The verifier of these attacks is one that accepts what is good.
func TestEverybodyIsAccepted(t *testing.T) {
	v := everybody(t)
	wantAccepted(t, v, assemble(t, `{"alg":"HS256"}`, payload, []byte(secret)), "ann")
	wantAccepted(t, v, sign(t, "RS256", rsaKey(), good(), header{"kid": "rsa"}), "ann")
	wantAccepted(t, v, sign(t, "ES384", p384Key(), good()), "ann")
}

func TestUnsignedTokens(t *testing.T) {
	v := everybody(t)
	good := sign(t, "HS256", []byte(secret), good())
	signature := good[strings.LastIndexByte(good, '.')+1:]
	for _, alg := range []string{`"none"`, `"None"`, `"NONE"`, `"nOnE"`, `"none "`, `" none"`, `""`, `null`, `0`, `false`, `["none"]`, `{}`} {
		head := encoded(`{"alg":` + alg + `,"typ":"JWT"}`)
		for name, token := range map[string]string{
			"without signature":  head + "." + encoded(payload) + ".",
			"without its dot":    head + "." + encoded(payload),
			"with another one's": head + "." + encoded(payload) + "." + signature,
			"with a signature":   assemble(t, `{"alg":`+alg+`}`, payload, []byte(secret)),
			"with an empty key":  assemble(t, `{"alg":`+alg+`}`, payload, nil),
		} {
			t.Run("alg "+alg+" "+name, func(t *testing.T) { wantRefused(t, v, token) })
		}
	}
	t.Run("no alg", func(t *testing.T) { wantRefused(t, v, assemble(t, `{"typ":"JWT"}`, payload, []byte(secret))) })
	t.Run("an alg of other case", func(t *testing.T) { wantRefused(t, v, assemble(t, `{"alg":"hs256"}`, payload, []byte(secret))) })
	t.Run("HS256 with an empty key", func(t *testing.T) { wantRefused(t, v, assemble(t, `{"alg":"HS256"}`, payload, nil)) })
	t.Run("HS256 without signature", func(t *testing.T) {
		wantRefused(t, v, encoded(`{"alg":"HS256"}`)+"."+encoded(payload)+".")
	})
}

// What everybody may know is signed with as if it were the secret.
func TestPublicKeysAreNoSecrets(t *testing.T) {
	v := everybody(t)
	public := publicPEM(rsaKey())
	block, _ := pem.Decode(public)
	for name, key := range map[string][]byte{
		"PEM":                 public,
		"PEM without newline": []byte(strings.TrimSpace(string(public))),
		"DER":                 block.Bytes,
		"DER of PKCS #1":      x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey),
		"modulus":             rsaKey().N.Bytes(),
		"modulus in base64":   []byte(base64.RawURLEncoding.EncodeToString(rsaKey().N.Bytes())),
		"JWK":                 made(json.Marshal(jwk("rsa", rsaKey()))),
		"Ed25519 PEM":         publicPEM(ed25519Key()),
		"Ed25519 bytes":       ed25519Key().Public().(ed25519.PublicKey),
		"P-256 PEM":           publicPEM(p256Key()),
	} {
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			for _, h := range []header{nil, {"kid": "rsa"}, {"kid": "ed"}, {"kid": "p256"}} {
				t.Run(alg+" with "+name, func(t *testing.T) { wantRefused(t, v, sign(t, alg, key, good(), h)) })
			}
		}
	}
}

// A key set may hold a secret by mistake: it is as public as the rest.
func TestASecretInAKeySetIsNone(t *testing.T) {
	v := verifier(t, VerifierConfig{JWKSURLs: []string{
		publish(t, map[string]string{"kty": "oct", "kid": "oct", "alg": "HS256", "k": encoded(secret)}).URL,
	}})
	wantRefused(t, v, sign(t, "HS256", []byte(secret), good(), header{"kid": "oct"}))
	wantRefused(t, v, sign(t, "HS256", []byte(secret), good()))
}

// A signature is as its header says, but by a key that is for another algorithm.
func TestWrongAlgorithmForTheKey(t *testing.T) {
	v := everybody(t)
	for _, c := range []struct{ name, alg, kid string }{
		{"RSA as ECDSA", "ES256", "rsa"},
		{"ECDSA as RSA", "RS256", "p256"},
		{"Ed25519 as RSA", "PS256", "ed"},
		{"P-384 as P-256", "ES256", "p384"},
		{"P-256 as P-384", "ES384", "p256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, signature := range []int{0, 64, 96, 256} {
				token := encoded(`{"alg":"`+c.alg+`","kid":"`+c.kid+`"}`) + "." + encoded(payload) + "." + encoded(strings.Repeat("\x00", signature))
				wantRefused(t, v, token)
			}
		})
	}
	t.Run("the secret signs as HS256 and says RS256", func(t *testing.T) {
		wantRefused(t, v, assemble(t, `{"alg":"RS256"}`, payload, []byte(secret)))
	})
	t.Run("an RS256 signature says PS256", func(t *testing.T) {
		text := encoded(`{"alg":"PS256"}`) + "." + encoded(payload)
		wantRefused(t, v, text+"."+encoded(string(made(jwt.SigningMethodRS256.Sign(text, rsaKey())))))
	})
	t.Run("one key's signature under another one's kid", func(t *testing.T) {
		wantRefused(t, verifier(t, VerifierConfig{JWKSURLs: []string{publish(t, jwk("a", p256Key()), jwk("b", rsaKey())).URL}}),
			sign(t, "ES256", p256Key(), good(), header{"kid": "b"}))
	})
}

func TestTamperedTokens(t *testing.T) {
	v := everybody(t)
	for alg, key := range map[string]any{"HS256": []byte(secret), "RS256": rsaKey(), "EdDSA": ed25519Key(), "ES256": p256Key()} {
		token := sign(t, alg, key, good())
		part := strings.Split(token, ".")
		for name, tampered := range map[string]string{
			"another payload":             part[0] + "." + encoded(`{"sub":"bob","exp":9999999999}`) + "." + part[2],
			"another header":              encoded(`{"alg":"`+alg+`","kid":"1"}`) + "." + part[1] + "." + part[2],
			"the signature of another":    part[0] + "." + part[1] + "." + strings.Split(sign(t, alg, key, good(jwt.MapClaims{"sub": "bob"})), ".")[2],
			"parts swapped":               part[1] + "." + part[0] + "." + part[2],
			"a part more":                 token + ".",
			"a part less":                 part[0] + "." + part[1],
			"a space before":              " " + token,
			"a space behind":              token + " ",
			"padding":                     token + "==",
			"the start of the signature":  token[:len(token)-4],
			"more behind the signature":   token + "AAAA",
			"zero bytes in the middle":    part[0] + "." + part[1] + "\x00." + part[2],
			"standard base64":             part[0] + "." + part[1] + "." + strings.Repeat("+/", len(part[2])/2),
			"Bearer twice":                "Bearer " + token,
			"the last character replaced": token[:len(token)-1] + nextCharacter(token[len(token)-1]),
		} {
			t.Run(alg+" "+name, func(t *testing.T) { wantRefused(t, v, tampered) })
		}
		for i := range token { // every character counts
			if token[i] == '.' {
				continue
			}
			if _, err := v.Verify(token[:i] + nextCharacter(token[i]) + token[i+1:]); err == nil {
				t.Errorf("%s with character %d of %d replaced: got no error, want one", alg, i, len(token))
			}
			if alg != "HS256" {
				break // the others take longer, and differ in the signature only
			}
		}
	}
}

// nextCharacter is another one of base64url, of which the last bit differs.
func nextCharacter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^1])
}

func TestTextsThatAreNoTokens(t *testing.T) {
	v := everybody(t)
	for name, text := range map[string]string{
		"nothing": "", "a dot": ".", "two dots": "..", "three dots": "...", "a word": "abracadabra",
		"dots alone": strings.Repeat(".", 1_000), "not UTF-8": "\xff.\xff.\xff", "zero bytes": "\x00.\x00.\x00",
		"a JSON token":        `{"payload":"` + encoded(payload) + `","signatures":[]}`,
		"an encrypted token":  encoded(`{"alg":"dir","enc":"A256GCM"}`) + "....",
		"a header of a list":  encoded(`[]`) + "." + encoded(payload) + ".AAAA",
		"a header of nothing": "." + encoded(payload) + ".AAAA",
		"a deep header":       encoded(strings.Repeat("[", 5_000)) + "." + encoded(payload) + ".AAAA",
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, v, text) })
	}
}

func TestHugeTokens(t *testing.T) {
	v := everybody(t)
	fits := sign(t, "HS256", []byte(secret), good(jwt.MapClaims{"pad": strings.Repeat("x", 5_900)}))
	if len(fits) > maxToken || len(fits) < maxToken-300 {
		t.Fatalf("the token that fits: got %d bytes, want just below %d", len(fits), maxToken)
	}
	wantAccepted(t, v, fits, "ann")
	wantRefused(t, v, sign(t, "HS256", []byte(secret), good(jwt.MapClaims{"pad": strings.Repeat("x", 6_200)})))
	wantRefused(t, v, strings.Repeat("A", 100<<20))
}

// A token that brings its own key, or says where it lies, is not believed, and
// nobody is asked.
func TestKeysInHeadersAreIgnored(t *testing.T) {
	var asked atomic.Int32
	own := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(own.Close)
	v := verifier(t, VerifierConfig{Own: ownKey(t, []byte(secret)), PublicKeyFiles: []string{file(t, publicPEM(p384Key()))}})
	for name, h := range map[string]header{
		"jwk": {"jwk": jwk("evil", rsaKey())}, "jku": {"jku": own.URL, "kid": "evil"}, "x5u": {"x5u": own.URL},
		"x5c": {"x5c": []string{base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey))}},
		"k":   {"k": encoded(secret)},
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, v, sign(t, "RS256", rsaKey(), good(), h))
			wantAccepted(t, v, sign(t, "HS256", []byte(secret), good(), h), "ann")
		})
	}
	if got := asked.Load(); got != 0 {
		t.Errorf("requests to where tokens pointed: got %d, want 0", got)
	}
}

func TestExtensionsThatATokenDemandsAreRefused(t *testing.T) {
	v := everybody(t)
	for name, crit := range map[string]any{
		"an unknown one": []string{"exp"}, "b64": []string{"b64"}, "an empty list": []string{}, "a text": "exp", "null": nil,
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, v, sign(t, "HS256", []byte(secret), good(), header{"crit": crit, "b64": true}))
			wantRefused(t, v, sign(t, "RS256", rsaKey(), good(), header{"crit": crit, "kid": "rsa"}))
		})
	}
}

// A kid is a name to compare, never a path, a query or a pattern.
func TestOddKeyIDs(t *testing.T) {
	v := everybody(t)
	for name, kid := range map[string]any{
		"a path": "../../../../dev/null", "an absolute path": "/dev/null", "a query": "' OR 1=1 --", "a URL": "http://127.0.0.1/key",
		"a zero byte": "rsa\x00", "other case": "RSA", "a pattern": "*", "nothing": "", "a number": 7, "null": nil,
		"a list": []string{"rsa"}, "a command": "rsa|id", "long": strings.Repeat("k", 4_000),
	} {
		t.Run(name, func(t *testing.T) {
			// By a stranger to everybody, whatever is in that file.
			wantRefused(t, v, sign(t, "HS256", []byte{}, good(), header{"kid": kid}))
			wantRefused(t, v, sign(t, "ES512", p521Key(), good(), header{"kid": kid}))
			// A key from a file has no id: any will do.
			wantAccepted(t, v, sign(t, "HS256", []byte(secret), good(), header{"kid": kid}), "ann")
		})
	}
}
