// Package spelling guesses what a misspelt name was meant to be.
package spelling

// Nearest returns the one of names that name is a slip of: at most two letters
// put in, taken out, replaced or swapped with the next, and fewer than name has.
// Of equally near ones it is the first; "" if none is near.
func Nearest(name string, names []string) string {
	best, most := "", min(3, len(name))
	for _, n := range names {
		if d := distance(name, n); d < most {
			best, most = n, d
		}
	}
	return best
}

// distance returns how many letters have to be put in, taken out, replaced or
// swapped with the next to make b of a (optimal string alignment); at least 3
// where the lengths differ by that.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return 3
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
