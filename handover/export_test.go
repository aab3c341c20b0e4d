package handover

import (
	"encoding/json"
	"errors"
	"strings"
)

// An Engine evaluates sources by a policy that is read as BuildKit reads it.
type Engine struct{ policy sourcePolicy }

// NewEngine returns the Engine of a policy.
func NewEngine(policy []byte) (e Engine, err error) {
	err = json.Unmarshal(policy, &e.policy)
	return e, err
}

// Evaluate returns what becomes of a source. Denied is whether it is refused by
// the rules; err is set where there is another cause.
func (e Engine) Evaluate(source string) (becomes string, denied bool, err error) {
	becomes, err = evaluate(e.policy.Rules, source)
	if errors.Is(err, errDenied) {
		return becomes, true, nil
	}
	return becomes, false, err
}

// Evaluate is both in one.
func Evaluate(policy []byte, source string) (becomes string, denied bool, err error) {
	e, err := NewEngine(policy)
	if err != nil {
		return "", false, err
	}
	return e.Evaluate(source)
}

// Beyond reports whether a policy has something that Evaluate does not look at
// and BuildKit does, or the other way around.
func Beyond(policy []byte) bool {
	var p sourcePolicy
	if err := json.Unmarshal(policy, &p); err != nil {
		var t *json.UnmarshalTypeError
		return errors.As(err, &t) && strings.HasSuffix(strings.ToLower(t.Field), "comment")
	}
	for _, r := range p.Rules {
		if r == nil {
			continue
		}
		if r.Selector != nil && len(r.Selector.Constraints) > 0 || r.Updates != nil && len(r.Updates.Attrs) > 0 {
			return true
		}
	}
	return false
}

// Prove says what the policy does that it should not, where s is admitted and
// the file is what was written.
func Prove(policy []byte, s Set, strict bool) error {
	e, err := NewEngine(policy)
	if err != nil {
		return err
	}
	return admission{e.policy, policy, s, strict}.check(policy)
}
