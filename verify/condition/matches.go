package condition

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

const (
	// maxPattern bounds a regular expression, in bytes. It may come from the
	// predicate.
	maxPattern = 4 << 10
	// maxProgram bounds it in instructions: [ab]{1000} has a thousand.
	maxProgram = 10_000
	// stepsPerCost is how many steps cost as much as one operation. A step is one
	// instruction for one byte, and takes some 20 ns.
	stepsPerCost = 100
)

// matching is CEL's matches, bounded: its own looks at the cost after a call,
// which nothing can end before, and compiles whatever it is given.
func matching() cel.EnvOption {
	args := []*cel.Type{cel.StringType, cel.StringType}
	return cel.Function(overloads.Matches,
		cel.Overload(overloads.Matches, args, cel.BoolType),
		cel.MemberOverload(overloads.MatchesString, args, cel.BoolType),
		cel.SingletonBinaryBinding(matches))
}

var _ functions.BinaryOp = matches

func matches(text, pattern ref.Val) ref.Val {
	t, isText := text.(types.String)
	p, isPattern := pattern.(types.String)
	if !isText || !isPattern {
		return types.NoSuchOverloadErr()
	}
	if matchCost(t, p) > maxCost {
		return types.WrapErr(fmt.Errorf("%w: a regular expression, or what it is to match", ErrTooLarge)) // the cost ends it, too
	}
	re, err := regexp.Compile(string(p))
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(re.MatchString(string(t)))
}

// matchCost is what it costs to match text, before it is done: to compile the
// pattern, and to look at each byte with each instruction.
func matchCost(text, pattern types.String) uint64 {
	if len(pattern) > maxPattern {
		return maxCost + 1
	}
	parsed, err := syntax.Parse(string(pattern), syntax.Perl)
	if err != nil {
		return 1 + uint64(len(pattern))/10
	}
	n := instructions(parsed)
	if n > maxProgram {
		return maxCost + 1
	}
	return 1 + uint64(len(pattern))/10 + n/10 + n*uint64(len(text))/stepsPerCost
}

// instructions estimates how many instructions re is compiled to, before that
// takes the memory. Beyond maxProgram it says no more than that.
func instructions(re *syntax.Regexp) uint64 {
	n := uint64(1 + len(re.Rune)/2)
	for _, sub := range re.Sub {
		if n += instructions(sub); n > maxProgram {
			return maxProgram + 1
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= uint64(max(re.Min, re.Max, 1)) + 1
	}
	return min(n, maxProgram+1)
}
