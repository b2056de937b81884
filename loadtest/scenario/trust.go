package scenario

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Trust is which certificates of https:// targets a run believes. Its zero value trusts
// what the system does.
type Trust struct {
	// Roots are certificates in PEM, trusted in place of the system's.
	Roots string `json:"roots,omitempty"`
	// Insecure believes any.
	Insecure bool `json:"insecure,omitempty"`
}

// config is for clients that speak HTTP/1.1, as WebSockets do. Every handshake is a full one:
// the clients are thought to be people who have not been here before.
func (t Trust) config() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: t.Insecure}
	if t.Roots != "" {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AppendCertsFromPEM([]byte(t.Roots))
	}
	return c
}

// unreached says why a request had no answer.
func unreached(err error) error {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("the target's certificate is not trusted (--ca): %w", untrusted.Err)
	}
	return fmt.Errorf("reaching the target: %w", err)
}
