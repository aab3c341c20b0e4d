package kubernetes

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/boltseal/boltseal/internal/yamlnode"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/internal/yamlfile"
)

const (
	// maxKustomizations bounds how many kustomizations one reads, itself
	// included, and how often.
	maxKustomizations = 500
	// maxWork bounds what all of them do: a unit for an override that is tried
	// on a slot, other things as dear as they are compared to that.
	maxWork = 1 << 20
	// What is not a plain override costs.
	costSlot    = 4
	costInline  = 256
	costPattern = 1 << 15
)

// kustomizations are the names that kustomize looks for in a folder.
func kustomizations() []string {
	return []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}
}

func isKustomization(name string) bool { return slices.Contains(kustomizations(), path.Base(name)) }

// kustomize follows a kustomization through the files and folders of the
// workspace that it lists.
type kustomize struct {
	fsys      fs.FS
	files     map[string]loaded // kustomizations
	manifests map[string][]slot
	within    []string // the kustomizations that lead here
	opened    int      // kustomizations, each time
	work      int      // what may still be done
	warnings  []scan.Warning
}

// loaded is what came of reading a file.
type loaded struct {
	file *yamlnode.File
	err  error
}

// read returns what a kustomization makes of slots, which come before its own:
// none, unless it is a component.
func (k *kustomize) read(name string, slots []slot) []slot {
	l, done := k.files[name]
	if !done {
		l.file, l.err = yamlfile.Load(k.fsys, name)
		k.files[name] = l
	}
	k.opened++
	k.within = append(k.within, name)
	defer func() { k.within = k.within[:len(k.within)-1] }()
	for i, doc := range l.file.Docs {
		switch {
		case i == 0:
			slots = k.build(l.file, doc, slots)
		case !yamlnode.IsNull(doc): // kustomize reads the first, and who knows what others do
			return append(slots, slot{text: yamlnode.Scalar{At: l.file.At(doc)}, err: errors.New("a kustomization has one document")})
		}
	}
	if l.err != nil {
		slots = append(slots, broken(l.file, l.err))
	}
	return slots
}

// build does what kustomize does, in its order: resources, components, which
// change what is there, patches, images.
func (k *kustomize) build(f *yamlnode.File, doc *yaml.Node, slots []slot) []slot {
	for _, key := range []string{"resources", "bases"} {
		for _, entry := range yamlnode.Items(yamlnode.Find(doc, key)) {
			slots = append(slots, k.resource(f, entry, nil)...)
		}
	}
	for _, entry := range yamlnode.Items(yamlnode.Find(doc, "components")) {
		slots = k.resource(f, entry, slots)
	}
	slots = append(slots, k.patches(f, doc)...)
	for _, key := range []string{"helmCharts", "helmChartInflationGenerator", "generators", "transformers", "replacements", "configurations"} {
		if n := yamlnode.Find(doc, key); !yamlnode.IsNull(n) {
			k.warn(f, n, key+" can add or change images, which are not seen: give what kustomize build writes")
		}
	}
	for _, key := range []string{"imageTags", "images"} { // the old name, and that of today
		slots = k.override(f, yamlnode.Find(doc, key), slots)
	}
	return slots
}

func (k *kustomize) warn(f *yamlnode.File, n *yaml.Node, text string) {
	k.warnings = append(k.warnings, scan.Warning{At: f.At(n), Text: text})
}

// spend takes work off the budget, and says once that there is no more: after
// that, nothing is done.
func (k *kustomize) spend(work int) error {
	if k.work -= work; k.work < 0 {
		return errors.New("this kustomization builds more than can be looked into")
	}
	return nil
}

func (k *kustomize) spent() bool { return k.work < 0 }

