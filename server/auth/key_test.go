package auth

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
)

// everyKey are contents of key files, and the algorithm that each signs with.
func everyKey() []struct{ name, content, alg string } {
	return []struct{ name, content, alg string }{
		{"HMAC", secret + "\n", "HS256"},
		{"Ed25519", string(privatePEM(ed25519Key())), "EdDSA"},
		{"RSA", string(privatePEM(rsaKey())), "RS256"},
		{"RSA in PKCS #1", string(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey()))), "RS256"},
		{"P-256", string(privatePEM(p256Key())), "ES256"},
		{"P-384", string(privatePEM(p384Key())), "ES384"},
		{"P-521", string(privatePEM(p521Key())), "ES512"},
		{"P-256 in SEC 1", string(secOne(p256Key())), "ES256"},
		{"P-256 behind its parameters", string(pemOf("EC PARAMETERS", []byte{6, 0})) + string(secOne(p256Key())), "ES256"},
	}
}

func secOne(key *ecdsa.PrivateKey) []byte {
	return pemOf("EC PRIVATE KEY", made(x509.MarshalECPrivateKey(key)))
}

func TestEveryKindOfKeySignsWhatItVerifies(t *testing.T) {
	for _, c := range everyKey() {
		t.Run(c.name, func(t *testing.T) {
			key := ownKey(t, []byte(c.content))
			if got := key.method.Alg(); got != c.alg {
				t.Errorf("algorithm: got %s, want %s", got, c.alg)
			}
			token, _, err := key.Sign("ann", time.Now(), time.Hour)
			if err != nil {
				t.Fatalf("sign: %v", err)
			}
			wantAccepted(t, verifier(t, VerifierConfig{Own: key}), token, "ann")
			wantRefused(t, verifier(t, VerifierConfig{Own: ownKey(t, []byte("another secret, "+secret))}), token)
		})
	}
}

// Whatever the name and the time, a token says of itself what Sign said of it.
func TestSignedTokensReadAsTheyWereSigned(t *testing.T) {
	key := ownKey(t, []byte(secret))
	v := verifier(t, VerifierConfig{Own: key})
	rapid.Check(t, func(t *rapid.T) {
		name := bw.Name(rapid.StringOfN(rapid.RuneFrom([]rune("aZ09 .\"\\<&>/é\u00a0ßж漢字😀\u200d")), 1, bw.MaxNameLength, -1).
			Filter(func(s string) bool { return bw.Name(s).Validate() == nil }).Draw(t, "name"))
		ttl := time.Duration(rapid.Int64Range(int64(2*time.Second), int64(10*365*24*time.Hour)).Draw(t, "ttl"))
		now := time.Now()
		token, expires, err := key.Sign(name, now, ttl)
		if err != nil {
			t.Fatalf("sign: %v", err)
		}
		if early := now.Add(ttl).Sub(expires); early < 0 || early >= time.Second {
			t.Fatalf("expires: got %v for %v from %v on, want that, without the part of a second", expires, ttl, now)
		}
		got, err := v.Verify(token)
		if err != nil || got.Name != name || !got.Expires.Equal(expires) {
			t.Fatalf("verify: got %+v and %v, want %q until %v", got, err, name, expires)
		}
	})
}

func TestSecretIsTheFileWithoutTheNewlineAtItsEnd(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"no newline", secret, secret},
		{"a newline", secret + "\n", secret},
		{"a newline of Windows", secret + "\r\n", secret},
		{"one of two newlines", secret + "\n\n", secret + "\n"},
		{"a carriage return is no newline", secret + "\r", secret + "\r"},
		{"spaces belong to it", " " + secret + " \n", " " + secret + " "},
		{"zero bytes belong to it", secret + "\x00\n", secret + "\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := sign(t, "HS256", []byte(c.want), good())
			wantAccepted(t, verifier(t, VerifierConfig{Own: ownKey(t, []byte(c.file))}), token, "ann")
		})
	}
}

