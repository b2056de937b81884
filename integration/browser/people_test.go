package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
)

// TestRefusalsAreExplained: what the server or the page will not take is said in plain words, and
// nothing that was written is lost.
func TestRefusalsAreExplained(t *testing.T) {
	address := binary.Start(t).Address()
	fill(t, address, "Desk", 1)
	ann := newPerson(t, "Writer 0", address)
	ann.ExpectFailures() // the browser logs the refused sign-up as a failed request
	ann.write("login-name", ann.name)
	ann.click("signup-button")
	ann.waitFor("the reason", find("login-error")+".textContent.includes('taken')")

	ann.name = "Ann"
	ann.fill("login-name", "")
	ann.SignUp()
	ann.Enter("Desk")
	long := strings.Repeat("é", 2049)
	ann.fill("composer", long)
	ann.click("send-button")
	ann.waitFor("the reason", find("composer-error")+".textContent.includes('too long')")
	if got := see[int](ann, find("composer")+".value.length"); got != 2049 {
		t.Errorf("characters left in the composer: got %d, want 2049", got)
	}
}

// TestUnreadTypingAndPresence: what happens in a room shows in the other's page, also in a room that
// is not the one being looked at.
func TestUnreadTypingAndPresence(t *testing.T) {
	address := binary.Start(t).Address()
	ann := newPerson(t, "Ann", address)
	bob := newPerson(t, "Bob", address)
	ann.SignUp()
	ann.Create("One")
	ann.Create("Two")
	bob.SignUp()
	bob.Enter("One")
	// Who is gone again before the others were told of him is not told of at all.
	ann.waitFor("Bob to be told of", find("room-item", with("name", "One"))+".textContent.includes('2 people')")

	bob.Say("Anyone here?")
	ann.waitFor("an unread message", find("room-item", with("name", "One"), with("unread", 1)))
	ann.click("room-item", with("name", "One"))
	ann.waitFor("no unread message", find("room-item", with("name", "One"), with("unread", 0)))
	ann.waitFor("Bob in the list", find("person", with("user", "Bob")))

	ann.write("composer", "I am")
	bob.waitFor("Ann typing", find("typing-line")+".textContent === 'Ann is typing…'")
	bob.click("leave-button")
	bob.waitFor("to have left", "!"+find("leave-button")+".checkVisibility()")
	ann.waitFor("Bob gone", "!"+find("person", with("user", "Bob")))
	ann.waitFor("one person", find("people-count")+".textContent === '1'")
}

// holdLists lets the page wait for user lists that it has asked for, until window.letGo is called.
const holdLists = `{
	const real = window.fetch;
	const held = new Promise((go) => { window.letGo = go; });
	window.fetch = async (...args) => {
		const answer = await real(...args);
		if (!String(args[0]).includes('/users')) return answer;
		window.listRead = true;
		await held;
		return answer;
	};
}`

// TestAListThatComesLate: who has left while the list was on its way is not in it any more.
func TestAListThatComesLate(t *testing.T) {
	address := binary.Start(t).Address()
	ann := newPerson(t, "Ann", address)
	bob := newPerson(t, "Bob", address)
	cid := newPerson(t, "Cid", address)
	ann.SignUp()
	ann.Create("One")
	ann.Create("Two")
	bob.SignUp()
	bob.Enter("One")
	ann.waitFor("Bob to be told of", find("room-item", with("name", "One"))+".textContent.includes('2 people')")
	cid.SignUp()
	ann.play("holding lists back", holdLists)
	ann.click("room-item", with("name", "One"))
	ann.waitFor("the list to be read", "window.listRead === true")
	ann.waitFor("Bob in the list", find("person", with("user", "Bob")))
	bob.click("leave-button")
	ann.waitFor("Bob gone", "!"+find("person", with("user", "Bob")))
	ann.play("letting the list come", "window.letGo()")
	cid.Enter("One")
	ann.waitFor("Cid in the list", find("person", with("user", "Cid")))
	if see[bool](ann, find("person", with("user", "Bob"))+" !== null") {
		t.Error("Bob is in the list again")
	}
}

// TestPhone: the page fits a narrow screen, and the rooms are a drawer that the keyboard can close.
func TestPhone(t *testing.T) {
	address := binary.Start(t).Address()
	fill(t, address, "A room with a rather long name for a small screen", 60)
	ann := newPerson(t, "Ann", address)
	ann.UsePhone(360, 740)
	ann.SignUp()
	ann.click("menu-button")
	ann.do("pressing Escape", chromedp.KeyEvent("\u001b"))
	ann.waitFor("the drawer closed", "document.activeElement === "+find("menu-button"))
	ann.click("menu-button")
	ann.click("room-item")
	ann.waitState("open")
	ann.waitLines(50)
	ann.play("opening the search", "document.getElementById('search-button').click()")
	ann.waitFor("the search to have the focus", "document.activeElement === "+find("search-box"))
	ann.do("pressing Escape", chromedp.KeyEvent("\u001b"))
	ann.Say("hello from the phone")
	ann.waitLines(51)
	if got := see[int](ann, "document.documentElement.scrollWidth"); got > 360 {
		t.Errorf("width of the page: got %d, want at most 360", got)
	}
}

// TestEveryControlHasAName: a screen reader can say what each thing is that can be used.
func TestEveryControlHasAName(t *testing.T) {
	address := binary.Start(t).Address()
	fill(t, address, "Desk", 3)
	ann := newPerson(t, "Ann", address)
	namesOfControls(t, ann)
	ann.SignUp()
	ann.Enter("Desk")
	ann.waitLines(3)
	namesOfControls(t, ann)
	ann.click("search-tab")
	namesOfControls(t, ann)
	ann.click("new-room-button")
	namesOfControls(t, ann)
}

func namesOfControls(t *testing.T, p *person) {
	t.Helper()
	tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatalf("reading the accessibility tree: %v", err)
	}
	seen := 0
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		switch role := word(node.Role); role {
		case "button", "link", "textbox", "searchbox", "radio", "tab", "tabpanel", "dialog", "log", "navigation", "main":
			seen++
			if name := word(node.Name); name == "" && role != "main" {
				t.Errorf("a %s has no name (DOM node %d)", role, node.BackendDOMNodeID)
			}
		}
	}
	if seen < 4 {
		t.Errorf("controls in the accessibility tree: got %d, want several", seen)
	}
}

func word(value *accessibility.Value) string {
	if value == nil {
		return ""
	}
	return strings.Trim(string(value.Value), `"`)
}
