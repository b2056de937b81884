package browser

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestOneLosesTheNetwork: two people meet and talk; one loses the network, writes something all the
// same, and comes back. Both must have every message once and in one order.
func TestOneLosesTheNetwork(t *testing.T) {
	address := binary.Start(t).Address()
	cable := newProxy(t, address)
	ann := newPerson(t, "Ann", address)
	bob := newPerson(t, "Bob", cable.Address())

	ann.SignUp()
	ann.Create("Harbour")
	bob.SignUp()
	bob.Enter("Harbour")
	ann.waitFor("Bob in the list", find("person", with("user", "Bob")))

	ann.Say("Good morning")
	bob.waitLines(1)
	bob.Say("And to you")
	ann.waitLines(2)
	bob.waitLines(2)

	bob.ExpectFailures()
	cable.Cut()
	bob.waitFor("the loss to be shown", find("state-badge")+".dataset.state !== 'open'")
	bob.waitFor("the note that messages are kept", find("offline-note")+".checkVisibility()")
	for i := range 5 {
		ann.Say(fmt.Sprintf("while Bob is away %d", i))
	}
	ann.waitLines(7)
	bob.Say("Can you hear me?")
	bob.waitFor("the unsent message", find("pending", with("status", "queued")))
	if got := len(bob.Lines()); got != 2 {
		t.Errorf("messages that Bob has while he is away: got %d, want 2", got)
	}

	cable.Mend()
	// In one step: the page may come back by itself at any moment, and the button goes.
	bob.play("pressing Try now", "{ const button = "+find("retry-now")+"; if (button.checkVisibility()) button.click(); }")
	bob.waitState("open")
	bob.waitLines(8)
	ann.waitLines(8)
	bob.waitFor("nothing unsent", "!"+find("pending"))
	ann.Say("There you are")
	ann.waitLines(9)
	bob.waitLines(9)

	theirs, his := ann.Lines(), bob.Lines()
	if !slices.Equal(theirs, his) {
		t.Errorf("the two saw different conversations:\nAnn: %v\nBob: %v", theirs, his)
	}
	want := []string{
		"Good morning", "And to you", "while Bob is away 0", "while Bob is away 1", "while Bob is away 2",
		"while Bob is away 3", "while Bob is away 4", "Can you hear me?", "There you are",
	}
	for i, text := range want {
		if i >= len(his) || his[i].Text != text || his[i].Seq != i+1 {
			t.Fatalf("the conversation: got %v, want %q as message %d", his, text, i+1)
		}
	}
	if len(his) != len(want) {
		t.Errorf("messages: got %d, want %d", len(his), len(want))
	}
}

// TestServerRestarts: the server is replaced by another process over the same data. The page stays
// until it is closed, as there is no other server to go to, comes back by itself, and loses nothing.
func TestServerRestarts(t *testing.T) {
	data := t.TempDir()
	first := binary.StartOn(t, data, "--drain-window", "1s")
	cable := newProxy(t, first.Address())
	ann := newPerson(t, "Ann", cable.Address())
	ann.SignUp()
	ann.Create("Harbour")
	ann.Say("before")
	ann.waitLines(1)

	ann.ExpectFailures()
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	ann.waitFor("the loss to be shown", find("state-badge")+".dataset.state !== 'open'")
	ann.Say("between")
	ann.waitFor("the unsent message", find("pending"))
	cable.Lead(binary.StartOn(t, data).Address())

	ann.waitState("open")
	ann.waitLines(2)
	ann.Say("after")
	ann.waitLines(3)
	for i, want := range []string{"before", "between", "after"} {
		if got := ann.Lines()[i]; got.Text != want || got.Seq != i+1 {
			t.Errorf("message %d: got %q with seq %d, want %q", i+1, got.Text, got.Seq, want)
		}
	}
}

// TestUnsentSurvivesTheTab: the page is left while a message waits for the network; when it is opened
// again the person is still logged in and in the room, and the message goes out.
func TestUnsentSurvivesTheTab(t *testing.T) {
	address := binary.Start(t).Address()
	cable := newProxy(t, address)
	ann := newPerson(t, "Ann", address)
	bob := newPerson(t, "Bob", cable.Address())
	ann.SignUp()
	ann.Create("Harbour")
	bob.SignUp()
	bob.Enter("Harbour")

	bob.ExpectFailures()
	cable.Cut()
	bob.waitFor("the loss to be shown", find("state-badge")+".dataset.state !== 'open'")
	bob.Say("Written just before the tab was closed")
	bob.waitFor("the unsent message", find("pending"))
	bob.do("leaving the page", chromedp.Navigate("about:blank"))
	cable.Mend()
	bob.do("coming back", chromedp.Navigate("http://"+cable.Address()+"/"))

	bob.waitEntered("Harbour")
	bob.waitLines(1)
	ann.waitLines(1)
	bob.waitFor("nothing unsent", "!"+find("pending"))
	if got, want := bob.Lines(), ann.Lines(); !slices.Equal(got, want) {
		t.Errorf("the two saw different conversations: Bob %v, Ann %v", got, want)
	}
}
