package loadtest

import (
	"bytes"
	"testing"

	"github.com/breakwater-chat/breakwater/wire"
)

// The lies are told of the 20th message, to the 3rd member unless all are lied to.
const (
	lieAt     = 20
	liedTo    = 2
	inTheRoom = 10
)

// of makes a lie that is told once, and not to who sent the message: he would miss, too,
// what he was acked.
func of(tell func(r *fakeRoom, frame []byte) [][]byte) lie {
	return func(r *fakeRoom, n, m int, frame []byte) [][]byte {
		to := liedTo
		if r.sender == to {
			to++
		}
		if n == lieAt && m == to {
			return tell(r, frame)
		}
		return [][]byte{frame}
	}
}

// TestLiesAreCaught has a server that does one thing wrong, and counts what the load
// generator says of it.
func TestLiesAreCaught(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		lie  lie
		want map[string]float64 // what is not 0
	}{
		{"none", nil, nil},
		{"a message is left out", of(func(*fakeRoom, []byte) [][]byte { return nil }), map[string]float64{"lost": 1}},
		{"a message comes twice", of(func(_ *fakeRoom, f []byte) [][]byte { return [][]byte{f, f} }), map[string]float64{"doubled": 1}},
		{"two messages change places", func(r *fakeRoom, n, m int, frame []byte) [][]byte {
			switch {
			case n == lieAt && m == liedTo:
				r.held = bytes.Clone(frame)
				return nil
			case n == lieAt+1 && m == liedTo:
				return [][]byte{frame, r.held}
			}
			return [][]byte{frame}
		}, map[string]float64{"disordered": 1}},
		{"a letter is another one, for one member", of(func(_ *fakeRoom, f []byte) [][]byte {
			return [][]byte{bytes.Replace(f, []byte("xxx"), []byte("xyx"), 1)}
		}), map[string]float64{"damaged": 1}},
		// Its sender does not get what he was acked.
		{"a letter is another one, for all", func(_ *fakeRoom, n, _ int, frame []byte) [][]byte {
			if n == lieAt {
				frame = bytes.Replace(frame, []byte("xxx"), []byte("xyx"), 1)
			}
			return [][]byte{frame}
		}, map[string]float64{"damaged": inTheRoom, "lost": 1}},
		{"one member gets an earlier message in place of this one", of(func(r *fakeRoom, _ []byte) [][]byte {
			m := r.log[4]
			m.Seq = lieAt
			return [][]byte{wire.AppendMessage(nil, &m)}
		}), map[string]float64{"disordered": 1}},
		{"a frame is torn", of(func(_ *fakeRoom, _ []byte) [][]byte {
			return [][]byte{[]byte(`{"type":"message","room":1,`)}
		}), map[string]float64{"damaged": 1, "lost": 1}},
		{"from some message on one member hears nothing", func(_ *fakeRoom, n, m int, frame []byte) [][]byte {
			if n > 25 && m == liedTo {
				return nil
			}
			return [][]byte{frame}
		}, map[string]float64{"lost": 5}},
		{"a gap that is told is no loss", of(func(*fakeRoom, []byte) [][]byte {
			return [][]byte{wire.AppendGap(nil, 1, 1, lieAt, lieAt)}
		}), map[string]float64{"gapped": 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := startFake(t, test.lie)
			// 30 sends in all, by members in turn.
			o := start(t, fake.URL, "fanout", "--members", "10", "--rate", "30", "--arrivals", "constant", "--duration", "1s").wait(t)
			want := map[string]float64{"sent": 30, "acked": 30, "lost": 0, "doubled": 0, "disordered": 0, "damaged": 0, "gapped": 0}
			status := passed
			for name, n := range test.want {
				want[name] = n
				if name != "gapped" {
					status = unexpected
				}
			}
			o.ended(t, status)
			o.want(t, want)
		})
	}
}
