package dockerfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/scan"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// frontend returns the use of the image that reads the file, if one does, in
// the order of dockerfile/builder/build.go, Build. That image is pulled and run
// whatever the target is. Where a context stands in for it, replaced is the place.
func frontend(s *source, b scan.Build, builder *platforms.Platform) (_ image.Use, ok bool, replaced []image.Use) {
	u := image.Use{Kind: image.Syntax}
	name, ok := b.Args["BUILDKIT_SYNTAX"]
	if ok {
		name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
		u.Text = name
	} else {
		var where []parser.Range
		if name, _, where, ok = parser.DetectSyntax(s.body); !ok {
			return image.Use{}, false, nil
		}
		p := s.directive(first(where), name)
		u.Text, u.At, u.Literal = p.text, p.at, p.literal(name)
	}
	if name == "" {
		u.Err = errors.New("BUILDKIT_SYNTAX names no image")
		return u, true, nil
	}
	by, ok, instead := settle(u, name, b.Contexts, builder)
	if instead {
		replaced = []image.Use{u}
	}
	return by, ok, replaced
}

// stranger warns of a frontend that does not call itself one of Dockerfiles:
// what it makes of the file is its own affair.
func stranger(u image.Use) []scan.Warning {
	path := u.Ref.Repository()
	if u.Err != nil || strings.HasPrefix(path[strings.LastIndexByte(path, '/')+1:], "dockerfile") {
		return nil
	}
	return []scan.Warning{{At: u.At, Text: fmt.Sprintf("%s reads this file in its own way: the images found in it are those that BuildKit's own reading gives", u.Ref)}}
}

// directive returns the place of the frontend's name.
func (s *source) directive(n int, name string) place {
	if json.Valid(bytes.TrimPrefix(s.body, bom)) {
		return s.member(name)
	}
	n = max(1, min(n, len(s.lines)))
	line := s.line(n)
	eq := bytes.IndexByte(line, '=')
	i := bytes.Index(line[eq+1:], []byte(name))
	if eq < 0 || i < 0 {
		return place{at: s.start(n), rest: true}
	}
	return place{text: name, at: s.position(s.lines[n-1] + eq + 1 + i)}
}

// member returns the place of the member "syntax" of a file that is an object
// of JSON: the last one counts.
func (s *source) member(name string) place {
	found := place{at: s.start(1), rest: true}
	body := bytes.TrimPrefix(s.body, bom)
	skipped := len(s.body) - len(body)
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return found
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return found
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return found
		}
		end := skipped + int(d.InputOffset()) - 1 // of what is between the quotes
		begin := end - (len(value) - 2)
		if key == "syntax" && len(value) > 2 && begin > 0 {
			found = place{text: string(s.body[begin:end]), at: s.position(begin)}
		}
	}
	return found
}
