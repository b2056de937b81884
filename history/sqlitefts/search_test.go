package sqlitefts

import (
	"context"
	"path/filepath"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// TestSearchesLeaveConnectionsToTheLog: a search that would be one too many waits
// its turn, and no longer than its caller, while the log is read as ever.
func TestSearchesLeaveConnectionsToTheLog(t *testing.T) {
	d, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "messages.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range maxSearches { // that many are running
		d.searches <- struct{}{}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := d.Search(ended, history.SearchQuery{Limit: 1}); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("got %v from one search too many, want unavailable", err)
	}
	if _, err := d.ReadPage(t.Context(), history.PageQuery{Room: 1, Limit: 1}); err != nil {
		t.Errorf("got %v from a page, want none", err)
	}
	<-d.searches // one has ended
	if _, err := d.Search(t.Context(), history.SearchQuery{Limit: 1}); err != nil {
		t.Errorf("got %v from a search that had its turn, want none", err)
	}
}
