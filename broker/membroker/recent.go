package membroker

import (
	"hash/maphash"
	"math/bits"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// recent remembers the sends of the dedupe window just well enough to say
// "surely new", which spares almost every send a look into the log.
//
// It is a Bloom filter of two generations, each filled for one window: what it
// forgets is at least a window old. A filter needs no bound on the number of
// sends: with more of them it says "perhaps" more often (about 1 % at 20,000
// sends a second in 16 MiB; a table of 64-bit hashes would need 100 MB), and
// "perhaps" only costs the look into the log that decides anyway. All bits of a
// send lie in one cache line (Putze, Sanders, Singler: Cache-, Hash- and
// Space-Efficient Bloom Filters, 2007), so asking costs one miss a generation.
type recent struct {
	seed     maphash.Seed
	window   time.Duration
	lineBits int
	// current is being filled since rotated; previous is nil until the first
	// rotation.
	current, previous []line
	rotated           time.Time
}

// line is a cache line of 512 bits.
type line [8]uint64

// sendKey is what makes a send the same send.
type sendKey struct {
	room bw.RoomID
	user bw.Name
	id   bw.MessageID
}

// newRecent makes a filter that will use up to size bytes.
func newRecent(size int, now time.Time) *recent {
	const lineBytes, generations = 64, 2
	lineBits := max(0, bits.Len(uint(size/(generations*lineBytes)))-1)
	// A hash has 64 bits, of which the five places in the line need 45.
	lineBits = min(lineBits, 64-45)
	return &recent{
		seed: maphash.MakeSeed(), window: bw.DedupeWindow, lineBits: lineBits,
		current: make([]line, 1<<lineBits), rotated: now,
	}
}

func (r *recent) hash(k sendKey) uint64 { return maphash.Comparable(r.seed, k) }

// rotate forgets what is older than a window. Call it before the adds of now.
func (r *recent) rotate(now time.Time) {
	if now.Sub(r.rotated) < r.window {
		return
	}
	if r.previous == nil {
		r.previous = make([]line, len(r.current))
	}
	r.current, r.previous = r.previous, r.current
	clear(r.current)
	r.rotated = now
}

// add remembers a send and says whether it may have been there before: false
// is certain.
func (r *recent) add(hash uint64) bool {
	i := hash >> 45 & (1<<r.lineBits - 1)
	var mask line
	for range 5 {
		mask[hash>>6&7] |= 1 << (hash & 63)
		hash >>= 9
	}
	found := r.previous != nil && r.previous[i].has(&mask)
	found = r.current[i].has(&mask) || found
	r.current[i].set(&mask)
	return found
}

func (l *line) has(mask *line) bool {
	var missing uint64
	for i, m := range mask {
		missing |= m &^ l[i]
	}
	return missing == 0
}

func (l *line) set(mask *line) {
	for i, m := range mask {
		l[i] |= m
	}
}
