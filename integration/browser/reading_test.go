package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestScrollBackAndSearch: a person reads up to the beginning of a long room, then finds an old message
// and jumps to it.
func TestScrollBackAndSearch(t *testing.T) {
	const total = 240
	address := binary.Start(t).Address()
	fill(t, address, "Library", total)
	ann := newPerson(t, "Ann", address)
	ann.SignUp()
	ann.Enter("Library")
	ann.waitLines(50)

	scrollBack(t, ann, total)
	findAndJump(t, ann, total)
}

// scrollBack goes up until nothing is above, and looks each time that the text being read stays put.
func scrollBack(t *testing.T, ann *person, total int) {
	t.Helper()
	const first = `document.querySelector('[data-testid="message"]')`
	for have := len(ann.Lines()); have < total; have = len(ann.Lines()) {
		top := see[int](ann, first+".dataset.seq | 0")
		row := find("message", with("seq", top+1))
		ann.play("scrolling up", find("message-log")+".scrollTop = 0")
		ann.waitFor("older messages", fmt.Sprintf("%s.dataset.seq < %d", first, top))
		if !see[bool](ann, row+".getBoundingClientRect().bottom > 0 && "+row+".getBoundingClientRect().top < innerHeight") {
			t.Fatalf("message %d went out of sight when older ones were loaded", top+1)
		}
	}
	for i, line := range ann.Lines() {
		if line.Seq != i+1 {
			t.Fatalf("message %d of the whole room has seq %d", i+1, line.Seq)
		}
	}
	ann.waitFor("the beginning", "document.getElementById('log-start').checkVisibility()")
}

func findAndJump(t *testing.T, ann *person, total int) {
	t.Helper()
	ann.do("opening the page anew", chromedp.Reload())
	ann.waitLines(50)
	ann.Create("Elsewhere")
	ann.click("search-tab")
	ann.play("choosing all rooms", find("search-scope-all")+".click()")
	ann.write("search-box", "needle")
	ann.pressEnter()
	ann.waitFor("the hit", find("hit", with("seq", 20)))
	if got := see[string](ann, find("hit")+".querySelector('mark').textContent"); got != "needle" {
		t.Errorf("highlighted: got %q, want %q", got, "needle")
	}
	if got := see[string](ann, find("hit")+".querySelector('.text').textContent"); got != needle {
		t.Errorf("the hit's text: got %q, want %q", got, needle)
	}
	ann.click("hit", with("seq", 20))
	ann.waitFor("the message in focus", "document.activeElement === "+find("message", with("seq", 20))) // the hit that was clicked has its seq, too
	if got := see[string](ann, find("room-title")+".textContent"); got != "Library" {
		t.Errorf("room after the jump: got %q, want Library", got)
	}
	for i, line := range ann.Lines() {
		if line.Seq != i+1 {
			t.Fatalf("around the hit: message %d has seq %d", i+1, line.Seq)
		}
	}
	ann.click("jump-latest")
	ann.waitFor("the newest message", find("message", with("seq", total)))
	ann.Say("I found it")
	ann.waitFor("the answer", find("message", with("seq", total+1)))
}

// needle has what must not be taken for markup.
const needle = `a needle <b onclick="alert(1)">in</b> the hay & more`

// fill makes a room with messages over HTTP, from two users to stay below the rate limit of one.
func fill(t *testing.T, address, room string, total int) {
	t.Helper()
	base := "http://" + address + "/v1/chatrooms"
	var tokens [2]string
	for i := range tokens {
		tokens[i] = post[struct{ Token string }](t, base+"/users", "", map[string]any{"name": fmt.Sprintf("Writer %d", i)}).Token
	}
	id := post[struct{ ID int }](t, base, tokens[0], map[string]any{"name": room}).ID
	for i := 1; i <= total; i++ {
		text := fmt.Sprintf("line %d", i)
		if i == 20 {
			text = needle
		}
		post[struct{}](t, fmt.Sprintf("%s/%d/messages", base, id), tokens[i%2],
			map[string]any{"id": fmt.Sprintf("m%d", i), "text": text})
	}
}

func post[T any](t *testing.T, address, token string, body any) T {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("encoding a request: %v", err)
	}
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(encoded))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Close = true // no idle connection is left behind
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("POST %s: %v", address, err)
	}
	defer response.Body.Close()
	var answer T
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("POST %s: got status %d (%v), want 201", address, response.StatusCode, err)
	}
	return answer
}