func TestUnfitKeysAreRefused(t *testing.T) {
	whole := string(privatePEM(p256Key()))
	for _, c := range []struct{ name, content, want string }{
		{"an empty file", "", "at least 32 bytes"},
		{"a newline alone", "\n", "at least 32 bytes"},
		{"a secret of 31 bytes", secret[1:] + "\n", "at least 32 bytes"},
		{"half a PEM file", whole[:len(whole)/2], "no whole private key"},
		{"a PEM file behind a byte order mark", "\ufeff" + whole, "no whole private key"},
		{"a public key", string(publicPEM(rsaKey())), "no whole private key"},
		{"half a public key", string(publicPEM(rsaKey())[:200]), "no whole private key"},
		{"a certificate", string(pemOf("CERTIFICATE", []byte("whatever"))), "no whole private key"},
		{"garbage in a PEM file", string(pemOf("PRIVATE KEY", []byte("garbage"))), "no private key"},
		{"garbage in an RSA PEM file", string(pemOf("RSA PRIVATE KEY", []byte("garbage"))), "no private key"},
		{"garbage in an EC PEM file", string(pemOf("EC PRIVATE KEY", []byte("garbage"))), "no private key"},
		{"an encrypted key", string(pemOf("ENCRYPTED PRIVATE KEY", []byte("whatever"))), "is encrypted"},
		{"a short RSA key", string(privatePEM(made(rsa.GenerateKey(rand.Reader, 1_024)))), "at least 2048 bits"},
		{"a curve that JWT has not", string(privatePEM(made(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)))), "P-256"},
		{"a key for exchanges", string(pemOf("PRIVATE KEY", made(x509.MarshalPKCS8PrivateKey(made(ecdh.X25519().GenerateKey(rand.Reader)))))), "cannot sign"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := file(t, []byte(c.content))
			_, err := LoadKey(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the path", err, c.want)
			}
		})
	}
}

func TestAMissingKeyIsRefused(t *testing.T) {
	if _, err := LoadKey(filepath.Join(t.TempDir(), "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestCreateKeyMakesItOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.key")
	first, err := CreateKey(path)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: got mode %v and %v, want -rw-------", info.Mode(), err)
	}
	token, _, err := first.Sign("ann", time.Now(), time.Hour)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	for name, load := range map[string]func(string) (*Key, error){"create": CreateKey, "load": LoadKey} {
		again, err := load(path)
		if err != nil {
			t.Fatalf("%s again: %v", name, err)
		}
		wantAccepted(t, verifier(t, VerifierConfig{Own: again}), token, "ann")
	}
	other, err := CreateKey(filepath.Join(t.TempDir(), "token.key"))
	if err != nil {
		t.Fatalf("create another: %v", err)
	}
	wantRefused(t, verifier(t, VerifierConfig{Own: other}), token)
	if left := entries(t, path); !slices.Equal(left, []string{"token.key"}) {
		t.Errorf("the folder: got %q, want the key alone", left)
	}
}

func TestAllWhoCreateAKeyAtOnceGetTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.key")
	keys := make([]*Key, 20)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			var err error
			if keys[i], err = CreateKey(path); err != nil {
				t.Errorf("create: %v", err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for _, key := range keys {
		if got, want := string(key.private.([]byte)), string(keys[0].private.([]byte)); got != want {
			t.Errorf("two who created it: got %d bytes that differ, want the same secret", len(got))
		}
	}
	if left := entries(t, path); !slices.Equal(left, []string{"token.key"}) {
		t.Errorf("the folder: got %q, want the key alone", left)
	}
}

func TestCreateKeyKeepsWhatItCannotRead(t *testing.T) {
	path := file(t, []byte("too short"))
	if _, err := CreateKey(path); err == nil || !strings.Contains(err.Error(), "at least 32 bytes") {
		t.Errorf("got %v, want that the secret is too short", err)
	}
	if got, err := os.ReadFile(path); string(got) != "too short" {
		t.Errorf("the file: got %q and %v, want it as it was", got, err)
	}
}

func TestCreateKeyWithoutItsFolder(t *testing.T) {
	_, err := CreateKey(filepath.Join(t.TempDir(), "missing", "token.key"))
	if err == nil || !strings.Contains(err.Error(), "making the token key") {
		t.Errorf("got %v, want an error that says what was attempted", err)
	}
}

func entries(t *testing.T, path string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.IsDir() }) {
		names = append(names, e.Name())
	}
	return names
}
