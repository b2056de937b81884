package crash

// message is one line of a room as somebody received it.
type message struct {
	Room      int64  `json:"room"`
	Epoch     int64  `json:"epoch"`
	Seq       int64  `json:"seq"`
	ID        string `json:"id"`
	User      string `json:"user"`
	Text      string `json:"text"`
	Timestamp int64  `json:"timestamp"`
}

// send is a message that a client wanted stored. However often the client
// repeated it, it is one send.
type send struct {
	room     int64
	id, text string
}

// ack is an answer to a send.
type ack struct {
	room       int64
	id         string
	epoch, seq int64
	timestamp  int64
	duplicate  bool
}

// stream is what one client received of one room, over all its connections.
type stream struct {
	room int64
	// since is the seq before the first message that it had to receive.
	since    int64
	messages []message
}

// record is what one client did and saw.
type record struct {
	user    string
	sends   []send
	acks    []ack
	streams []stream
	// complaints are answers that the client had no use for: error frames,
	// resumes that were not, frames against the contract.
	complaints []string
}

// history is everything known about a run once it is over and all is acked.
type history struct {
	records []record
	// stored is what the server's pages hold afterwards, by room, and epochs
	// the epoch that each room had when it was empty.
	stored map[int64][]message
	epochs map[int64]int64
}
