package handover

import "encoding/json"

// Evaluate returns what becomes of a source by a policy that is read as
// BuildKit reads it. Denied is whether it is refused by the rules; err is set
// where there is another cause.
func Evaluate(policy []byte, source string) (becomes string, denied bool, err error) {
	var p sourcePolicy
	if err := json.Unmarshal(policy, &p); err != nil {
		return "", false, err
	}
	becomes, err = evaluate(p.Rules, source)
	if err == errDenied { //nolint:errorlint // it is never wrapped
		return becomes, true, nil
	}
	return becomes, false, err
}
