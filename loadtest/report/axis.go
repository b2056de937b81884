package report

import (
	"math"
	"strconv"
	"time"
)

// tick is a labelled place of an axis.
type tick struct {
	// At is from 0, where the axis begins, to 1.
	At    float64
	Label string
	// Minor ticks go where there is little room.
	Minor bool
}

// Left is where a tick of time is, in hundredths of the width.
func (t tick) Left() float64 { return hundredths(t.At) }

// Top is where a tick of values is, in hundredths of the height.
func (t tick) Top() float64 { return hundredths(1 - t.At) }

func hundredths(part float64) float64 { return math.Round(part*1e4) / 100 }

// axis places values from 0 to 1.
type axis struct {
	low, high float64
	log       bool
	ticks     []tick
}

// place is 0 for what is below the axis.
func (a axis) place(value float64) float64 {
	if !a.log {
		return (value - a.low) / (a.high - a.low)
	}
	return max(0, math.Log(max(value, a.low)/a.low)/math.Log(a.high/a.low))
}

// compact are the scales of the labels of counts and rates.
var compact = []scale{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}, {1, ""}}

// linearAxis goes from 0 to a round number above the peak, with ticks at round numbers
// of one scale: 0, 0.5, 1, 1.5 GiB.
func linearAxis(peak float64, unit string) axis {
	if peak <= 0 {
		peak = 1
	}
	size, name := labelScale(peak, unit)
	step := roundStep(peak / size / 4)
	n := int(math.Ceil(peak/size/step - 1e-9))
	a := axis{high: float64(n) * step * size}
	for i := range n + 1 {
		label := "0"
		if i > 0 {
			label = strconv.FormatFloat(float64(i)*step, 'f', decimals(step), 64) + name
		}
		a.ticks = append(a.ticks, tick{At: float64(i) / float64(n), Label: label})
	}
	return a
}

func labelScale(peak float64, unit string) (size float64, name string) {
	scales := compact
	switch unit {
	case UnitRatio:
		return 0.01, " %"
	case UnitBytes:
		scales = sizes
	case UnitRate, UnitCount:
		if peak < 10_000 { // as it is
			return 1, ""
		}
	}
	for _, s := range scales {
		if peak >= s.size {
			return s.size, s.name
		}
	}
	return 1, scales[len(scales)-1].name
}

// roundStep is the smallest of 1, 2 and 5 times a power of ten that is no less.
func roundStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= least*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func decimals(step float64) int { return max(0, int(-math.Floor(math.Log10(step)+1e-9))) }

// logAxis goes from a round duration below all to one above, with ticks at powers of ten,
// and at their doubles and halves if there are few.
func logAxis(low, high float64) axis {
	if low <= 0 || high < low { // no values
		low, high = 1e-3, 1
	}
	bottom, top := int(math.Floor(math.Log10(low)+1e-9)), int(math.Ceil(math.Log10(high)-1e-9))
	a := axis{low: low, high: high, log: true}
	var places []float64
	for power := bottom; power <= top; power++ {
		for _, m := range []float64{1, 2, 5} {
			places = append(places, m*math.Pow(10, float64(power)))
		}
	}
	for _, p := range places {
		if p <= low*(1+1e-9) {
			a.low = p
		}
	}
	for i := len(places) - 1; i >= 0; i-- {
		if places[i] >= high*(1-1e-9) && places[i] > a.low*1.5 {
			a.high = places[i]
		}
	}
	decades := math.Log10(a.high / a.low)
	for i, p := range places {
		if p < a.low*(1-1e-9) || p > a.high*(1+1e-9) || decades > 2.5 && i%3 != 0 {
			continue
		}
		a.ticks = append(a.ticks, tick{At: a.place(p), Label: FormatValue(p, UnitSeconds), Minor: i%3 != 0})
	}
	return a
}

// timeSteps are the distances between ticks of time, in seconds.
var timeSteps = []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400}

// timeAxis has at most 13 ticks; every other one is minor.
func timeAxis(length time.Duration) axis {
	seconds := length.Seconds()
	step := timeSteps[len(timeSteps)-1]
	for _, s := range timeSteps {
		if seconds/float64(s) <= 12 {
			step = s
			break
		}
	}
	a := axis{high: seconds}
	for i := 0; float64(i*step) <= seconds; i++ {
		label := strconv.Itoa(i*step) + " s"
		if seconds > 600 {
			label = minutes(time.Duration(i*step) * time.Second)
		}
		a.ticks = append(a.ticks, tick{At: float64(i*step) / seconds, Label: label, Minor: i%2 == 1})
	}
	return a
}
