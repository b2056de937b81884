//go:build linux

package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are at most 1/16 wide relative to
// their value, from a microsecond up.
type histogram struct {
	counts [32 * 16]int64
	total  int64
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(d.Microseconds(), 0)))]++
	h.total++
}

// quantile is the upper bound of the bucket in which the q-th part of all lies.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q * float64(h.total))
	for i, n := range h.counts {
		if rank -= n; rank < 0 {
			return time.Duration(upperBound(i)) * time.Microsecond
		}
	}
	return 0
}

// bucketOf gives 16 buckets to every doubling.
func bucketOf(us uint64) int {
	if us < 16 {
		return int(us)
	}
	shift := bits.Len64(us) - 5
	return min((shift+1)*16+int(us>>shift)-16, len(histogram{}.counts)-1)
}

func upperBound(bucket int) uint64 {
	if bucket < 16 {
		return uint64(bucket)
	}
	shift := bucket/16 - 1
	return uint64(bucket%16+17)<<shift - 1
}
