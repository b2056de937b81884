package oracle

import (
	"cmp"
	"slices"
)

// position is a place in a room's log. A later epoch is behind every earlier one.
type position struct{ epoch, seq int64 }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.epoch, q.epoch), cmp.Compare(p.seq, q.seq))
}

// behind tells whether p comes after q.
func (p position) behind(q position) bool { return p.compare(q) > 0 }

// span is a range of seqs, both inclusive.
type span struct{ first, last int64 }

// cover is a set of positions, kept as ranges: what a member has of a room is a few.
type cover struct {
	spans map[int64][]span // by epoch
	mixed bool             // the spans are not in order, or overlap
}

// add takes a range in.
func (c *cover) add(epoch, first, last int64) {
	if c.spans == nil {
		c.spans = map[int64][]span{}
	}
	list := c.spans[epoch]
	if n := len(list); n > 0 {
		if newest := &list[n-1]; first >= newest.first && first <= newest.last+1 {
			newest.last = max(newest.last, last)
			return
		}
		c.mixed = c.mixed || first < list[n-1].first
	}
	c.spans[epoch] = append(list, span{first, last})
}

// has tells whether a position is in the set.
func (c *cover) has(p position) bool {
	if c.mixed {
		c.sort()
	}
	list := c.spans[p.epoch]
	i, found := slices.BinarySearchFunc(list, p.seq, func(s span, seq int64) int { return cmp.Compare(s.first, seq) })
	return found || i > 0 && p.seq <= list[i-1].last
}

// sort puts the spans in order and makes one of those that meet.
func (c *cover) sort() {
	for epoch, list := range c.spans {
		slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.first, b.first) })
		merged := list[:0]
		for _, s := range list {
			if n := len(merged); n > 0 && s.first <= merged[n-1].last+1 {
				merged[n-1].last = max(merged[n-1].last, s.last)
				continue
			}
			merged = append(merged, s)
		}
		c.spans[epoch] = merged
	}
	c.mixed = false
}
