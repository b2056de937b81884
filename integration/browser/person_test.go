package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A person sits before a browser with a profile of its own and looks at the page from one address.
type person struct {
	t    *testing.T
	name string
	host string
	ctx  context.Context

	mu       sync.Mutex
	outage   bool // the network may fail: what the browser says about that is no fault of the page
	problems []string
}

// violations turns what the content policy stopped into an error on the console, which is watched.
const violations = `addEventListener('securitypolicyviolation',
	(e) => console.error('policy violation: ' + e.violatedDirective + ' ' + e.blockedURI));`

func newPerson(t *testing.T, name, host string) *person {
	t.Helper()
	p := newBrowser(t, name, host)
	p.do("opening the page", chromedp.Navigate("http://"+host+"/"))
	return p
}

// newBrowser is a person who has not opened a page yet.
func newBrowser(t *testing.T, name, host string) *person {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 800))
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	p := &person{t: t, name: name, host: host}
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(p.watch))
	p.ctx = ctx
	t.Cleanup(func() {
		p.report()
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("closing the browser of %s: %v", name, err)
		}
		cancel()
		release()
	})
	// The first call starts the browser, which lives as long as its context: so there is no deadline here.
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: violations}); err != nil {
		t.Fatalf("%s: starting the browser: %v", name, err)
	}
	return p
}

func (p *person) watch(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problem("an exception: %s %s", e.ExceptionDetails.Text, arguments([]*runtime.RemoteObject{e.ExceptionDetails.Exception}))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			p.problem("an error on the console: %s", arguments(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && (e.Entry.Source != log.EntrySourceNetwork || !p.mayFail()) {
			p.problem("an error in the log: %s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		p.request(e.Request.URL)
	case *network.EventWebSocketCreated:
		p.request(e.URL)
	}
}

func arguments(args []*runtime.RemoteObject) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if arg != nil {
			words[i] = string(arg.Value) + arg.Description
		}
	}
	return strings.Join(words, " ")
}

func (p *person) request(address string) {
	if u, err := url.Parse(address); err != nil || u.Host != p.host && address != "about:blank" {
		p.problem("a request to another host: %s", address)
	}
}

func (p *person) problem(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (p *person) mayFail() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outage
}

// ExpectFailures says that requests may fail from now on.
func (p *person) ExpectFailures() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outage = true
}

func (p *person) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.t.Errorf("the page of %s had %s", p.name, problem)
	}
}

func (p *person) do(doing string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, doing, err)
	}
}

// see returns the value of a JavaScript expression on the page.
func see[T any](p *person, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: looking at %s: %v", p.name, expression, err)
	}
	return value
}

// play runs JavaScript on the page in place of what a hand would do.
func (p *person) play(doing, script string) {
	p.t.Helper()
	p.do(doing, chromedp.Evaluate[chromedp.Void](script))
}

// waitFor waits until a JavaScript expression is true. It asks from outside, since the page's policy
// forbids what chromedp.Poll would do inside.
func (p *person) waitFor(what, expression string) {
	p.t.Helper()
	again := time.NewTicker(30 * time.Millisecond)
	defer again.Stop()
	late := time.After(patience)
	for !see[bool](p, "Boolean("+expression+")") {
		select {
		case <-again.C:
		case <-late:
			p.t.Fatalf("%s waited in vain for %s (%s); the page says:\n%s", p.name, what, expression,
				see[string](p, "document.body.innerText"))
		}
	}
}

// find is the expression for an element by its data-testid and further conditions.
func find(id string, conditions ...string) string {
	return fmt.Sprintf("document.querySelector(%s)", quote(selector(id, conditions...)))
}

func selector(id string, conditions ...string) string {
	return fmt.Sprintf("[data-testid=%q]%s", id, strings.Join(conditions, ""))
}

func with(attribute string, value any) string {
	return fmt.Sprintf("[data-%s=%s]", attribute, quote(fmt.Sprint(value)))
}

