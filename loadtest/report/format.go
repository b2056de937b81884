package report

import (
	"math"
	"strconv"
	"strings"
)

// Units of figures. A ratio of 1 is 100 %.
const (
	UnitSeconds = "s"
	UnitRate    = "/s"
	UnitBytes   = "B"
	UnitRatio   = "%"
	UnitCount   = ""
)

// scale is a unit that people read: so much of the basic one.
type scale struct {
	size float64
	name string
}

var (
	durations = []scale{{3600, " h"}, {60, " min"}, {1, " s"}, {1e-3, " ms"}, {1e-6, " µs"}}
	sizes     = []scale{{1 << 40, " TiB"}, {1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}, {1, " B"}}
)

// FormatValue writes a value of the unit as people read it, with three figures: 48.3 ms,
// 1.25 GiB, 79 %. Counts and rates are whole with thousands set apart: 12,345/s.
func FormatValue(value float64, unit string) string {
	switch unit {
	case UnitSeconds:
		return scaled(value, durations)
	case UnitBytes:
		return scaled(value, sizes)
	case UnitRatio:
		return threeFigures(value*100) + " %"
	case UnitRate:
		return grouped(value) + "/s"
	}
	return grouped(value)
}

// scaled writes the value in the largest scale of which there is one at least.
func scaled(value float64, scales []scale) string {
	if value == 0 {
		return "0" + scales[len(scales)-1].name
	}
	for _, s := range scales {
		// What three figures would round up to one is one.
		if math.Abs(value) >= s.size*0.9995 {
			return threeFigures(value/s.size) + s.name
		}
	}
	smallest := scales[len(scales)-1]
	return threeFigures(value/smallest.size) + smallest.name
}

// threeFigures of the number, all of those before the point, and no zeros at the end.
func threeFigures(value float64) string {
	if math.Abs(value) >= 999.5 {
		return grouped(value)
	}
	text := strconv.FormatFloat(value, 'g', 3, 64)
	if strings.ContainsRune(text, 'e') {
		text = strconv.FormatFloat(value, 'f', 5, 64)
	}
	return text
}

// grouped writes whole thousands apart; what is less than 100 keeps three figures.
func grouped(value float64) string {
	if math.Abs(value) < 100 {
		return threeFigures(value)
	}
	digits := strconv.FormatFloat(math.Abs(value), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if value < 0 {
		return "-" + digits
	}
	return digits
}
