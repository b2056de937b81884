package scenario

import (
	"fmt"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
)

// arrived tells what a part has been told, if it has been.
func arrived(answer <-chan heads) string {
	select {
	case known := <-answer:
		return fmt.Sprint(known)
	default:
		return "waits"
	}
}

func TestPartsWaitForTheLast(t *testing.T) {
	var met []string
	r := newRendezvous(2, func(point string) { met = append(met, point) })
	a := r.meet(pointSaid, heads{1: bw.Position{Epoch: 1, Seq: 5}, 2: bw.Position{Epoch: 2, Seq: 1}})
	if got := arrived(a); got != "waits" || len(met) > 0 {
		t.Fatalf("got %s and %v for the first, want it to wait", got, met)
	}
	b := r.meet(pointSaid, heads{1: bw.Position{Epoch: 1, Seq: 7}, 2: bw.Position{Epoch: 1, Seq: 9}})
	const want = "map[1:{1 7} 2:{2 1}]"
	if gotA, gotB := arrived(a), arrived(b); gotA != want || gotB != want || len(met) != 1 || met[0] != pointSaid {
		t.Errorf("got %s and %s, met %v, want the later heads %s for both, met once", gotA, gotB, met, want)
	}
}

func TestNobodyWaitsForAPartThatIsGone(t *testing.T) {
	r := newRendezvous(3, func(string) {})
	a, b := r.meet(pointCut, nil), r.meet(pointCut, nil)
	r.leave()
	if gotA, gotB := arrived(a), arrived(b); gotA == "waits" || gotB == "waits" {
		t.Errorf("got %s and %s, want both to go on", gotA, gotB)
	}
}
