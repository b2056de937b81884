package admission

import (
	"maps"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// Patience with wrong passwords for one name.
const (
	freeTries   = 10
	firstWait   = time.Second
	longestWait = 5 * time.Minute
	// forgetAfter is when wrong passwords are forgotten, if no further came.
	forgetAfter = 15 * time.Minute
)

// LoginGuard makes who guesses a name's password wait, longer each time.
type LoginGuard struct {
	maxNames int

	// mu guards names.
	mu    sync.Mutex
	names map[bw.Name]failures
}

type failures struct {
	count int
	last  time.Time
}

// NewLoginGuard makes a guard that remembers at most so many names.
func NewLoginGuard(maxNames int) *LoginGuard {
	return &LoginGuard{maxNames: maxNames, names: make(map[bw.Name]failures)}
}

// Wait is how long the name has to wait for its next try; 0 lets it try.
func (g *LoginGuard) Wait(name bw.Name) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, ok := g.names[name]
	if !ok || f.count < freeTries {
		return 0
	}
	wait := min(firstWait<<min(f.count-freeTries, 10), longestWait)
	return max(0, wait-time.Since(f.last))
}

// Failed notes a wrong password.
func (g *LoginGuard) Failed(name bw.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.names[name]; !known && len(g.names) >= g.maxNames {
		g.forget()
	}
	f := g.names[name]
	if time.Since(f.last) > forgetAfter {
		f.count = 0
	}
	g.names[name] = failures{count: f.count + 1, last: time.Now()}
}

// Succeeded forgets the wrong ones.
func (g *LoginGuard) Succeeded(name bw.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.names, name)
}

// forget makes room: what is old goes, then names that may still try freely, a
// part of all so that it is seldom needed. Only if there is none of them a name
// goes that has to wait: whoever floods the guard shall not free it.
func (g *LoginGuard) forget() {
	maps.DeleteFunc(g.names, func(_ bw.Name, f failures) bool { return time.Since(f.last) > forgetAfter })
	for name, f := range g.names {
		if len(g.names) < g.maxNames-g.maxNames/8 {
			return
		}
		if f.count < freeTries {
			delete(g.names, name)
		}
	}
	for name := range g.names {
		if len(g.names) < g.maxNames {
			return
		}
		delete(g.names, name)
	}
}
