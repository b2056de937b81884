package storm

import (
	"fmt"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// mostStatements bounds what MySQL is given for each person. Without batches it would be
// a dozen; a batch is a dozen, too, however many joins it has: the slower the machine, the
// fewer.
const mostStatements = 3

// TestAServerDies: a third of the people come back to the others, where all rooms
// are known. Nobody has missed anything, and the databases hardly notice.
func TestAServerDies(t *testing.T) {
	c := gather(t)
	pause(t.Context(), 3*time.Second)
	searched, asked := queries(t), statements(t)
	if err := shared.Kill(0); err != nil {
		t.Fatal(err)
	}
	c.await("the dead server's people to be cut off", func() error {
		if c.cut.Load() == 0 {
			return fmt.Errorf("nobody is")
		}
		return nil
	})
	c.await("everybody to be back", c.complete)
	searched, asked = queries(t)-searched, statements(t)-asked
	c.check()
	var pages int64
	for _, r := range c.rooms {
		pages += r.pages()
	}
	back := c.cut.Load()
	t.Logf("Elasticsearch: %d searches for %d pages; MySQL: %d statements for %d people", searched, pages, asked, back)
	if back < people/6 {
		t.Errorf("%d people were cut off, want about a third of %d", back, people)
	}
	if searched > pages+pages/4 { // the locks of who reads a page end where a machine stands still
		t.Errorf("Elasticsearch was asked %d times, want once for each of %d pages", searched, pages)
	}
	if asked > back*mostStatements {
		t.Errorf("MySQL was given %d statements for %d people, want batches", asked, back)
	}
	if n := c.reset.Load(); n > 0 {
		t.Errorf("%d people were told that they had missed something", n)
	}
	if err := shared.Restart(0); err != nil {
		t.Fatal(err)
	}
}

// TestAllServersDie: everybody comes back to servers that know no room, and Redis
// has no message either. Elasticsearch is asked once for each page.
func TestAllServersDie(t *testing.T) {
	c := gather(t)
	pause(t.Context(), 3*time.Second)
	c.quiet()
	c.await("everything to be in Elasticsearch", func() error {
		acks := 0
		for _, r := range c.rooms {
			_, n := r.head()
			acks += n
		}
		if got := documents(t, c.rooms); got < acks {
			return fmt.Errorf("it has %d of %d messages", got, acks)
		}
		return nil
	})
	for i := range shared.Servers {
		if err := shared.Kill(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := service.ForgetMessages(t.Context(), shared.services.Redis.URL); err != nil {
		t.Fatal(err)
	}
	searched, asked := queries(t), statements(t)
	for i := range shared.Servers {
		if err := shared.Restart(i); err != nil {
			t.Fatal(err)
		}
	}
	c.await("everybody to be cut off", func() error {
		if n := c.cut.Load(); n < people {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
	c.await("everybody to be back", c.complete)
	searched, asked = queries(t)-searched, statements(t)-asked
	c.check()
	var pages int64
	for _, r := range c.rooms {
		pages += r.pages()
	}
	t.Logf("Elasticsearch: %d searches for %d pages; MySQL: %d statements for %d people", searched, pages, asked, c.cut.Load())
	if searched > pages+pages/4 { // the locks of who reads a page end where a machine stands still
		t.Errorf("Elasticsearch was asked %d times, want once for each of %d pages", searched, pages)
	}
	if asked > people*mostStatements {
		t.Errorf("MySQL was given %d statements for %d people, want batches", asked, people)
	}
}
