package wire

// What the contract names as sizes when nothing else is configured.
const (
	MaxText    = 4096     // bytes of a message's text
	MaxMessage = 16 << 10 // bytes of a WebSocket message from a client
	MaxBody    = 64 << 10 // bytes of a request's body
	MaxID      = 64       // characters of the id that a client chooses
	MaxName    = 64       // characters of a name, after NFC

	DefaultPage  = 50  // entries of a page when the request has no limit
	MaxPage      = 500 // entries of a page at most
	PlaybackSize = 50  // messages of a playback without since
	MaxResume    = 500 // messages that a join with since replays at most

	// MaxPresenceNames caps the names of a presence frame, each way.
	MaxPresenceNames = 20
)

// Limits are the sizes that a server keeps to. The first group is configured,
// and 0 switches a limit off; the second group is fixed by the contract.
type Limits struct {
	MaxText    int // bytes
	MaxMessage int // bytes
	MaxBody    int // bytes

	DefaultPage  int // entries
	MaxPage      int // entries
	PlaybackSize int // messages
	MaxResume    int // messages
	MaxID        int // characters
	MaxName      int // characters
}

// DefaultLimits returns the limits of the contract.
func DefaultLimits() Limits {
	return Limits{
		MaxText:    MaxText,
		MaxMessage: MaxMessage,
		MaxBody:    MaxBody,

		DefaultPage:  DefaultPage,
		MaxPage:      MaxPage,
		PlaybackSize: PlaybackSize,
		MaxResume:    MaxResume,
		MaxID:        MaxID,
		MaxName:      MaxName,
	}
}
