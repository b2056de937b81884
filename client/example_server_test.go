package client_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// startServer is as much of a server as the example needs: one room, in which
// Ann asks something of whoever comes.
func startServer() (url string, stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chatrooms/users", func(w http.ResponseWriter, r *http.Request) {
		var who wire.SignUp
		if err := json.NewDecoder(r.Body).Decode(&who); err != nil {
			return
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(wire.UserToken{ID: 2, Name: bw.Name(who.Name), Token: "token", ExpiresAt: bw.MillisOf(time.Now().Add(time.Hour))})
	})
	mux.HandleFunc("/v1/chatrooms/1/join", func(w http.ResponseWriter, r *http.Request) {
		if conn, _, _, err := ws.UpgradeHTTP(r, w); err == nil {
			serveRoom(conn, bw.Name(r.URL.Query().Get("user")))
		}
	})
	server := httptest.NewServer(mux)
	return server.URL, func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	}
}

func serveRoom(conn net.Conn, user bw.Name) {
	defer conn.Close()
	say := func(payload []byte) { _ = wsutil.WriteServerText(conn, payload) }
	at := bw.Position{Epoch: 1}
	say(wire.AppendJoinedTail(wire.AppendJoinedHead(nil, "", 1, at, false), 2))
	message := bw.Message{Room: 1, Epoch: 1, Seq: 1, ID: "a", User: "Ann", Text: "Anybody here?"}
	say(wire.AppendMessage(nil, &message))
	for at.Seq = 2; ; at.Seq++ {
		payload, err := wsutil.ReadClientText(conn)
		if err != nil {
			return
		}
		frame, err := wire.ParseClientFrame(payload)
		if err != nil {
			return
		}
		say(wire.AppendAck(nil, frame.ID, 1, at, 1, false))
		message = bw.Message{Room: 1, Epoch: 1, Seq: at.Seq, ID: bw.MessageID(frame.ID), User: user, Text: frame.Text}
		say(wire.AppendMessage(nil, &message))
	}
}
