// Package client holds the Go client to a real server: killed, restarted and
// drained under it. What the client says is compared with what the server's
// history says over HTTP, which is read without the client.
package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/client"
	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/wire"
)

// patience bounds every wait.
const patience = 2 * time.Minute

// binary is the server under test, built once.
var binary harness.Binary

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (_ int, err error) {
		if binary, err = harness.Build(folder, "breakwater"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}))
}

// signUp makes a user at a server.
func signUp(t *testing.T, base, name string) *client.Account {
	t.Helper()
	account, err := client.SignUp(t.Context(), base, name, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// call does a request as a user and decodes its answer.
func call(t *testing.T, account *client.Account, method, url string, body, into any) {
	t.Helper()
	token, err := account.Token(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, bodyOf(t, body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: got %s", method, url, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
}

func newRoom(t *testing.T, base string, account *client.Account, name string) bw.RoomID {
	t.Helper()
	var room wire.CreatedRoom
	call(t, account, http.MethodPost, base+"/v1/chatrooms", wire.NewRoom{Name: name}, &room)
	return room.ID
}

// stored reads all that a server has of a room.
func stored(t *testing.T, base string, account *client.Account, room bw.RoomID) (all []bw.Message) {
	t.Helper()
	for after := bw.Seq(0); ; {
		var page wire.MessagePage
		call(t, account, http.MethodGet, fmt.Sprintf("%s/v1/chatrooms/%d/messages?after=%d&limit=500", base, room, after), nil, &page)
		all = append(all, page.Messages...)
		if page.Next == nil {
			return all
		}
		after = *page.Next
	}
}
