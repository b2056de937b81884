package report

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// markView is an event of the run, in hundredths of the width.
type markView struct {
	Number int
	Name   string
	// When says it in words.
	When     string
	From, To float64
	Moment   bool
	// Lane is the row of its label, which begins at From and has Room; near the right
	// edge it ends there instead.
	Lane   int
	Room   float64
	AtEnd  bool
	Behind float64 // what is right of the label then
}

// Edges are the lines where the event begins and ends.
func (v markView) Edges() string {
	path := fmt.Sprintf("M%.1f 0V%d", v.From*size/100, size)
	if !v.Moment {
		path += fmt.Sprintf("M%.1f 0V%d", v.To*size/100, size)
	}
	return path
}

// Area is what is between them; empty for a moment.
func (v markView) Area() string {
	if v.Moment {
		return ""
	}
	return fmt.Sprintf("M%.1f 0H%.1fV%dH%.1fZ", v.From*size/100, v.To*size/100, size, v.From*size/100)
}

const (
	// maxLanes is how many rows the labels of marks have at most.
	maxLanes = 3
	// letter is about how wide a letter of a label is on a wide screen, in hundredths of the width.
	letter = 0.62
	// edge is how near to the right edge a label ends there instead of beginning.
	edge = 88
)

// placeMarks gives each label a lane where it does not hide another one. On a narrow
// screen, or with many marks, it is cut to the room that it has; its number stays.
func placeMarks(marks []Mark, length time.Duration) (views []markView, lanes int) {
	var ends [maxLanes]float64 // of the labels so far
	var last [maxLanes]int     // index of the lane's last label, plus 1
	for i, m := range sorted(marks) {
		v := viewOf(m, i+1, length)
		width := letter * float64(utf8.RuneCountInString(m.Name)+4)
		begin, end := v.From, v.From+width
		if v.From > edge {
			begin, end = max(0, v.From-width), v.From
			v.AtEnd, v.Behind = true, 100-v.From
		}
		v.Lane = freeLane(ends, begin)
		if before := last[v.Lane]; before > 0 {
			b := &views[before-1]
			begin = max(begin, b.From)
			if !b.AtEnd {
				b.Room = min(b.Room, begin-b.From)
			}
		}
		v.Room = 100 - v.From
		if v.AtEnd {
			v.Room = v.From - begin
		}
		ends[v.Lane], last[v.Lane] = end, i+1
		lanes = max(lanes, v.Lane+1)
		views = append(views, v)
	}
	return views, lanes
}

// freeLane is the first whose labels end before a new one begins, or the one that ends first.
func freeLane(ends [maxLanes]float64, begin float64) int {
	first := 0
	for lane, end := range ends {
		if end <= begin {
			return lane
		}
		if end < ends[first] {
			first = lane
		}
	}
	return first
}

func viewOf(m Mark, number int, length time.Duration) markView {
	v := markView{Number: number, Name: m.Name, From: percent(m.At, length), Moment: m.Until <= m.At, When: "at " + seconds(m.At)}
	v.To = v.From
	if !v.Moment {
		v.To = percent(m.Until, length)
		v.When = fmt.Sprintf("from %s to %s", seconds(m.At), seconds(m.Until))
	}
	return v
}

func percent(at, length time.Duration) float64 {
	return hundredths(min(max(at.Seconds()/length.Seconds(), 0), 1))
}

// seconds writes a moment with a tenth of a second.
func seconds(at time.Duration) string { return strconv.FormatFloat(at.Seconds(), 'f', 1, 64) + " s" }
