package wire

import "strconv"

// CloseCode is the status of a WebSocket close frame (RFC 6455, section 7.4).
type CloseCode uint16

// Codes of RFC 6455, section 7.4.1, for violations of the framing and for
// what proxies and browsers say.
const (
	CloseNormal          CloseCode = 1000 // by the client
	CloseGoingAway       CloseCode = 1001
	CloseProtocolError   CloseCode = 1002 // framing that RFC 6455 forbids
	CloseUnsupportedData CloseCode = 1003 // a binary message
	CloseNoStatus        CloseCode = 1005 // never sent: a close frame without a code
	CloseAbnormal        CloseCode = 1006 // never sent: no close frame at all
	CloseInvalidUTF8     CloseCode = 1007
	CloseMessageTooBig   CloseCode = 1009
	CloseInternalError   CloseCode = 1011
)

// Codes of the contract. 40xx: do not reconnect as you are.
const (
	CloseMalformedFrames CloseCode = 4000 // too many malformed frames in a row
	CloseUnauthorized    CloseCode = 4001
	CloseTokenExpired    CloseCode = 4002
	CloseFrameTooBig     CloseCode = 4003
	CloseRoomDeleted     CloseCode = 4004
)

// Codes of the contract. 41xx: reconnect with backoff and full jitter.
const (
	CloseSlowConsumer CloseCode = 4100
	CloseOverloaded   CloseCode = 4101
	CloseRateLimited  CloseCode = 4102
	CloseSilent       CloseCode = 4103 // extension: nothing was heard for too long
)

// Codes of the contract. 42xx: reconnect at once, within the drain window.
const (
	CloseDraining CloseCode = 4200
	CloseFenced   CloseCode = 4201
	CloseResync   CloseCode = 4202
)

// String is the stable name of the reason: the text of a close frame and the
// label of a metric.
func (c CloseCode) String() string {
	switch c {
	case CloseNormal:
		return "normal"
	case CloseGoingAway:
		return "going_away"
	case CloseProtocolError:
		return "websocket_protocol_error"
	case CloseUnsupportedData:
		return "unsupported_data"
	case CloseNoStatus:
		return "no_status"
	case CloseAbnormal:
		return "abnormal"
	case CloseInvalidUTF8:
		return "invalid_utf8"
	case CloseMessageTooBig:
		return "message_too_big"
	case CloseInternalError:
		return "internal_error"
	case CloseMalformedFrames:
		return "protocol_error"
	case CloseUnauthorized:
		return "unauthorized"
	case CloseTokenExpired:
		return "token_expired"
	case CloseFrameTooBig:
		return "frame_too_big"
	case CloseRoomDeleted:
		return "room_deleted"
	case CloseSlowConsumer:
		return "slow_consumer"
	case CloseOverloaded:
		return "overloaded"
	case CloseRateLimited:
		return "rate_limited"
	case CloseSilent:
		return "silent"
	case CloseDraining:
		return "draining"
	case CloseFenced:
		return "fenced"
	case CloseResync:
		return "resync"
	default:
		return "close_" + strconv.Itoa(int(c))
	}
}

// Sendable tells whether a close frame may carry the code, from either side:
// those that are registered for the wire and those left to libraries and
// applications (RFC 6455, sections 7.4.1 and 7.4.2, and the IANA registry).
func (c CloseCode) Sendable() bool {
	switch {
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014:
		return true
	default:
		return c >= 3000 && c <= 4999
	}
}
