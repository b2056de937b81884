package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestComingBack: who has a name with a password gets in by it with Enter alone,
// and finds what was written and not sent.
func TestComingBack(t *testing.T) {
	address := binary.Start(t).Address()
	ann := newPerson(t, "Ann", address)
	ann.ExpectFailures() // the browser logs the refused sign-up as a failed request
	ann.write("login-password", "correct horse battery")
	ann.SignUp()
	ann.Create("Harbour")
	ann.write("composer", "half a thought")
	ann.do("loading the page again", chromedp.Reload())
	ann.waitEntered("Harbour")
	ann.waitFor("the draft after a reload", find("composer")+".value === 'half a thought'")

	ann.click("new-room-button") // a dialog that is open must not stand before the login
	ann.play("logging out", "document.getElementById('logout-button').click()")
	ann.write("login-name", "Ann")
	ann.write("login-password", "correct horse battery")
	ann.pressEnter()
	ann.waitFor("the reason", find("login-error")+".textContent.includes('taken')")
	ann.pressEnter()
	ann.waitEntered("Harbour")
	ann.waitFor("the draft after a new login", find("composer")+".value === 'half a thought'")
}

// TestReadingPositionIsKept: another room and back leads to where one was.
func TestReadingPositionIsKept(t *testing.T) {
	address := binary.Start(t).Address()
	fill(t, address, "Long", 200)
	ann := newPerson(t, "Ann", address)
	ann.SignUp()
	ann.Create("Short")
	ann.Enter("Long")
	ann.waitLines(50)
	log := find("message-log")
	ann.waitFor("the bottom", log+".scrollTop > 300")
	ann.play("scrolling up", log+".scrollTop -= 250")
	ann.waitFor("that to be noticed", find("jump-latest")+".checkVisibility()")
	at := see[int](ann, "Math.round("+log+".scrollTop)")
	ann.Enter("Short")
	ann.Enter("Long")
	ann.waitLines(50)
	ann.waitFor("the place in the log", fmt.Sprintf("Math.abs(%s.scrollTop - %d) < 3", log, at))
}
