package breakwater

// UserID names a user in the store. Ids are positive.
type UserID int64

// User is a person, as stored.
type User struct {
	ID        UserID
	Name      Name
	CreatedAt Millis
}

// ServerID names one server process of the cluster, as configured.
type ServerID string

// Incarnation tells the lives of one server apart: it grows with every
// registration, and a server that was declared dead must take a new one.
type Incarnation int64

// ConnectionID names one WebSocket connection within one incarnation of a server.
type ConnectionID int64
