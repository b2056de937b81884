package service

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/go-sql-driver/mysql"
)

// viaHTTP is for addresses that are URLs. TLS would not be what it says by another
// way, and of several nodes some would be missed.
func viaHTTP(address, by string) (target, via string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", errors.New("reading the address: it is no URL") // the error would show a password
	}
	if u.Scheme != "http" && u.Scheme != "redis" || u.Port() == "" {
		return "", "", fmt.Errorf("the address is %s://%s, want one http://HOST:PORT or redis://HOST:PORT", u.Scheme, u.Host)
	}
	target, u.Host = u.Host, by
	return target, u.String(), nil
}

func viaDSN(dsn, by string) (target, via string, err error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "", "", fmt.Errorf("reading the address: %w", err)
	}
	if config.Net != "tcp" {
		return "", "", fmt.Errorf("the address leads by %s, want tcp(HOST:PORT)", config.Net)
	}
	target, config.Addr = config.Addr, by
	return target, config.FormatDSN(), nil
}
