package report

import "math"

// maxSamples is how many points a line or a stack is drawn with: about what a screen can show.
const maxSamples = 600

// sample is a value of the second at, NaN for a gap.
type sample struct {
	at    int
	value float64
}

// decimate leaves at most the given number of samples, and of each stretch the lowest and
// the highest: no spike is lost. What is few enough stays as it is.
func decimate(values []float64, most int) []sample {
	if len(values) <= most {
		samples := make([]sample, len(values))
		for i, v := range values {
			samples[i] = sample{i, v}
		}
		return samples
	}
	var samples []sample
	for _, s := range stretches(len(values), most/2) {
		low, high := extremes(values, s)
		switch {
		case low.at == high.at:
			samples = append(samples, low)
		case low.at < high.at:
			samples = append(samples, low, high)
		default:
			samples = append(samples, high, low)
		}
	}
	return samples
}

// stretch is from a second to before another one.
type stretch struct{ from, to int }

// stretches cuts n seconds into the given number of parts, about equal, or into n if that is less.
func stretches(n, parts int) []stretch {
	parts = min(n, parts)
	all := make([]stretch, parts)
	for i := range all {
		all[i] = stretch{i * n / parts, (i + 1) * n / parts}
	}
	return all
}

// extremes are NaN if the stretch has nothing else.
func extremes(values []float64, s stretch) (low, high sample) {
	low, high = sample{s.from, math.NaN()}, sample{s.from, math.NaN()}
	for i := s.from; i < s.to; i++ {
		v := values[i]
		if math.IsNaN(low.value) || v < low.value {
			low = sample{i, v}
		}
		if math.IsNaN(high.value) || v > high.value {
			high = sample{i, v}
		}
	}
	return low, high
}
