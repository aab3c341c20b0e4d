package dockerfile

import (
	"testing"

	"github.com/boltseal/boltseal/image"
)

// A literal is what stands at the place, letter by letter, or the default of the
// one variable that does; there is none where the place is only near it.
func TestLiteral(t *testing.T) {
	t.Parallel()
	at := image.Position{File: "Dockerfile", Line: 2, Col: 6}
	inside := image.Position{File: "Dockerfile", Line: 2, Col: 7}
	def := image.Literal{Text: "alpine", At: image.Position{File: "Dockerfile", Line: 1, Col: 7}}
	work := maxTotal
	s := newScope('\\', &work)
	s.defaults["A"] = def
	for _, tc := range []struct {
		place        place
		word, result string
		want         image.Literal
	}{
		{place{text: "alpine", at: at}, "alpine", "alpine", image.Literal{Text: "alpine", At: at}},
		{place{text: `"alpine"`, at: at}, `"alpine"`, "alpine", image.Literal{Text: "alpine", At: inside}},
		{place{text: `'alpine'`, at: at}, `'alpine'`, "alpine", image.Literal{Text: "alpine", At: inside}},
		{place{text: `"alpine'`, at: at}, `"alpine'`, "alpine", image.Literal{}},
		{place{text: "alpine", at: at, rest: true}, "alpine", "alpine", image.Literal{}},
		{place{text: `al\pine`, at: at}, `al\pine`, "alpine", image.Literal{}},
		{place{text: "al\\\npine", at: at}, "alpine", "alpine", image.Literal{}},
		{place{text: "$A", at: at}, "$A", "alpine", def},
		{place{text: `"${A}"`, at: at}, `"${A}"`, "alpine", def},
		{place{text: "$A", at: at, rest: true}, "$A", "alpine", image.Literal{}},
		{place{text: "$\\\nA", at: at}, "$A", "alpine", image.Literal{}},
		{place{text: "$A", at: at}, "$A", "debian", image.Literal{}},
		{place{text: "$B", at: at}, "$B", "alpine", image.Literal{}},
		{place{text: "$A:3", at: at}, "$A:3", "alpine:3", image.Literal{}},
		{place{text: "${A:-x}", at: at}, "${A:-x}", "alpine", image.Literal{}},
	} {
		if got := s.literal(tc.place, tc.word, tc.result); got != tc.want {
			t.Errorf("%+v, %q is %q: literal %+v, want %+v", tc.place, tc.word, tc.result, got, tc.want)
		}
	}
	if got := (place{text: "copy", at: at, rest: true}).literal("copy"); got != (image.Literal{}) {
		t.Errorf("an instruction is the literal %+v", got)
	}
}
