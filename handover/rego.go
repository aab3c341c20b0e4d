package handover

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// regoPolicy returns the form for buildx's own policies: a program, and beside
// it a file of data. The program has no text in it that comes from images.
//
// buildx loads what --policy filename= names, and by itself DOCKERFILE.rego from
// beside the Dockerfile: a build from a Dockerfile of another name, or from
// standard input, has no such policy, and buildx does not say so. Names, also
// those in a program, are relative to the context of the build, or with cwd://
// to the folder that buildx runs in (newer versions; build/opt.go and
// build/policy_loader.go). So the data is looked for in several
// places, and whoever writes what is built could have put a file into one of
// them: only data with the program's id counts, which nobody knows beforehand.
func regoPolicy() Form {
	return Form{
		Name:    "rego",
		Doc:     "policy for docker buildx build and bake, 0.31 or later, with its data in PATH.json: no image but those admitted; give it with --policy filename=cwd://PATH,strict=true: by itself, buildx loads it for the one Dockerfile that it is named after",
		Denies:  true,
		Refuses: unreadable,
		Files: func(s Set, o Options) ([]File, error) {
			p := regoPair{set: s, id: strings.ToLower(rand.Text())}
			program, err := p.program(o.Path)
			if err != nil {
				return nil, err
			}
			data, err := p.data()
			if err != nil {
				return nil, err
			}
			return []File{
				{Body: program, Check: same(program)},
				{Suffix: regoSuffix, Body: data, Check: both(p.check, same(data))},
			}, nil
		},
	}
}

const (
	regoSuffix = ".json"
	regoLimit  = 4 << 20 // bytes that load_json reads; it does not say that there are more
)

// A regoPair is what belongs together.
type regoPair struct {
	set Set
	id  string
}

// A regoData is the file of data. Images are by repository.
type regoData struct {
	ID     string               `json:"id"`
	Images map[string]regoImage `json:"images"`
}

type regoImage struct {
	Tags    map[string]string `json:"tags,omitempty"` // to digests
	Digests map[string]string `json:"digests"`        // to what is known of them: verified, or exempt
}

const verified = "verified"

func (p regoPair) data() ([]byte, error) {
	d := regoData{ID: p.id, Images: map[string]regoImage{}}
	for _, e := range p.set.entries {
		if err := unreadable(e.ref); err != nil {
			return nil, err
		}
		img, ok := d.Images[e.ref.Name()]
		if !ok {
			img = regoImage{Tags: map[string]string{}, Digests: map[string]string{}}
			d.Images[e.ref.Name()] = img
		}
		switch {
		case e.exempt != nil:
			img.Digests[e.digest] = until(e.exempt) + ", not verified"
		case img.Digests[e.digest] == "":
			img.Digests[e.digest] = verified
		}
		if e.ref.Digest() == "" {
			img.Tags[e.ref.Tag()] = e.digest
		}
	}
	body, err := document(d)
	if err == nil && len(body) > regoLimit {
		err = fmt.Errorf("%d images are more than a buildx policy can load: use the form source-policy", len(p.set.entries))
	}
	return body, err
}

// check says what is wrong with the data: it has the images of the Set and no
// others.
func (p regoPair) check(readBack []byte) error {
	var d regoData
	if err := strictly(readBack, &d); err != nil {
		return err
	}
	if d.ID != p.id {
		return errors.New("it belongs to another program")
	}
	type tag struct{ repository, tag string }
	digests, tags := map[string]bool{}, map[tag]bool{}
	for _, e := range p.set.entries {
		img := d.Images[e.ref.Name()]
		if img.Digests[e.digest] == "" || e.exempt != nil && img.Digests[e.digest] == verified {
			return fmt.Errorf("it does not admit %s as what it is", e.scope())
		}
		digests[e.scope()] = true
		if e.ref.Digest() == "" {
			if img.Tags[e.ref.Tag()] != e.digest {
				return fmt.Errorf("it takes %s for %q", e.ref, img.Tags[e.ref.Tag()])
			}
			tags[tag{e.ref.Name(), e.ref.Tag()}] = true
		}
	}
	for name, img := range d.Images {
		for digest := range img.Digests {
			if !digests[name+"@"+digest] {
				return fmt.Errorf("it admits %q, which was not", name+"@"+digest)
			}
		}
		for t := range img.Tags {
			if !tags[tag{name, t}] {
				return fmt.Errorf("it admits %q, which was not", name+":"+t)
			}
		}
	}
	return nil
}

// program returns the policy, which finds its data beside a file of this name.
// JSON strings are Rego's strings.
func (p regoPair) program(name string) ([]byte, error) {
	if name == "" {
		name = "Dockerfile.rego"
	}
	name += regoSuffix
	names := []string{"cwd://" + name, name, "cwd://" + path.Base(name), path.Base(name)}
	slices.Sort(names)
	list, err := json.Marshal(slices.Compact(names))
	if err != nil {
		return nil, err
	}
	file, err := json.Marshal(path.Base(name))
	if err != nil {
		return nil, err
	}
	return []byte(strings.NewReplacer("$NAMES", string(list), "$FILE", string(file), "$ID", p.id).Replace(regoProgram)), nil
}

// regoProgram leaves local files, Git and HTTP alone. What else there is, or will
// be, is denied.
const regoProgram = `# Which images a build may use: written by boltseal, for docker buildx.
package docker

# The file that was written together with this one, and no other, has this id.
admitted := images if {
	some name in $NAMES
	file := load_json(name)
	file.id == "$ID"
	images := file.images
}

default allow := false

allow if input.local

allow if input.git

allow if input.http

# A digest that was admitted, of its repository.
allow if {
	parts := split(input.image.ref, "@")
	admitted[input.image.fullRepo].digests[parts[1]]
}

# A tag that was admitted becomes its digest; then this is asked once more.
allow if {
	not contains(input.image.ref, "@")
	digest := admitted[input.image.fullRepo].tags[input.image.tag]
	pin_image(input.image, digest)
}

deny_msg contains msg if {
	input.image
	not admitted
	msg := sprintf("boltseal: %s cannot be read, or belongs to another policy: run boltseal again", [$FILE])
}

deny_msg contains msg if {
	input.image
	admitted
	not allow
	msg := sprintf("boltseal: %s is none of the images that were admitted", [input.image.ref])
}

decision := {"allow": allow, "deny_msg": deny_msg}
`
