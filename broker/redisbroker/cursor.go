package redisbroker

import (
	"hash/maphash"

	bw "github.com/breakwater-chat/breakwater"
)

// cursor is how far the messages of one room have been handed out.
type cursor struct {
	at bw.Position
	// prints stand for the newest records handed out, by their seq; 0 is none.
	prints []uint64
	// torn says that two records had the same seq: nothing is handed out before
	// the room's next life.
	torn bool
}

// remembered is the number of records whose prints are kept.
const remembered = 256

var printSeed = maphash.MakeSeed()

func printOf(record string) uint64 { return max(1, maphash.String(printSeed, record)) }

// place is what a record is to a cursor.
type place uint8

const (
	// follows is the next one, which the cursor has moved to.
	follows place = iota
	// known has been handed out, or is older than what is remembered.
	known
	// ahead is behind a hole, or of another life that the cursor has not reached.
	ahead
	// fork is another record than the one that was handed out with its seq.
	fork
)

// take places a record and moves to it if it is the next.
func (c *cursor) take(m *bw.Message, record string) place {
	switch {
	case c.torn || m.Epoch < c.at.Epoch:
		return known
	case m.Epoch > c.at.Epoch || m.Seq > c.at.Seq+1:
		return ahead
	case m.Seq <= c.at.Seq:
		if p := c.print(m.Seq); p != 0 && p != printOf(record) {
			c.torn = true
			return fork
		}
		return known
	}
	if c.prints == nil {
		c.prints = make([]uint64, remembered)
	}
	c.at.Seq = m.Seq
	c.prints[m.Seq%remembered] = printOf(record)
	return follows
}

// print is that of the record handed out with a seq; 0 if it is not remembered.
func (c *cursor) print(seq bw.Seq) uint64 {
	if c.prints == nil || seq < 1 || seq <= c.at.Seq-remembered {
		return 0
	}
	return c.prints[seq%remembered]
}

// jump moves over what cannot be handed out.
func (c *cursor) jump(to bw.Position) {
	if to.Epoch != c.at.Epoch || to.Seq-c.at.Seq >= remembered {
		c.prints = nil
	}
	for seq := c.at.Seq + 1; c.prints != nil && seq <= to.Seq; seq++ {
		c.prints[seq%remembered] = 0
	}
	c.torn = c.torn && to.Epoch == c.at.Epoch
	c.at = to
}
