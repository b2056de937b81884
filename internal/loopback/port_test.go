package loopback

import "testing"

// What starts at the same time gets ports of its own, before anything listens on them.
func TestPortsAreGivenOnce(t *testing.T) {
	given := map[int]bool{}
	for range (size - 1) / 2 {
		port, err := FreePort(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if given[port] {
			t.Fatalf("port %d was given twice", port)
		}
		given[port] = true
	}
	// Another process finds another place.
	other, err := claim()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if own, _ := place(); own.Addr().String() == other.Addr().String() {
		t.Errorf("two have the place at %v", own.Addr())
	}
}
