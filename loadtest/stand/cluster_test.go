package stand_test

import (
	"os"
	"testing"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

func setup(t *testing.T, binary string, servers int) stand.Setup {
	return stand.Setup{
		Folder: t.TempDir(), Binary: stand.Existing(binary), Servers: servers,
		Services: stand.Services{}.Shared,
	}
}

// One of several servers is killed, another one drained; nginx passes on to
// those that are left, and to all when they are back at their addresses.
func TestCluster(t *testing.T) {
	c, err := stand.StartCluster(setup(t, os.Args[0], 3))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(c.Log())
		}
	}()
	direct := c.Direct()
	for i, want := range []string{"server-1", "server-2", "server-3"} {
		if got := get(t, direct.Base(i)); got != want {
			t.Errorf("server %d: got %q, want %q", i+1, got, want)
		}
	}
	if err := c.Kill(0); err != nil {
		t.Fatal(err)
	}
	if err := c.Drain(1); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if got := get(t, c.Target().Base(0)+"/v1/chatrooms"); got != "server-3" {
			t.Errorf("by nginx: got %q, want the server that is left", got)
		}
	}
	for i := range 2 {
		if err := c.Restart(i); err != nil {
			t.Fatal(err)
		}
		if got := c.Servers[i].URL; got != direct.Base(i) {
			t.Errorf("server %d started again: got %s, want %s as before", i+1, got, direct.Base(i))
		}
	}
}

// Where one server cannot start the others do not stay.
func TestClusterThatCannotStart(t *testing.T) {
	if c, err := stand.StartCluster(setup(t, "/nowhere/breakwater", 2)); err == nil {
		c.Stop()
		t.Error("got a cluster, want an error")
	}
}
