package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is where a certificate and its key lie.
type pair struct{ cert, key string }

// issue puts a new certificate for that name in place of what is there.
func (p pair) issue(t *testing.T, name string) {
	t.Helper()
	cert, key := newCertificate(t, name)
	replace(t, p.cert, cert)
	replace(t, p.key, key)
}

func newCertificate(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// replace writes a file whose time differs from the last one's, whatever the
// clock of the file system.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	modified := time.Now()
	if info, err := os.Stat(path); err == nil {
		modified = info.ModTime().Add(time.Second)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
}

// loaded is a pair of files and the certificates that serve it.
func loaded(t *testing.T) (pair, *certificates, *diary) {
	t.Helper()
	dir, d := t.TempDir(), &diary{}
	p := pair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	p.issue(t, "first.example")
	c, err := newCertificates(p.cert, p.key, slog.New(slog.NewJSONHandler(d, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return p, c, d
}

// served is the name in the certificate of the next handshake, long after the
// last one.
func served(t *testing.T, c *certificates) string {
	t.Helper()
	c.mu.Lock()
	c.checked = time.Time{}
	c.mu.Unlock()
	cert, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Subject.CommonName
}

func TestAChangedCertificateIsServed(t *testing.T) {
	p, c, log := loaded(t)
	if got := served(t, c); got != "first.example" {
		t.Errorf("at first: got %s, want first.example", got)
	}
	if log.String() != "" {
		t.Errorf("nothing changed, and the log says %s", log)
	}
	p.issue(t, "second.example")
	if got := served(t, c); got != "second.example" {
		t.Errorf("after the change: got %s, want second.example", got)
	}
	if !strings.Contains(log.String(), "loaded again") {
		t.Errorf("the log does not tell of the change: %s", log)
	}
}

func TestABrokenCertificateLeavesTheOldOne(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, p pair)
	}{
		{"the certificate is empty", func(t *testing.T, p pair) { replace(t, p.cert, nil) }},
		{"the key is half-written", func(t *testing.T, p pair) { replace(t, p.key, []byte("-----BEGIN PRIVATE KEY-----\nMIG")) }},
		{"the key is another's", func(t *testing.T, p pair) { _, key := newCertificate(t, "x"); replace(t, p.key, key) }},
		{"the key is gone", func(t *testing.T, p pair) { _ = os.Remove(p.key) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, c, log := loaded(t)
			test.damage(t, p)
			for range 3 {
				if got := served(t, c); got != "first.example" {
					t.Errorf("got %s, want the old first.example", got)
				}
			}
			if got := strings.Count(log.String(), "cannot be used"); got != 1 {
				t.Errorf("the log tells of it %d times, want once:\n%s", got, log)
			}
			if strings.Contains(log.String(), "PRIVATE KEY") {
				t.Errorf("the log tells the key: %s", log)
			}
			p.issue(t, "second.example")
			if got := served(t, c); got != "second.example" {
				t.Errorf("when it is whole again: got %s, want second.example", got)
			}
		})
	}
}

// TestFilesAreNotLookedAtForEachHandshake holds many handshakes to one look.
func TestFilesAreNotLookedAtForEachHandshake(t *testing.T) {
	p, c, _ := loaded(t)
	before := c.current
	p.issue(t, "second.example")
	for range 100 {
		if cert, err := c.get(nil); err != nil || cert != before {
			t.Fatalf("within a second: got another certificate, error %v", err)
		}
	}
}

// TestTLSHandshakesSeeTheChange asks a server, not the type below it.
func TestTLSHandshakesSeeTheChange(t *testing.T) {
	dir := t.TempDir()
	p := pair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	p.issue(t, "first.example")
	s := newStand(t, func(c *Config, _ *Deps) { c.CertFile, c.KeyFile = p.cert, p.key })
	address := s.listen(t)
	name := func() string {
		//nolint:gosec // The certificate is its own authority: what it says is looked at below.
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first.example" {
		t.Errorf("got %s, want first.example", got)
	}
	p.issue(t, "second.example")
	until(t, "the new certificate is served", func() bool { return name() == "second.example" })
}

func TestNoServerWithoutItsCertificate(t *testing.T) {
	p, _, _ := loaded(t)
	for _, wrong := range []pair{{p.cert, p.key + "x"}, {p.cert + "x", p.key}, {p.key, p.cert}} {
		if _, err := newCertificates(wrong.cert, wrong.key, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("certificate %s and key %s: got no error", filepath.Base(wrong.cert), filepath.Base(wrong.key))
		}
	}
}
