package stand_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// TestMain is the tests or, called as the server's binary is, a stand-in for it, or what
// starts such servers and is killed.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "serve":
		err = standIn(os.Args[2:])
	case len(os.Args) > 2 && os.Args[1] == doomed:
		err = startAndWait(os.Args[2])
	default:
		goleak.VerifyTestMain(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// standIn serves an echo under the name --server-id until SIGTERM.
func standIn(flags []string) error {
	flag := func(name string) string { return flags[slices.Index(flags, name)+1] }
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", flag("--listen"))
	if err != nil {
		return err
	}
	server := http.Server{Handler: echo(flag("--server-id"))}
	context.AfterFunc(ctx, func() { server.Close() })
	fmt.Println("listening on http://" + l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// doomed is the word by which the binary of the tests starts a cluster and waits to be killed.
const doomed = "doomed"

// startAndWait prints the addresses of a cluster, of which one server is frozen.
func startAndWait(folder string) error {
	c, err := stand.StartCluster(stand.Setup{
		Folder: folder, Binary: stand.Existing(os.Args[0]), Servers: 2, Services: stand.Services{}.Shared,
	})
	if err != nil {
		return err
	}
	if err := c.Servers[0].Pause(); err != nil {
		return err
	}
	fmt.Println(c.Servers[0].Address(), c.Servers[1].Address(), strings.TrimPrefix(c.Nginx.URL, "http://"))
	_, err = io.Copy(io.Discard, os.Stdin) // for ever
	return err
}

// echo answers a request with its name, and a WebSocket's messages with its name
// before them.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			fmt.Fprint(w, name)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, message, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, []byte(name+": "+string(message))); err != nil {
				return
			}
		}
	})
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return string(body)
}

// dial opens a WebSocket; ask sends a message by it and gives the answer.
func dial(t *testing.T, url string) (ask func(string) (string, error)) {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return func(message string) (string, error) {
		if err := c.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			return "", err
		}
		_, answer, err := c.Read(t.Context())
		return string(answer), err
	}
}
