package stand_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// What is killed by SIGKILL leaves no server and no nginx behind.
func TestNothingOutlivesWhoStartedIt(t *testing.T) {
	command := exec.Command(os.Args[0], doomed, t.TempDir())
	command.Stderr = os.Stderr
	if _, err := command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	killed := command.Process.Kill()
	_ = command.Wait() // it says that it was killed
	if err != nil || killed != nil {
		t.Fatal(err, killed)
	}
	addresses := strings.Fields(line)
	if len(addresses) != 3 {
		t.Fatalf("got %q, want three addresses", line)
	}
	for _, address := range addresses {
		await(t, "nobody to listen at "+address, func() bool { return !listens(address) })
	}
}

func listens(address string) bool {
	c, err := net.Dial("tcp", address)
	return err == nil && c.Close() == nil
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(stand.Patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", stand.Patience, what)
		}
		<-time.After(10 * time.Millisecond)
	}
}
