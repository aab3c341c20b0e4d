package sigstore

import (
	"errors"
	"time"
)

// A Token says who signs. It never shows itself. The zero Token is nobody's.
type Token struct{ text string }

// ParseToken reads an OIDC token for audience.
func ParseToken(text, audience string, now time.Time) (Token, error) {
	return Token{}, errors.New("there is no token")
}

// String returns what may be shown of t.
func (t Token) String() string { return "(token)" }
