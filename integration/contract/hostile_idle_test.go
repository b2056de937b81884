package contract

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestHostileIdleConnectionsMakeRoom: of the connections that asked once and then
// rest, the server keeps the newest, so that they never take all its descriptors.
func TestHostileIdleConnectionsMakeRoom(t *testing.T) {
	const many = 3_000 // more than the share of them
	s := suite.Binary.Start(t)
	type visitor struct {
		nc net.Conn
		in *bufio.Reader
	}
	visitors := make([]visitor, 0, many)
	defer func() {
		for _, v := range visitors {
			_ = v.nc.Close()
		}
	}()
	ask := func(v visitor) error {
		if err := v.nc.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := io.WriteString(v.nc, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		response, err := http.ReadResponse(v.in, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	for i := range many {
		nc, err := net.DialTimeout("tcp", s.Address(), patience)
		if err != nil {
			t.Fatal(err)
		}
		visitors = append(visitors, visitor{nc, bufio.NewReader(nc)})
		if err := ask(visitors[i]); err != nil {
			t.Fatalf("visitor %d: %v", i, err)
		}
	}
	if err := ask(visitors[0]); err == nil {
		t.Error("got the oldest of the idle connections kept, want it closed for the others")
	}
	if err := ask(visitors[many-1]); err != nil {
		t.Errorf("got %v from the newest, want it kept", err)
	}
}
