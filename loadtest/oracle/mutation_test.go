package oracle

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
)

// Worlds that are mutated: some in which everything happens, and many short ones.
// BREAKWATER_ORACLE_SEEDS=FIRST-LAST plays other ones, a long and a short one each.
const (
	longActs, shortActs   = 16, 3
	longSeeds, shortSeeds = 1, 5
)

// played are the worlds of a test, by seed and acts.
func played(t *testing.T) (all [][2]uint64) {
	t.Helper()
	first, last := uint64(1), uint64(shortSeeds)
	given := os.Getenv("BREAKWATER_ORACLE_SEEDS")
	if given != "" {
		if _, err := fmt.Sscanf(given, "%d-%d", &first, &last); err != nil {
			t.Fatalf("BREAKWATER_ORACLE_SEEDS=%s: %v", given, err)
		}
	}
	for seed := first; seed <= last; seed++ {
		all = append(all, [2]uint64{seed, shortActs})
		if given != "" || seed <= longSeeds {
			all = append(all, [2]uint64{seed, longActs})
		}
	}
	return all
}

func TestAFaultlessWorldPasses(t *testing.T) {
	for seed := range uint64(200) {
		w := newWorld(seed, 20)
		if v := Judge(w.h, Options{}); !v.OK() || len(v.NotJudged) > 0 {
			t.Fatalf("seed %d: got %s, want nothing broken and all rules judged", seed, v)
		}
	}
}

// TestEveryMutationIsCaught changes each single event of faultless histories in every
// way, and wants each change to be caught, but for those that change nothing that a
// promise is about: the mutation itself says why.
func TestEveryMutationIsCaught(t *testing.T) {
	ran, equal := map[string]int{}, map[string]int{}
	for _, world := range played(t) {
		mutateAll(t, world[0], int(world[1]), ran, equal)
	}
	for _, kind := range wanted() {
		if ran[kind] == 0 {
			t.Errorf("got no mutation %q, want some of each kind", kind)
		}
	}
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(ran)) {
		total += ran[kind]
		t.Logf("%6d %s", ran[kind], kind)
	}
	t.Logf("%6d mutations in all", total)
	for _, kind := range slices.Sorted(maps.Keys(equal)) {
		t.Logf("%6d not run: %s", equal[kind], kind)
	}
}

// mutateAll plays a world and changes its history everywhere; it counts what it did.
func mutateAll(t *testing.T, seed uint64, acts int, ran, equal map[string]int) {
	t.Helper()
	w := newWorld(seed, acts)
	for i := range w.h {
		for _, m := range mutations() {
			mutated, same := m.mutate(w, i)
			kind := m.name + " " + string(w.h[i].Kind)
			switch {
			case same != "":
				equal[kind+": "+same]++
				continue
			case mutated == nil:
				continue
			}
			ran[kind]++
			if v := Judge(mutated, Options{}); v.OK() && len(v.NotJudged) == 0 {
				t.Errorf("seed %d with %d acts: got nothing broken after event %d, %s %v, was changed: %s; replay with BREAKWATER_ORACLE_SEEDS=%d-%d",
					seed, acts, i, clock(w.h[i].At), w.h[i].String(), m.name, seed, seed)
			}
		}
	}
}

// mutation changes one event of a history. It returns nil for events that it is not
// made for, and says why, for one whose change no promise forbids.
type mutation struct {
	name   string
	mutate func(w *world, i int) (mutated History, same string)
}

func mutations() []mutation {
	return []mutation{
		{"drop", drop},
		{"double", double},
		{"swap", swap},
		{"delay", delay},
		{"text", alter(text)},
		{"user", alter(user)},
		{"seq", alter(seq)},
		{"epoch", alter(epoch)},
		{"id", alter(id)},
		{"room", alter(otherRoom)},
		{"code", alter(code)},
		{"names", alter(names)},
		{"range", alter(ends)},
		{"recovered", alter(recovered)},
		{"server", alter(server)},
		{"client", alter(otherClient)},
	}
}

// wanted are the mutations of which some have to have run.
func wanted() (all []string) {
	kinds := map[string][]Kind{
		"drop":   {Run, Connected, Closed, Sent, Acked, Refused, Joined, Left, Received, Gap, Fetched, Came, Went, Fault, Healed, Document, Membership, Complete, End},
		"double": {Run, Connected, Closed, Sent, Acked, Refused, Joined, Left, Received, Gap, Came, Went, Fault, Healed, Document, Membership, End},
		"swap":   {Connected, Sent, Joined, Left, Received, Gap},
		"delay":  {Run, Connected, Closed, Sent, Acked, Refused, Joined, Left, Received, Gap, Came, Went, List, Fault},
		"text":   {Sent, Joined, Received, Fetched, Document}, "user": {Connected, Sent, Joined, Received, Fetched, Document, Membership},
		"seq": {Acked, Joined, Received, Fetched, Document}, "epoch": {Acked, Joined, Received, Gap, Fetched, Document},
		"id":   {Sent, Acked, Refused, Joined, Received, Fetched, Document, Fault, Healed},
		"room": {Sent, Acked, Refused, Joined, Left, Received, Gap, Fetched, Came, Went, List, Document, Membership},
		"code": {Refused}, "names": {List, Came, Went}, "range": {Gap, Joined}, "recovered": {Joined}, "server": {Membership},
		"client": {Connected, Closed, Sent, Acked, Refused, Joined, Left, Received, Gap, Came, Went},
	}
	for name, list := range kinds {
		for _, kind := range list {
			all = append(all, name+" "+string(kind))
		}
	}
	slices.Sort(all)
	return all
}
