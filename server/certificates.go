package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificates serves a certificate from files and loads them again when they
// change, so that a renewal needs no restart.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger

	// mu guards the rest.
	mu      sync.Mutex
	current *tls.Certificate
	version string // of the files that were last looked at
	checked time.Time
}

// checkEvery bounds how often the files are looked at.
const checkEvery = time.Second

func newCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log}
	// The version comes first: files that change while they are read are read again.
	c.version = c.stat()
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("loading the TLS certificate: %w", err)
	}
	c.current, c.checked = &cert, time.Now()
	return c, nil
}

// stat tells versions of the files apart; empty if they cannot be looked at.
func (c *certificates) stat() string {
	version := ""
	for _, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return ""
		}
		version += fmt.Sprintf("%d-%d ", info.ModTime().UnixNano(), info.Size())
	}
	return version
}

// get implements tls.Config.GetCertificate. A file that is half-written or
// wrong leaves the last good certificate in use.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < checkEvery {
		return c.current, nil
	}
	c.checked = time.Now()
	if version := c.stat(); version != c.version {
		c.version = version
		cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
		if err != nil {
			c.log.Warn("the changed TLS certificate cannot be used; the old one stays", "error", err)
			return c.current, nil
		}
		c.current = &cert
		c.log.Info("the TLS certificate was loaded again")
	}
	return c.current, nil
}