// resource returns slots with those of an entry, a file or a folder, behind
// them. Slots are what a component changes.
func (k *kustomize) resource(f *yamlnode.File, entry *yaml.Node, slots []slot) []slot {
	if k.spent() {
		return slots
	}
	text, ok := f.Scalar(entry)
	if !ok {
		return append(slots, slot{text: yamlnode.Scalar{At: f.At(entry)}, err: errors.New("a resource that is no string")})
	}
	fail := func(err error) []slot { return append(slots, slot{text: text, err: err}) }
	name, err := k.target(f, text.Value)
	switch {
	case err != nil && isRemote(text.Value):
		k.warn(f, entry, text.Text+" is fetched from elsewhere; its images are not verified")
		return slots
	case err != nil:
		return fail(err)
	case slices.Contains(k.within, name):
		return fail(fmt.Errorf("%s is part of itself", name))
	case k.opened >= maxKustomizations:
		return fail(fmt.Errorf("more than %d kustomizations", maxKustomizations))
	}
	if isKustomization(name) {
		slots = k.read(name, slots)
	} else {
		own, err := k.file(name)
		if err != nil {
			return fail(err)
		}
		slots = append(slots, own...)
	}
	if k.spent() {
		return slots
	}
	if err := k.spend(1 + costSlot*len(slots)); err != nil {
		return fail(err)
	}
	return slots
}

// target returns the file that an entry names: a manifest, or the kustomization
// of a folder.
func (k *kustomize) target(f *yamlnode.File, entry string) (string, error) {
	name := path.Join(path.Dir(f.Name), entry)
	if path.IsAbs(entry) || !fs.ValidPath(name) {
		return "", errors.New("outside of the workspace")
	}
	info, err := fs.Stat(k.fsys, name)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		if isKustomization(name) {
			return "", errors.New("kustomize wants the folder, not the kustomization in it")
		}
		return name, nil
	}
	for _, base := range kustomizations() {
		inner := path.Join(name, base)
		if _, err := fs.Stat(k.fsys, inner); err == nil {
			return inner, nil
		}
	}
	return "", errors.New("a folder without a kustomization")
}

// isRemote reports whether kustomize takes an entry that is not there for the
// address of something.
func isRemote(entry string) bool {
	for _, sign := range []string{"://", "?ref=", "git@", "git::", ".git", "github.com"} {
		if strings.Contains(entry, sign) {
			return true
		}
	}
	return false
}

// file returns the slots of a manifest. A list of patches is read, too.
func (k *kustomize) file(name string) ([]slot, error) {
	if slots, done := k.manifests[name]; done {
		return slots, nil
	}
	f, err := yamlfile.Load(k.fsys, name)
	if f.Body == nil && err != nil {
		return nil, err
	}
	p := pods{file: f}
	for _, doc := range f.Docs {
		p.walk(doc)
		p.operations(doc)
	}
	if err != nil {
		p.slots = append(p.slots, broken(f, err))
	}
	inOrder(p.slots)
	k.manifests[name] = p.slots
	return p.slots, nil
}

// override applies a list of images, one entry after the other.
func (k *kustomize) override(f *yamlnode.File, images *yaml.Node, slots []slot) []slot {
	for _, n := range yamlnode.Items(images) {
		if k.spent() {
			return slots
		}
		o, at, err := newOverride(f, n)
		if err == nil {
			err = k.spend(o.cost(len(slots)))
		}
		if err != nil {
			slots = append(slots, slot{text: at, err: err})
			continue
		}
		slots = o.applyAll(slots)
	}
	return slots
}

// applyAll changes slots to what the override leaves. Where that depends on the
// version of kustomize, an image comes both ways, the less likely one last:
// older versions leave a volume's, and up to now they put a suffix twice behind
// the tag of most kinds (https://github.com/kubernetes-sigs/kustomize/issues/4814).
func (o override) applyAll(slots []slot) []slot {
	var others []slot
	for i, s := range slots {
		slots[i] = o.apply(s)
		if s.kind == volume && slots[i].ref != s.ref {
			s.kind, slots[i].kind = fixed, container
			others = append(others, s)
		}
		if s.kind == container && o.tagSuffix.Value != "" {
			if twice := o.apply(slots[i]); twice.ref != slots[i].ref {
				others = append(others, twice)
			}
		}
	}
	return append(slots, others...)
}