// quote makes a JavaScript (and, for plain words, a CSS) string.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return string(quoted)
}

// still tells whether an element can be hit: it is there, seen, and neither it nor what holds it moves.
const still = `((element) => {
	for (let e = element; e; e = e.parentElement) if (e.getAnimations().length > 0) return false;
	return element?.checkVisibility({ visibilityProperty: true });
})`

func (p *person) click(id string, conditions ...string) {
	p.t.Helper()
	p.waitFor(id+" to hold still", still+"("+find(id, conditions...)+")")
	p.do("clicking "+id, chromedp.Click(chromedp.CSS(selector(id, conditions...))))
}

func (p *person) write(id, text string) {
	p.t.Helper()
	p.waitFor("a field to write in", find(id)+"?.checkVisibility()")
	p.do("writing into "+id, chromedp.SendKeys(chromedp.CSS(selector(id)), text))
}

// fill puts a text into a field at once, as pasting does.
func (p *person) fill(id, text string) {
	p.t.Helper()
	p.play("filling "+id, fmt.Sprintf("{ const field = %s; field.value = %s; field.dispatchEvent(new InputEvent('input')); }",
		find(id), quote(text)))
}

// pressEnter is one event for the key and its character, as a keyboard makes it, so that a page which
// handles the key gets no line break on top.
func (p *person) pressEnter() {
	p.t.Helper()
	key := input.DispatchKeyEventParams{
		Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 13,
	}
	for _, key.Type = range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, key); err != nil {
			p.t.Fatalf("%s: pressing Enter: %v", p.name, err)
		}
		key.Text = ""
	}
}

// SignUp makes a new user of this name.
func (p *person) SignUp() {
	p.t.Helper()
	p.write("login-name", p.name)
	p.click("signup-button")
	p.waitFor("the chat", find("room-list")+"?.checkVisibility()")
}

// Create makes a room and enters it.
func (p *person) Create(room string) {
	p.t.Helper()
	p.click("new-room-button")
	p.write("new-room-name", room)
	p.click("new-room-create")
	p.waitEntered(room)
}

// Enter opens a room from the list.
func (p *person) Enter(room string) {
	p.t.Helper()
	p.click("room-item", with("name", room))
	p.waitEntered(room)
}

func (p *person) waitEntered(room string) {
	p.t.Helper()
	p.waitFor("room "+room, find("room-title")+".textContent === "+quote(room))
	p.waitState("open")
	p.waitFor("himself in the list", find("person", with("user", p.name)))
}

func (p *person) waitState(state string) {
	p.t.Helper()
	p.waitFor("state "+state, find("state-badge")+".dataset.state === "+quote(state))
}

// Say writes a message and presses Enter. It does not wait for the server.
func (p *person) Say(text string) {
	p.t.Helper()
	p.write("composer", text)
	p.pressEnter()
	p.waitFor("an empty composer", find("composer")+".value === ''")
}

// A line is a message as the page shows it.
type line struct {
	Seq  int    `json:"seq"`
	ID   string `json:"id"`
	User string `json:"user"`
	Text string `json:"text"`
}

func (p *person) Lines() []line {
	p.t.Helper()
	return see[[]line](p, `[...document.querySelectorAll('[data-testid="message"]')].map((row) => ({
		seq: Number(row.dataset.seq), id: row.dataset.id, user: row.dataset.user,
		text: row.querySelector('.text').textContent }))`)
}

func (p *person) waitLines(count int) {
	p.t.Helper()
	p.waitFor(fmt.Sprintf("%d messages", count),
		fmt.Sprintf(`document.querySelectorAll('[data-testid="message"]').length >= %d`, count))
}

// UsePhone makes the window as small as a phone's.
func (p *person) UsePhone(width, height int64) {
	p.t.Helper()
	p.do("taking the phone", chromedp.EmulateViewport(width, height,
		chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
}
