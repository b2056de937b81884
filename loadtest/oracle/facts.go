package oracle

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// never is after every time of a run.
const never = time.Duration(math.MaxInt64)

// facts are a history, put in order by what the checks ask for. They are built in one
// pass and then only read, but for the order inside of covers.
type facts struct {
	events   History
	bounds   Bounds
	end      time.Duration
	count    map[Kind]int
	complete map[string]int // the event that says so
	faults   []*fault
	rooms    map[int64]*room
	roomList []*room // in the order of their first event
	clients  map[string]*client
	conns    map[connKey]*conn
	sends    map[sendKey]*send
	findings []finding
}

// room is what all of a run have seen of one.
type room struct {
	id     int64
	places map[position]sighting // the first one of each
	// distinct are the sightings of what nobody had seen at that place before,
	// deviating those of them that were not the first there.
	distinct, deviating []sighting
	seen                map[sendKey][]position // where the distinct ones were
	acks                []int
	log                 *log
	newest              int64 // epoch
	stays               []*stay
	byUser              map[string][]*stay
}

// sighting is that somebody got a message, by an event.
type sighting struct {
	event int
	Message
}

// fault is a time in which promises are late: a server's death has no length.
type fault struct {
	id, server string
	event      int
	from, to   time.Duration
	excuses    []string
	died       bool
}

// collect builds the facts of a history.
func collect(h History) *facts {
	byTime := func(a, b Event) int { return cmp.Compare(a.At, b.At) }
	if !slices.IsSortedFunc(h, byTime) {
		h = slices.Clone(h)
		slices.SortStableFunc(h, byTime)
	}
	f := &facts{
		events: h, bounds: DefaultBounds(), count: map[Kind]int{}, complete: map[string]int{}, rooms: map[int64]*room{},
		clients: map[string]*client{}, conns: map[connKey]*conn{}, sends: map[sendKey]*send{},
	}
	for i := range h {
		e := &h[i]
		f.count[e.Kind]++
		if err := e.valid(); err != nil {
			f.broken(RuleRecord, i, "%v", err)
			continue
		}
		if e.Kind.ofClient() {
			f.byClient(i, e)
		} else {
			f.byWorld(i, e)
		}
	}
	f.finish()
	return f
}

// broken notes what an event breaks, as the story of its client.
func (f *facts) broken(rule Rule, event int, format string, args ...any) {
	e := &f.events[event]
	f.findings = append(f.findings, finding{
		rule: rule, event: event, client: e.Client, room: e.Room, id: e.ID, text: fmt.Sprintf(format, args...),
	})
}

func (f *facts) room(id int64) *room {
	r := f.rooms[id]
	if r == nil {
		r = &room{id: id, places: map[position]sighting{}, seen: map[sendKey][]position{}, byUser: map[string][]*stay{}}
		f.rooms[id] = r
		f.roomList = append(f.roomList, r)
	}
	return r
}

// byWorld takes in what the drill did or read.
func (f *facts) byWorld(i int, e *Event) {
	switch e.Kind {
	case Run:
		if f.count[Run] > 1 {
			f.broken(RuleRecord, i, "the run begins again")
		}
		f.bounds = *e.Bounds
	case Died:
		f.faults = append(f.faults, &fault{server: e.Server, event: i, from: e.At, to: e.At, died: true})
	case Fault:
		if f.under(e.ID) != nil {
			f.broken(RuleRecord, i, "the fault %s begins again", e.ID)
		}
		f.faults = append(f.faults, &fault{id: e.ID, server: e.Server, event: i, from: e.At, to: never, excuses: e.Names})
	case Healed:
		if x := f.under(e.ID); x != nil {
			x.to = e.At
		} else {
			f.broken(RuleRecord, i, "the fault %s ends and has not begun", e.ID)
		}
	case Complete:
		for _, name := range e.Names {
			f.complete[name] = i
		}
	case End:
		if f.count[End] > 1 {
			f.broken(RuleRecord, i, "the run ends again")
		}
		f.end = e.At
	}
}

// under is the fault of this name that has not ended.
func (f *facts) under(id string) *fault {
	for _, x := range f.faults {
		if x.id == id && x.to == never {
			return x
		}
	}
	return nil
}

// finish completes what only the end of the history decides.
func (f *facts) finish() {
	if len(f.events) == 0 {
		return
	}
	last := len(f.events) - 1
	if f.events[0].Kind != Run {
		f.broken(RuleRecord, 0, "the history does not begin with its run and the bounds of it")
	}
	if f.events[last].Kind != End {
		f.broken(RuleRecord, last, "the history does not close with the end of its run: was it cut short?")
	}
	f.end = f.events[last].At
	for _, x := range f.faults {
		if x.to == never {
			f.broken(RuleRecord, x.event, "the fault %s has no end", x.id)
		}
	}
	for _, c := range f.conns {
		c.expect(f)
	}
	for _, r := range f.roomList {
		slices.SortStableFunc(r.stays, func(a, b *stay) int {
			return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.conn.opened, b.conn.opened))
		})
		for _, s := range r.stays {
			s.limit(f)
			r.byUser[s.conn.user] = append(r.byUser[s.conn.user], s)
		}
		r.log = f.logOf(r)
	}
}

// due is until when what began at a time may take, if it may take a grace. What a
// fault disturbs has the time that is allowed after its end.
func (f *facts) due(t, grace time.Duration) time.Duration {
	due := t + grace
	for _, x := range f.faults {
		if x.from <= t+grace && t <= x.to {
			if x.to == never {
				return never
			}
			due = max(due, x.to+f.bounds.LossGrace)
		}
	}
	return due
}

// excused tells whether a fault of this kind, or what it left behind, lies in a time.
func (f *facts) excused(excuse string, from, to time.Duration) bool {
	for _, x := range f.faults {
		if slices.Contains(x.excuses, excuse) && x.from <= to && (x.to == never || from <= x.to+f.bounds.Grace) {
			return true
		}
	}
	return false
}

// see takes in that a message was got at its place.
func (r *room) see(event int, m Message) {
	at := position{m.Epoch, m.Seq}
	r.newest = max(r.newest, m.Epoch)
	first, known := r.places[at]
	if known && first.Message == m {
		return
	}
	if known {
		r.deviating = append(r.deviating, sighting{event, m})
	} else {
		r.places[at] = sighting{event, m}
	}
	r.distinct = append(r.distinct, sighting{event, m})
	key := sendKey{r.id, m.User, m.ID}
	r.seen[key] = append(r.seen[key], at)
}
