package wire

import bw "github.com/breakwater-chat/breakwater"

// Requests and responses of HTTP. Lists are written by EncodeBody, so that a
// nil one is [] and not null. A Next or Cursor of nil is null: there is no more.

// SignUp is the body of POST /v1/chatrooms/users.
type SignUp struct {
	Name string `json:"name"`
	// Password is nil for a user who cannot log in.
	Password *string `json:"password"`
}

// Login is the body of POST /v1/chatrooms/users/login.
type Login struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// NewRoom is the body of POST /v1/chatrooms.
type NewRoom struct {
	Name string `json:"name"`
}

// NewMessage is the body of POST /v1/chatrooms/{id}/messages.
type NewMessage struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// UserToken is a user with a token for him.
type UserToken struct {
	ID        bw.UserID `json:"id"`
	Name      bw.Name   `json:"name"`
	Token     string    `json:"token"`
	ExpiresAt bw.Millis `json:"expires_at"`
}

// CreatedRoom is a room that was just made.
type CreatedRoom struct {
	ID        bw.RoomID `json:"id"`
	Name      bw.Name   `json:"name"`
	CreatedAt bw.Millis `json:"created_at"`
}

// Room is a room with the number of distinct users in it now.
type Room struct {
	ID        bw.RoomID `json:"id"`
	Name      bw.Name   `json:"name"`
	CreatedAt bw.Millis `json:"created_at"`
	Users     int       `json:"users"`
}

// RoomList is a page of rooms by id; Next is the `after` of the next one.
type RoomList struct {
	Chatrooms []Room     `json:"chatrooms"`
	Next      *bw.RoomID `json:"next"`
}

// Occupant is a user in a room.
type Occupant struct {
	ID       bw.UserID `json:"id"`
	Name     bw.Name   `json:"name"`
	JoinedAt bw.Millis `json:"joined_at"`
}

// UserList is a page of a room's users by id; Next is the `after` of the next
// one. Count is that of all distinct users in the room.
type UserList struct {
	Count int        `json:"count"`
	Users []Occupant `json:"users"`
	Next  *bw.UserID `json:"next"`
}

// MessagePage is a page of a room's log, oldest first. Next is the `before`
// of the next page, or its `after` when the request had one.
type MessagePage struct {
	Epoch    bw.Epoch     `json:"epoch"`
	Messages []bw.Message `json:"messages"`
	Next     *bw.Seq      `json:"next"`
}

// SearchHit is a message that matches, with the matching words of the
// HTML-escaped text within <em> and </em>.
type SearchHit struct {
	bw.Message
	Highlight string `json:"highlight"`
}

// SearchHits are the matches of a search, newest first. Total counts those of
// all pages.
type SearchHits struct {
	Hits   []SearchHit `json:"hits"`
	Total  int         `json:"total"`
	Cursor *string     `json:"cursor"`
}

// SendAck says that a message is in the log.
type SendAck struct {
	Epoch     bw.Epoch  `json:"epoch"`
	Seq       bw.Seq    `json:"seq"`
	Timestamp bw.Millis `json:"timestamp"`
	Duplicate bool      `json:"duplicate"`
}

// Health is the answer of /healthz and /readyz when all is well.
type Health struct {
	Status string `json:"status"` // "ok" or "ready"
}
