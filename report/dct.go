package report

import "strings"

// dctSystem is the system of Docker Content Trust, as in [verify.Evidence].
const dctSystem = "dct"

// dctLine says what the claims of a tag that was signed with Docker Content Trust
// are worth, as the rest of a line.
func dctLine(claims map[string]string) string {
	s := ""
	if tag := claims["tag"]; tag != "" {
		s += ", tag " + tag
	}
	switch pin := claims["pin"]; pin {
	case "":
	case "first use":
		s += ", root believed at first sight"
	default:
		s += ", root by its " + strings.TrimPrefix(pin, "root ")
	}
	if when, role, ok := strings.Cut(claims["expires"], " "); ok {
		s += ", " + role + " expires " + when
	}
	if rollback := claims["rollback"]; rollback != "" {
		s += ", rollback " + rollback
	}
	return s
}
