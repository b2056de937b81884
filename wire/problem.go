package wire

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// ProblemType is the media type of every error over HTTP (RFC 9457).
const ProblemType = "application/problem+json"

const (
	// defaultRetry is when to come back if the failure does not say.
	defaultRetry = time.Second
	// Retries spread over half of the wait, and at least over these, so that
	// those refused together do not come back together.
	headerSpread = 3 * time.Second
	frameSpread  = 100 * time.Millisecond
)

// class is what a kind means for any client. Its detail is told when the
// error itself has none.
type class struct {
	status        int
	title, detail string
}

// classOf is the one table of kinds; ok is false for a kind that is not in it.
func classOf(kind bw.Kind) (c class, ok bool) {
	switch kind {
	case bw.BadJSON:
		return class{http.StatusBadRequest, "Bad JSON", "The body is not the JSON that is expected here."}, true
	case bw.UnknownType:
		return class{http.StatusBadRequest, "Unknown type", "There is no frame of this type."}, true
	case bw.UnknownField:
		return class{http.StatusBadRequest, "Unknown field", "The object has a field that is not known here."}, true
	case bw.TextTooLong:
		return class{http.StatusBadRequest, "Text too long", "The text is longer than a message may be."}, true
	case bw.EmptyText:
		return class{http.StatusBadRequest, "Empty text", "A message needs a text."}, true
	case bw.InvalidID:
		return class{http.StatusBadRequest, "Invalid id", "An id has 1 to 64 characters and no control characters."}, true
	case bw.InvalidName:
		return class{http.StatusBadRequest, "Invalid name", "A name has 1 to 64 characters, no control characters, and no space at its ends."}, true
	case bw.WeakPassword:
		return class{http.StatusBadRequest, "Weak password", "The password is too short."}, true
	case bw.BadQuery:
		return class{http.StatusBadRequest, "Bad query", "A parameter is not as it should be."}, true
	case bw.BadRequest:
		return class{http.StatusBadRequest, "Bad request", "The request is not as HTTP wants it."}, true
	case bw.BadCredentials:
		return class{http.StatusUnauthorized, "Bad credentials", "The name or the password is wrong."}, true
	case bw.Unauthorized:
		return class{http.StatusUnauthorized, "Unauthorized", "A valid token is needed."}, true
	case bw.NotYourName:
		return class{http.StatusForbidden, "Not your name", "The token belongs to another name."}, true
	case bw.NoSuchRoom:
		return class{http.StatusNotFound, "No such room", "There is no such room."}, true
	case bw.NotFound:
		return class{http.StatusNotFound, "Not found", "There is nothing at this path."}, true
	case bw.MethodNotAllowed:
		return class{http.StatusMethodNotAllowed, "Method not allowed", "This path has other methods; the Allow header names them."}, true
	case bw.IDConflict:
		return class{http.StatusConflict, "Id conflict", "The id was used for another text."}, true
	case bw.NameTaken:
		return class{http.StatusConflict, "Name taken", "The name is taken."}, true
	case bw.NotInRoom:
		return class{http.StatusConflict, "Not in room", "The connection is not in this room."}, true
	case bw.AlreadyInRoom:
		return class{http.StatusConflict, "Already in room", "The connection is in this room already."}, true
	case bw.TooManyRooms:
		return class{http.StatusConflict, "Too many rooms", "The connection is in as many rooms as it may be."}, true
	case bw.BodyTooLarge:
		return class{http.StatusRequestEntityTooLarge, "Body too large", "The body is larger than is allowed."}, true
	case bw.HeadersTooLarge:
		return class{http.StatusRequestHeaderFieldsTooLarge, "Headers too large", "The request line and the headers are larger than is allowed."}, true
	case bw.RequestTimeout:
		return class{http.StatusRequestTimeout, "Request timeout", "The request did not arrive in time."}, true
	case bw.UpgradeRequired:
		return class{http.StatusUpgradeRequired, "Upgrade required", "This path speaks WebSocket only."}, true
	case bw.RateLimited:
		return class{http.StatusTooManyRequests, "Rate limited", "This was too often; wait before you try again."}, true
	case bw.Internal:
		return class{http.StatusInternalServerError, "Internal error", "The server failed; the request id leads to the reason in its log."}, true
	case bw.Unavailable:
		return class{http.StatusServiceUnavailable, "Unavailable", "Something that is needed here does not answer now."}, true
	case bw.Overloaded:
		return class{http.StatusServiceUnavailable, "Overloaded", "The server has more to do than it can."}, true
	case bw.Draining:
		return class{http.StatusServiceUnavailable, "Draining", "The server is about to stop; another one serves you."}, true
	default:
		return class{}, false
	}
}

// fault is an error as a client may see it.
type fault struct {
	class
	kind      bw.Kind
	retryable bool
	wait      time.Duration
}

// faultOf takes from an error what a client may know. What has no kind, or one
// that the table does not know, is Internal, and what Internal says is for
// the log only.
func faultOf(err error) fault {
	var e *bw.Error
	if errors.As(err, &e) && e.Kind != bw.Internal {
		if c, ok := classOf(e.Kind); ok {
			c.detail = cmp.Or(e.Detail, c.detail)
			if e.Stay && c.status == http.StatusServiceUnavailable {
				c.status = http.StatusTooManyRequests // proxies ask another server because of a 503
			}
			retryable := c.status == http.StatusTooManyRequests || c.status == http.StatusServiceUnavailable
			return fault{class: c, kind: e.Kind, retryable: retryable, wait: cmp.Or(e.RetryAfter, defaultRetry)}
		}
	}
	c, _ := classOf(bw.Internal)
	return fault{class: c, kind: bw.Internal}
}

// retryAfter is the wait with jitter: never shorter than what the error asked for.
func (f fault) retryAfter(spread time.Duration) time.Duration {
	wait := max(f.wait, time.Millisecond)
	return wait + rand.N(max(wait/2, spread))
}

// Code is the kind under which a client sees an error: Internal for what it
// may not know more of.
func Code(err error) bw.Kind { return faultOf(err).kind }

// StatusOf is the HTTP status of a kind; ok is false for a kind that the
// contract does not have.
func StatusOf(kind bw.Kind) (status int, ok bool) {
	c, ok := classOf(kind)
	return c.status, ok
}

// ProblemOf makes an error's problem document (RFC 9457) and says with which
// status it goes. retryAfter is for the Retry-After header of a 429 or 503: a
// whole number of seconds, at least one, with jitter; otherwise it is 0. The
// error itself is not to be nil, and nothing of its cause is told.
func ProblemOf(err error) (status int, retryAfter time.Duration, body []byte) {
	f := faultOf(err)
	if f.retryable {
		retryAfter = max(f.retryAfter(headerSpread).Truncate(time.Second), time.Second)
		if retryAfter < f.wait {
			retryAfter += time.Second
		}
	}
	body = appendInt([]byte(`{"type":"about:blank","status":`), f.status)
	body = appendString(append(body, `,"title":`...), f.title)
	body = appendString(append(body, `,"detail":`...), f.detail)
	body = appendString(append(body, `,"code":`...), f.kind)
	return f.status, retryAfter, append(body, '}')
}
