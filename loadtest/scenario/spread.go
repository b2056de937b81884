package scenario

import (
	"cmp"
	"math"
	"slices"
)

// spread says how many members each room has: at least one if there are enough, the same
// for all if the exponent is 0, else by Zipf's law: the n-th room has the n^-exponent-th
// part of the first. The sum is always members.
func spread(members, rooms int, exponent float64) []int {
	sizes, weights, sum := make([]int, rooms), make([]float64, rooms), 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -exponent)
		sum += weights[i]
	}
	least := min(1, members/rooms)
	left, rest := members-least*rooms, members-least*rooms
	shares := make([]float64, rooms)
	order := make([]int, rooms)
	for i := range sizes {
		shares[i] = float64(left) * weights[i] / sum
		sizes[i] = least + int(shares[i])
		rest -= int(shares[i])
		order[i] = i
	}
	// What rounding has left goes to those that it has cost most.
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(shares[b]-math.Floor(shares[b]), shares[a]-math.Floor(shares[a]))
	})
	for _, i := range order[:rest] {
		sizes[i]++
	}
	return sizes
}
