package report

// quantiles are the figures of a kind of latency.
var quantiles = []struct {
	name, help string
	of         func(Latency) float64
}{
	{"p50", "half of them took at most this long", func(l Latency) float64 { return l.P50 }},
	{"p90", "nine of ten took at most this long", func(l Latency) float64 { return l.P90 }},
	{"p99", "99 of 100 took at most this long", func(l Latency) float64 { return l.P99 }},
	{"p999", "999 of 1,000 took at most this long", func(l Latency) float64 { return l.P999 }},
	{"max", "the longest", func(l Latency) float64 { return l.Max }},
}

// LatencyFigures are the quantiles of the whole run: p50 to max of the kind main, and
// KIND.p50 to KIND.max of all the kinds given, in their order. A kind without a sample has none.
func LatencyFigures(totals Totals, main string, kinds ...string) []Figure {
	var figures []Figure
	add := func(prefix, kind string) {
		latency, ok := totals.Latencies[kind]
		if !ok {
			return
		}
		for _, q := range quantiles {
			figures = append(figures, Figure{Name: prefix + q.name, Value: q.of(latency), Unit: UnitSeconds, Better: Less, Help: kind + ": " + q.help})
		}
	}
	add("", main)
	for _, kind := range kinds {
		add(kind+".", kind)
	}
	return figures
}

// LatencyPrototypes are the figures that LatencyFigures can give, without their values: what
// ParseExpectations has to know before the run.
func LatencyPrototypes(main string, kinds ...string) []Figure {
	totals := Totals{Latencies: map[string]Latency{main: {}}}
	for _, kind := range kinds {
		totals.Latencies[kind] = Latency{}
	}
	return LatencyFigures(totals, main, kinds...)
}
