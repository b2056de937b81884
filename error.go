package breakwater

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the reason for a failure that a client may be told. Its text is the
// stable code of the public contract; package wire gives each its HTTP status.
type Kind string

// The kinds of the contract. Extensions are marked; the rest is version 1.
const (
	BadJSON        Kind = "bad_json"
	UnknownType    Kind = "unknown_type"
	UnknownField   Kind = "unknown_field"
	TextTooLong    Kind = "text_too_long"
	EmptyText      Kind = "empty_text"
	IDConflict     Kind = "id_conflict"
	RateLimited    Kind = "rate_limited"
	NotInRoom      Kind = "not_in_room"
	NoSuchRoom     Kind = "no_such_room"
	Unavailable    Kind = "unavailable"
	InvalidName    Kind = "invalid_name"
	WeakPassword   Kind = "weak_password"
	NameTaken      Kind = "name_taken"
	BadCredentials Kind = "bad_credentials"
	Unauthorized   Kind = "unauthorized"
	NotYourName    Kind = "not_your_name"
	BadQuery       Kind = "bad_query"
	Overloaded     Kind = "overloaded"

	InvalidID        Kind = "invalid_id"         // extension: a message id that is not 1–64 characters
	AlreadyInRoom    Kind = "already_in_room"    // extension: a join of a room that the connection is in
	TooManyRooms     Kind = "too_many_rooms"     // extension: a join of one room more than a connection may be in
	BadRequest       Kind = "bad_request"        // extension: malformed HTTP
	NotFound         Kind = "not_found"          // extension: no such path
	MethodNotAllowed Kind = "method_not_allowed" // extension: the path has other methods
	BodyTooLarge     Kind = "body_too_large"     // extension: over the limit for request bodies
	HeadersTooLarge  Kind = "headers_too_large"  // extension: over the limit for the request line and headers
	RequestTimeout   Kind = "request_timeout"    // extension: the request did not arrive in time
	UpgradeRequired  Kind = "upgrade_required"   // extension: 426, the path speaks WebSocket only
	Draining         Kind = "draining"           // extension: the server is about to stop
	Internal         Kind = "internal"           // extension: a defect of the server
)

// Error is a failure with a kind, fit for a client. Err, if any, is for logs
// only and never leaves the server.
type Error struct {
	Kind   Kind
	Detail string
	// RetryAfter says when to try again; 0 leaves it to the wire package.
	RetryAfter time.Duration
	// Stay says that another server would be no better: whoever stands between the
	// client and the servers is not to ask one.
	Stay bool
	Err  error
}

// Errorf makes an Error whose detail is shown to the client.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Unavailablef marks a dependency's failure: the detail is shown, the cause is logged.
func Unavailablef(cause error, format string, args ...any) *Error {
	return &Error{Kind: Unavailable, Detail: fmt.Sprintf(format, args...), Err: cause}
}

func (e *Error) Error() string {
	s := string(e.Kind) + ": " + e.Detail
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, &Error{Kind: k}) ask for the kind alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Detail == "" && t.Err == nil
}

// KindOf finds the kind of an error: Internal for one that has none, "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
