package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	bw "github.com/breakwater-chat/breakwater"
)

// certificate is a public key in X.509, signed by itself.
func certificate(key crypto.Signer) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	return pemOf("CERTIFICATE", made(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))
}

func TestOutsideIssuersByFile(t *testing.T) {
	for _, c := range []struct {
		name, content string
		key           any
		algs          []string
	}{
		{"HMAC", secret, []byte(secret), []string{"HS256", "HS384", "HS512"}},
		{"RSA", string(publicPEM(rsaKey())), rsaKey(), []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{"RSA in PKCS #1", string(pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey))), rsaKey(), []string{"RS256"}},
		{"RSA in a certificate", string(certificate(rsaKey())), rsaKey(), []string{"RS256"}},
		{"Ed25519", string(publicPEM(ed25519Key())), ed25519Key(), []string{"EdDSA"}},
		{"P-256", string(publicPEM(p256Key())), p256Key(), []string{"ES256"}},
		{"P-256 in a certificate", string(certificate(p256Key())), p256Key(), []string{"ES256"}},
		{"P-384", string(publicPEM(p384Key())), p384Key(), []string{"ES384"}},
		{"P-521", string(publicPEM(p521Key())), p521Key(), []string{"ES512"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := VerifierConfig{Own: ownKey(t, []byte("the server's own "+secret))}
			if c.name == "HMAC" {
				cfg.HMACFiles = []string{file(t, []byte(c.content))}
			} else {
				cfg.PublicKeyFiles = []string{file(t, []byte(c.content))}
			}
			v, without := verifier(t, cfg), verifier(t, VerifierConfig{Own: cfg.Own})
			for _, alg := range c.algs {
				token := sign(t, alg, c.key, good())
				wantAccepted(t, v, token, "ann")
				wantRefused(t, without, token)
			}
		})
	}
}

func TestUnfitFilesOfIssuersAreRefused(t *testing.T) {
	public := string(publicPEM(p256Key()))
	for _, c := range []struct {
		name, content, want string
		hmac                bool
	}{
		{name: "a private key as HMAC secret", hmac: true, content: string(privatePEM(p256Key())), want: "is no HMAC secret"},
		{name: "a public key as HMAC secret", hmac: true, content: public, want: "no whole private key"},
		{name: "a short HMAC secret", hmac: true, content: secret[1:], want: "at least 32 bytes"},
		{name: "a secret as public key", content: secret, want: "is no PEM file"},
		{name: "a private key as public key", content: string(privatePEM(p256Key())), want: "holds no public key"},
		{name: "half a public key", content: public[:len(public)/2], want: "is no PEM file"},
		{name: "garbage in a certificate", content: string(pemOf("CERTIFICATE", []byte("garbage"))), want: "holds no public key"},
		{name: "a short RSA key", content: string(publicPEM(made(rsa.GenerateKey(rand.Reader, 1_024)))), want: "at least 2048 bits"},
		{name: "a curve that JWT has not", content: string(publicPEM(made(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)))), want: "P-256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := file(t, []byte(c.content))
			cfg := VerifierConfig{PublicKeyFiles: []string{path}}
			if c.hmac {
				cfg = VerifierConfig{HMACFiles: []string{path}}
			}
			_, err := NewVerifier(cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the path", err, c.want)
			}
		})
	}
}

func TestMissingFilesOfIssuersAreRefused(t *testing.T) {
	for name, cfg := range map[string]VerifierConfig{
		"HMAC":       {HMACFiles: []string{"missing/file"}},
		"public key": {PublicKeyFiles: []string{"missing/file"}},
	} {
		if _, err := NewVerifier(cfg); err == nil || !strings.Contains(err.Error(), "missing/file") {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
}

func TestNobodyKnownRefusesEverything(t *testing.T) {
	wantRefused(t, verifier(t, VerifierConfig{}), sign(t, "HS256", []byte(secret), good()))
}

func TestIssuerAndAudience(t *testing.T) {
	const iss, aud = "https://id.example", "chat"
	for _, c := range []struct {
		name   string
		claims jwt.MapClaims
		want   bool
	}{
		{"both", jwt.MapClaims{"iss": iss, "aud": aud}, true},
		{"one of several audiences", jwt.MapClaims{"iss": iss, "aud": []string{"mail", aud}}, true},
		{"no issuer", jwt.MapClaims{"aud": aud}, false},
		{"no audience", jwt.MapClaims{"iss": iss}, false},
		{"an empty list of audiences", jwt.MapClaims{"iss": iss, "aud": []string{}}, false},
		{"another issuer", jwt.MapClaims{"iss": iss + ".evil", "aud": aud}, false},
		{"an issuer of other case", jwt.MapClaims{"iss": strings.ToUpper(iss), "aud": aud}, false},
		{"another audience", jwt.MapClaims{"iss": iss, "aud": "mail"}, false},
		{"an audience of another type", jwt.MapClaims{"iss": iss, "aud": 7}, false},
		{"an issuer of another type", jwt.MapClaims{"iss": []string{iss}, "aud": aud}, false},
		{"claims of other case", jwt.MapClaims{"ISS": iss, "AUD": aud}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := ownKey(t, []byte("the server's own "+secret))
			v := verifier(t, VerifierConfig{
				Own: own, HMACFiles: []string{file(t, []byte(secret))}, PublicKeyFiles: []string{file(t, publicPEM(p256Key()))},
				JWKSURLs: []string{publish(t, jwk("ed", ed25519Key())).URL}, Issuer: iss, Audience: aud,
			})
			check(t, v, sign(t, "HS256", []byte(secret), good(c.claims)), c.want)
			check(t, v, sign(t, "ES256", p256Key(), good(c.claims)), c.want)
			check(t, v, sign(t, "EdDSA", ed25519Key(), good(c.claims)), c.want)
			// The server's own tokens name neither.
			wantAccepted(t, v, sign(t, "HS256", own.private, good()), "ann")
		})
	}
}

func check(t *testing.T, v *Verifier, token string, want bool) {
	t.Helper()
	if want {
		wantAccepted(t, v, token, "ann")
	} else {
		wantRefused(t, v, token)
	}
}

func TestTimesOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, VerifierConfig{Own: ownKey(t, []byte(secret))})
		in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		for _, c := range []struct {
			name   string
			claims jwt.MapClaims
			want   bool
		}{
			{"expires in a second", jwt.MapClaims{"exp": in(time.Second)}, true},
			{"expires now", jwt.MapClaims{"exp": in(0)}, false},
			{"expired a second ago", jwt.MapClaims{"exp": in(-time.Second)}, false},
			{"expired long ago", jwt.MapClaims{"exp": 1}, false},
			{"expires at zero", jwt.MapClaims{"exp": 0}, false},
			{"expires before 1970", jwt.MapClaims{"exp": -1}, false},
			{"never expires", jwt.MapClaims{"exp": nil}, false},
			{"expires in a fraction of a second", jwt.MapClaims{"exp": float64(in(0)) + 0.5}, false},
			{"expires at a text", jwt.MapClaims{"exp": "tomorrow"}, false},
			{"expires at a list", jwt.MapClaims{"exp": []int64{in(time.Hour)}}, false},
			{"expires far away", jwt.MapClaims{"exp": in(100 * 365 * 24 * time.Hour)}, true},
			{"expires beyond all time", jwt.MapClaims{"exp": 1e300}, false},
			{"valid since now", jwt.MapClaims{"nbf": in(0)}, true},
			{"valid as soon as clocks may differ", jwt.MapClaims{"nbf": in(clockSkew)}, true},
			{"valid later", jwt.MapClaims{"nbf": in(clockSkew + time.Second)}, false},
			{"valid since a text", jwt.MapClaims{"nbf": "yesterday"}, false},
		} {
			t.Log(c.name)
			check(t, v, sign(t, "HS256", []byte(secret), good(c.claims)), c.want)
		}
	})
}

func TestATokenIsGoodUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := ownKey(t, []byte(secret))
		v := verifier(t, VerifierConfig{Own: key})
		token, expires, err := key.Sign("ann", time.Now(), time.Hour)
		if err != nil {
			t.Fatalf("sign: %v", err)
		}
		<-time.After(time.Until(expires) - time.Nanosecond)
		wantAccepted(t, v, token, "ann")
		<-time.After(time.Nanosecond)
		wantRefused(t, v, token)
	})
}

func TestNamesInTokens(t *testing.T) {
	v := verifier(t, VerifierConfig{Own: ownKey(t, []byte(secret))})
	for _, c := range []struct{ name, sub, want string }{
		{"letters", "ann", "ann"},
		{"any script", "Ünïcødé 漢字 😀", "Ünïcødé 漢字 😀"},
		{"not in NFC becomes NFC", "e\u0301", "é"},
		{"64 characters", strings.Repeat("漢", 64), strings.Repeat("漢", 64)},
		{"64 characters in NFC", strings.Repeat("e\u0301", 64), strings.Repeat("é", 64)},
		{"65 characters", strings.Repeat("a", 65), ""},
		{"none", "", ""},
		{"a space at the end", "ann ", ""},
		{"a space at the start", " ann", ""},
		{"a control character", "a\x00nn", ""},
		{"a newline", "ann\nbob", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := sign(t, "HS256", []byte(secret), good(jwt.MapClaims{"sub": c.sub}))
			if c.want == "" {
				wantRefused(t, v, token)
			} else {
				wantAccepted(t, v, token, bw.Name(c.want))
			}
		})
	}
}

// Payloads that the encoder would not write, under a good signature.
func TestPayloadsAreReadToTheLetter(t *testing.T) {
	v := verifier(t, VerifierConfig{Own: ownKey(t, []byte(secret))})
	for _, c := range []struct {
		name, payload string
		want          bool
	}{
		{"sub and exp", `{"sub":"ann","exp":9999999999}`, true},
		{"claims that mean nothing here", `{"sub":"ann","exp":9999999999,"admin":true,"jti":"1","x":{"sub":"bob"}}`, true},
		{"another claim that differs in case", `{"sub":"ann","exp":9999999999,"Sub":"bob","SUB":"bob"}`, true},
		{"no sub", `{"exp":9999999999}`, false},
		{"sub null", `{"sub":null,"exp":9999999999}`, false},
		{"sub of another type", `{"sub":7,"exp":9999999999}`, false},
		{"sub in a list", `{"sub":["ann"],"exp":9999999999}`, false},
		{"sub of other case only", `{"Sub":"ann","exp":9999999999}`, false},
		{"exp of other case only", `{"sub":"ann","EXP":9999999999}`, false},
		{"exp null", `{"sub":"ann","exp":null}`, false},
		{"two subs", `{"sub":"ann","sub":"ann","exp":9999999999}`, false},
		{"two exps", `{"sub":"ann","exp":1,"exp":9999999999}`, false},
		{"broken UTF-8 in sub", "{\"sub\":\"\xff\",\"exp\":9999999999}", false},
		{"half a surrogate pair in sub", `{"sub":"\ud800","exp":9999999999}`, false},
		{"no object", `["ann",9999999999]`, false},
		{"null", `null`, false},
		{"no JSON", `sub=ann`, false},
		{"nothing", ``, false},
		{"something behind it", `{"sub":"ann","exp":9999999999}{}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, v, assemble(t, `{"alg":"HS256","typ":"JWT"}`, c.payload, []byte(secret)), c.want)
		})
	}
}
