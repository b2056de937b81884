package scenario

import (
	"net/netip"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/crowd"
)

// Kind is what a run does.
type Kind string

// The scenarios.
const (
	// Fanout lets members talk in rooms, at a rate or as fast as it goes.
	Fanout Kind = "fanout"
	// Storm cuts everybody off at once, or waits until somebody else does, and looks at
	// how they come back.
	Storm Kind = "storm"
	// Soak is a fanout that lasts, and compares its end with its beginning.
	Soak Kind = "soak"
	// Mixed is what a day has: talk, joins and leaves, searches, scrolling back.
	Mixed Kind = "mixed"
)

// Kinds are all scenarios.
func Kinds() []Kind { return []Kind{Fanout, Storm, Soak, Mixed} }

// Settings are what every part of a run must know. They travel to workers as JSON.
type Settings struct {
	Kind Kind `json:"kind"`
	// Run names this run in its users, rooms and texts.
	Run  string `json:"run"`
	Seed uint64 `json:"seed"`
	// Targets are the URLs of equal servers, http://HOST:PORT or https://HOST:PORT.
	Targets []string `json:"targets"`
	Trust   Trust    `json:"trust"`
	// Sources are local addresses to connect from; none leaves it to the system, or, on
	// loopback, takes as many as there are ports needed.
	Sources []netip.Addr `json:"sources,omitempty"`
	// Handshakes is how many first connections may be unfinished at a time.
	Handshakes int `json:"handshakes"`

	// Rate is sends a second of all members together; 0 keeps Window sends on their way: a
	// closed loop, in which a slow server is asked for less.
	Rate   float64 `json:"rate"`
	Window int     `json:"window"`
	// Poisson draws the times between sends; else they are all the same.
	Poisson bool `json:"poisson"`
	// Size is the length of a text, in bytes.
	Size int `json:"size"`
	// Moves, Searches and Pages are a second: members who join or leave a further room,
	// searches, and pages of older messages.
	Moves    float64 `json:"moves"`
	Searches float64 `json:"searches"`
	Pages    float64 `json:"pages"`

	// Duration is how long the load lasts; of a storm, how long everybody may take to be back.
	Duration time.Duration `json:"duration_ns"`
	// Steady is how long a storm's members talk before the cut, and when they are back.
	Steady time.Duration `json:"steady_ns"`
	// CutOwn cuts all connections of a storm; else it waits for a fault from outside.
	CutOwn bool `json:"cut_own"`
	// GiveUp is how long there may be no connection at all.
	GiveUp time.Duration `json:"give_up_ns"`
}

// Plan is a whole run.
type Plan struct {
	Settings
	// Members are connections, spread over Rooms: evenly, or by Zipf's law with this
	// exponent, if it is not 0.
	Members, Rooms int
	Zipf           float64
	// Users is how many users the members are; fewer than members have several connections each.
	Users int
	// Room is a room that is there already, in place of new ones; 0 makes new ones.
	Room bw.RoomID
}

// Part is what one process does.
type Part struct {
	Settings
	// Index of all Of parts.
	Index   int            `json:"index"`
	Of      int            `json:"of"`
	Members []crowd.Member `json:"members"`
	Rooms   []bw.RoomID    `json:"rooms"`
}

// divide deals the members out, so that every part has some of each room, and gives
// each part its share of the rates.
func (p *Plan) divide(members []crowd.Member, rooms []bw.RoomID, parts int) []Part {
	divided := make([]Part, parts)
	for i := range divided {
		divided[i] = Part{Settings: p.Settings, Index: i, Of: parts, Rooms: rooms}
	}
	for i, m := range members {
		part := &divided[i%parts]
		part.Members = append(part.Members, m)
	}
	for i := range divided {
		part := &divided[i]
		share := float64(len(part.Members)) / float64(len(members))
		part.Seed += uint64(i)
		part.Rate *= share
		part.Moves *= share
		part.Searches *= share
		part.Pages *= share
		part.Window = max(1, p.Window/parts)
	}
	return divided
}
