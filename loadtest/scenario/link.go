package scenario

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// note is one line between a coordinator and its worker. Each has one of its fields, but
// for Nonce, with which the worker's has a Proof, and Meet and Met, which have Heads.
type note struct {
	// Of the greeting: who has the secret proves it with the other's nonce.
	Nonce string `json:"nonce,omitempty"`
	Proof string `json:"proof,omitempty"`
	// Of the coordinator.
	Part *Part  `json:"part,omitempty"`
	Met  string `json:"met,omitempty"`
	Stop bool   `json:"stop,omitempty"`
	// Of the worker. Outcome is its last note, with Error if it has failed.
	Tally   *report.Tally `json:"tally,omitempty"`
	Meet    string        `json:"meet,omitempty"`
	Outcome *Outcome      `json:"outcome,omitempty"`
	Error   string        `json:"error,omitempty"`

	Heads heads `json:"heads,omitempty"`
}

const (
	// greeting bounds the greeting: in time, and in bytes, as the other side is anybody.
	greeting     = 10 * time.Second
	greetingSize = 1 << 12
	// noteSize bounds one note of somebody who has the secret, in bytes.
	noteSize = 1 << 30
	// heartbeat is how long the other side may say nothing, or take nothing: a worker
	// sends a tally every second.
	heartbeat = 15 * time.Second
)

// link is a connection between a coordinator and a worker. Sending is safe for
// concurrent use, receiving is one goroutine's.
type link struct {
	conn    net.Conn
	limited *io.LimitedReader
	most    int64 // bytes of a note
	decoder *json.Decoder

	mu      sync.Mutex // held while a note is written, so that notes do not mix
	encoder *json.Encoder
}

func newLink(conn net.Conn) *link {
	limited := &io.LimitedReader{R: conn}
	decoder := json.NewDecoder(limited)
	decoder.DisallowUnknownFields() // another version: better no run than half of one
	return &link{conn: conn, limited: limited, most: greetingSize, decoder: decoder, encoder: json.NewEncoder(conn)}
}

func (l *link) send(n note) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(heartbeat)); err != nil {
		return err
	}
	return l.encoder.Encode(n)
}

// receive waits so long for a note; 0 is as long as it takes.
func (l *link) receive(patience time.Duration) (n note, err error) {
	var deadline time.Time
	if patience > 0 {
		deadline = time.Now().Add(patience)
	}
	if err := l.conn.SetReadDeadline(deadline); err != nil {
		return note{}, err
	}
	l.limited.N = l.most
	err = l.decoder.Decode(&n)
	if errors.Is(err, io.EOF) {
		err = errors.New("it has ended the connection")
	}
	return n, err
}

// Roles go into proofs, so that none can be sent back.
const (
	roleWorker      = "worker"
	roleCoordinator = "coordinator"
)

func proof(secret []byte, role, nonce string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(role + " " + nonce))
	return hex.EncodeToString(mac.Sum(nil))
}

func proves(n note, secret []byte, role, nonce string) error {
	if !hmac.Equal([]byte(n.Proof), []byte(proof(secret, role, nonce))) {
		return fmt.Errorf("the %s has another --worker-secret", role)
	}
	return nil
}

// greetWorker proves to each side that the other one has the secret.
func (l *link) greetWorker(secret []byte) error {
	nonce := rand.Text()
	if err := l.send(note{Nonce: nonce}); err != nil {
		return err
	}
	answer, err := l.receive(greeting)
	if err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	if err := proves(answer, secret, roleWorker, nonce); err != nil {
		return err
	}
	l.most = noteSize
	return l.send(note{Proof: proof(secret, roleCoordinator, answer.Nonce)})
}

// greetCoordinator is the worker's side of greetWorker.
func (l *link) greetCoordinator(secret []byte) error {
	first, err := l.receive(greeting)
	if err != nil {
		return err
	}
	nonce := rand.Text()
	if err := l.send(note{Nonce: nonce, Proof: proof(secret, roleWorker, first.Nonce)}); err != nil {
		return err
	}
	second, err := l.receive(greeting)
	if err != nil {
		return err
	}
	l.most = noteSize
	return proves(second, secret, roleCoordinator, nonce)
}
