package report

import (
	"cmp"
	"math"
	"slices"
)

// maxRows is how long a table of a plot's data is.
const maxRows = 60

// table is the data of a plot in words: of each stretch of the run the highest values.
type table struct {
	Head []string
	Rows [][]string
	// Every is how many seconds a row stands for, at least.
	Every int
}

func tableOf(p plot) table {
	t := table{Head: []string{"from"}}
	for _, s := range p.series {
		t.Head = append(t.Head, s.name)
	}
	n := len(p.series[0].values)
	t.Every = max(1, n/maxRows)
	for _, part := range stretches(n, maxRows) {
		row := []string{FormatValue(float64(part.from), UnitCount) + " s"}
		for _, s := range p.series {
			cell := "–"
			if _, high := extremes(s.values, part); !math.IsNaN(high.value) {
				cell = FormatValue(high.value, p.unit)
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// sorted are the marks by their time.
func sorted(marks []Mark) []Mark {
	return slices.SortedStableFunc(slices.Values(marks), func(a, b Mark) int { return cmp.Compare(a.At, b.At) })
}
