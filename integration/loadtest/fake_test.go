package loadtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// lie is what a fake server does with the nth message for the mth member of its room: the
// frames that it sends in place of the message's.
type lie func(r *fakeRoom, n, m int, frame []byte) [][]byte

// fakeServer has one room, and speaks as much of the contract as a fanout needs.
type fakeServer struct {
	*httptest.Server
	room fakeRoom
}

type fakeRoom struct {
	lie lie

	mu      sync.Mutex
	members []net.Conn
	log     []bw.Message
	held    []byte // for a lie that needs it
	sender  int    // which member has sent the message that is told
}

// startFake starts one that lies in that way; nil is honest.
func startFake(t *testing.T, l lie) *fakeServer {
	t.Helper()
	s := &fakeServer{room: fakeRoom{lie: l}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chatrooms", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":1,"name":"fake","created_at":0}`)
	})
	var talking sync.WaitGroup
	mux.HandleFunc("GET /v1/chatrooms/{id}/join", func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		talking.Go(func() {
			defer conn.Close()
			s.room.talk(conn, buffered, r.URL.Query().Get("user"))
		})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.Close()
		talking.Wait()
	})
	return s
}

// talk serves a member until he leaves.
func (r *fakeRoom) talk(conn net.Conn, buffered *bufio.ReadWriter, user string) {
	r.mu.Lock()
	r.members = append(r.members, conn)
	at := bw.Position{Epoch: 1, Seq: bw.Seq(len(r.log))}
	joined := wire.AppendJoinedTail(wire.AppendJoinedHead(nil, "", 1, at, false), len(r.members))
	_ = wsutil.WriteServerText(conn, joined)
	r.mu.Unlock()
	for {
		payload, err := wsutil.ReadClientText(buffered)
		if err != nil {
			return
		}
		var send struct{ ID, Text string }
		if json.Unmarshal(payload, &send) == nil {
			r.say(conn, user, send.ID, send.Text)
		}
	}
}

// say acks a message and tells it to all members.
func (r *fakeRoom) say(sender net.Conn, user, id, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := bw.Message{Room: 1, Epoch: 1, Seq: bw.Seq(len(r.log) + 1), ID: bw.MessageID(id), User: bw.Name(user), Text: text}
	r.log = append(r.log, m)
	_ = wsutil.WriteServerText(sender, wire.AppendAck(nil, id, 1, m.Position(), 0, false))
	r.sender = slices.Index(r.members, sender)
	frame := wire.AppendMessage(nil, &m)
	for i, conn := range r.members {
		frames := [][]byte{frame}
		if r.lie != nil {
			frames = r.lie(r, len(r.log), i, frame)
		}
		for _, f := range frames {
			_ = wsutil.WriteServerText(conn, f)
		}
	}
}
