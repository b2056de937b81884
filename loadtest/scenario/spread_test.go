package scenario

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/crowd"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		members, rooms int
		zipf           float64
		want           string
	}{
		{10, 1, 0, "[10]"},
		{10, 4, 0, "[3 3 2 2]"},
		{2, 4, 0, "[1 1 0 0]"},
		{11, 3, 1, "[5 3 3]"}, // one each, then 8 by 1, 1/2, 1/3
		{100, 2, 2, "[79 21]"},
	} {
		if got := fmt.Sprint(spread(test.members, test.rooms, test.zipf)); got != test.want {
			t.Errorf("got %s for %d members in %d rooms with exponent %g, want %s", got, test.members, test.rooms, test.zipf, test.want)
		}
	}
}

func TestSpreadPlacesEverybody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members, rooms := rapid.IntRange(1, 20_000).Draw(t, "members"), rapid.IntRange(1, 500).Draw(t, "rooms")
		sizes := spread(members, rooms, rapid.Float64Range(0, 3).Draw(t, "zipf"))
		sum := 0
		for _, size := range sizes {
			sum += size
		}
		if sum != members {
			t.Fatalf("got places for %d, want %d", sum, members)
		}
		if !slices.IsSortedFunc(sizes, func(a, b int) int { return b - a }) || members >= rooms && sizes[rooms-1] < 1 {
			t.Fatalf("got the sizes %v, want them to fall, and nobody alone in none", sizes)
		}
	})
}

// TestPartsAreTheWhole holds that dividing loses no member and no rate.
func TestPartsAreTheWhole(t *testing.T) {
	p := Plan{Settings: Settings{Rate: 90, Moves: 9, Searches: 6, Pages: 3, Window: 64, Seed: 5}}
	var members []crowd.Member
	for i := range 10 {
		members = append(members, crowd.Member{Number: i, Room: bw.RoomID(1 + i/5)})
	}
	seen := map[int]bool{}
	seeds := map[uint64]bool{}
	var rate, moves float64
	for i, part := range p.divide(members, []bw.RoomID{1, 2}, 3) {
		if part.Index != i || part.Of != 3 || len(part.Rooms) != 2 {
			t.Errorf("got part %d of %d with %d rooms, want part %d of 3 with 2", part.Index, part.Of, len(part.Rooms), i)
		}
		rate, moves = rate+part.Rate, moves+part.Moves
		seeds[part.Seed] = true
		for _, m := range part.Members {
			seen[m.Number] = true
		}
	}
	if len(seen) != 10 || len(seeds) != 3 || rate < 89.999 || rate > 90.001 || moves < 8.999 || moves > 9.001 {
		t.Errorf("got %d members, %d seeds, %g sends and %g moves a second, want 10, 3, 90 and 9", len(seen), len(seeds), rate, moves)
	}
}
