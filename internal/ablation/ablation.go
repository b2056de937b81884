// Package ablation switches single mechanisms of the server off, to prove that the
// drills notice. Only a binary that was built with -tags ablation can do it, by the
// environment variable BREAKWATER_ABLATE, which names mechanisms with commas between
// them; in any other one Off is false and the compiler removes what depends on it.
package ablation

// Variable is the environment variable that a test build reads.
const Variable = "BREAKWATER_ABLATE"

// Mark stands in the version of a build that can switch mechanisms off.
const Mark = "(a test build: mechanisms can be switched off)"

// Mechanism is something that keeps a promise.
type Mechanism string

// The mechanisms that can be switched off, and what happens instead.
const (
	// Admission: nothing is refused however late the server is.
	Admission Mechanism = "admission"
	// Door: all who join are worked on at once, and are refused behind their requests.
	Door Mechanism = "door"
	// Dedupe: a send that is made again is stored again.
	Dedupe Mechanism = "dedupe"
	// Refill: what Redis did not announce to a server is skipped without a word.
	Refill Mechanism = "refill"
	// Check: rooms are not compared with the log now and then.
	Check Mechanism = "check"
	// SendTimeout: a send waits for Redis however long that takes.
	SendTimeout Mechanism = "send-timeout"
	// Gap: a slow consumer that was overtaken is not told of it.
	Gap Mechanism = "gap"
	// BulkItems: a batch that Elasticsearch has answered counts as indexed, whatever it says of each.
	BulkItems Mechanism = "bulk-items"
	// Claim: what a dead server was about to index is left alone.
	Claim Mechanism = "claim"
	// PageLock: each server reads each page of the history for itself.
	PageLock Mechanism = "page-lock"
	// SingleFlight: each caller reads each page of the history for himself.
	SingleFlight Mechanism = "single-flight"
	// Standing: a server acts for its users whether or not its lease is over.
	Standing Mechanism = "standing"
	// Reentry: a server that was declared dead does not enter its users again.
	Reentry Mechanism = "reentry"
	// Janitor: nobody looks after dead servers.
	Janitor Mechanism = "janitor"
	// Grace: who was on a dead server is told gone before he could come back.
	Grace Mechanism = "grace"
	// Takeover: whom a janitor was about to tell gone is its own to tell, even if it dies.
	Takeover Mechanism = "takeover"
	// StoreClock: whose lease is over a server decides by its own clock.
	StoreClock Mechanism = "store-clock"
	// LateJoins: nobody joins while MySQL is away.
	LateJoins Mechanism = "late-joins"
	// StoreBreaker: everybody waits for a store that is away until his time is over.
	StoreBreaker Mechanism = "store-breaker"
	// DrainStays: who is sent away by a server that stops is told gone.
	DrainStays Mechanism = "drain-stays"
)

// Names are all mechanisms, in the order of this file.
func Names() []Mechanism {
	return []Mechanism{
		Admission, Door, Dedupe, Refill, Check, SendTimeout, Gap, BulkItems, Claim, PageLock, SingleFlight,
		Standing, Reentry, Janitor, Grace, Takeover, StoreClock, LateJoins, StoreBreaker, DrainStays,
	}
}
