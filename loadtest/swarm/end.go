package swarm

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"strconv"
	"syscall"
	"time"

	"github.com/breakwater-chat/breakwater/wire"
)

// Reasons of ends that no code of the contract names.
const (
	ReasonCut       = "cut"              // Cut did it
	ReasonDrain     = "drain"            // left because the server asked for it
	ReasonEOF       = "eof"              // the connection ended without a close frame
	ReasonReset     = "reset"            // likewise, by RST
	ReasonRefused   = "refused"          // nobody listens
	ReasonNoPort    = "no_port"          // no local port is free
	ReasonTimeout   = "connect_timeout"  // no 101 in time
	ReasonSilent    = "silence"          // nothing was heard for too long, no ping either
	ReasonBacklog   = "backlog"          // the server does not take what is sent
	ReasonNoHTTP    = "no_http"          // the answer to the upgrade is no HTTP
	ReasonBadFrame  = "bad_frame"        // a frame that RFC 6455 forbids
	ReasonUntrusted = "untrusted"        // the server's certificate is not one that is trusted
	ReasonTLS       = "tls"              // any other failure of the TLS handshake
	ReasonNetwork   = "network"          // any other failure of the socket
	reasonNoAnswer  = "ended_in_upgrade" // ended before the answer to the upgrade
)

// End is how a connection, or the attempt at one, ended.
type End struct {
	// Reason is one word: the code of a refusal or of a close frame, or one of the Reasons.
	Reason string
	// Detail is what the server said, or the system; it may be empty.
	Detail string
	// Status is that of an answer that was no 101, or 0.
	Status int
	// Live says that the connection was upgraded before.
	Live bool
	// Final says that it does not come back: a client as it is would be refused again.
	Final bool

	atOnce     bool
	retryAfter time.Duration
}

// String is the reason and what was said, for people.
func (e End) String() string {
	text := e.Reason
	if e.Status != 0 {
		text += " (" + strconv.Itoa(e.Status) + ")"
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Bounds of coming back, as the Go client of this project has them.
const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second
	// spread is for coming back at once when no window was told.
	spread = time.Second
	// stable is how long a connection lasts until the backoff begins anew.
	stable = 10 * time.Second
)

// endOf is what a close code asks of a client.
func endOf(code wire.CloseCode, detail string) End {
	end := End{Reason: code.String(), Detail: detail, Live: true}
	switch code / 100 {
	case 40:
		end.Final = true
	case 42:
		end.atOnce = true
	}
	switch code {
	case wire.CloseProtocolError, wire.CloseUnsupportedData, wire.CloseInvalidUTF8, wire.CloseMessageTooBig:
		end.Final = true
	}
	return end
}

// isFinal tells whether an answer to an upgrade would be the same the next time.
func isFinal(status int) bool {
	const tooMany, timeout = 429, 408
	return status >= 400 && status < 500 && status != tooMany && status != timeout
}

// failed names a failure of a socket.
func failed(err error, live bool) End {
	end := End{Reason: ReasonNetwork, Detail: err.Error(), Live: live}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		end.Reason = ReasonRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		end.Reason = ReasonReset
	case errors.Is(err, syscall.ETIMEDOUT):
		end.Reason = ReasonTimeout
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		end.Reason = ReasonNoPort
	}
	return end
}

// insecure names a failure of a TLS handshake. Whose certificate is not trusted will not
// have another one the next time.
func insecure(err error) End {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return End{Reason: ReasonUntrusted, Detail: untrusted.Err.Error(), Final: true}
	}
	return End{Reason: ReasonTLS, Detail: err.Error()}
}

// wait is how long a client stays away after an end: with full jitter, so that those
// who were lost together do not come back together; never shorter than it was asked.
func (e End) wait(attempt int, window time.Duration, random *rand.Rand) time.Duration {
	if e.atOnce {
		if window <= 0 {
			window = spread
		}
		return time.Duration(random.Float64() * float64(window))
	}
	limit := backoffCap
	if attempt < 10 { // far above the cap, far below an overflow
		limit = min(limit, backoffBase<<attempt)
	}
	return e.retryAfter + time.Duration(random.Float64()*float64(limit))
}
