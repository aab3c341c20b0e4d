package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	source "github.com/boltseal/boltseal/image" // this package has a function image
	"github.com/boltseal/boltseal/internal/strictjson"
	"github.com/boltseal/boltseal/verify"
)

// MaxJSON bounds a JSON report that is read, in bytes.
const MaxJSON = 32 << 20

// ErrNotPassed says that a report is sound, and that of a run that did not pass:
// nothing was let in by it.
var ErrNotPassed = errors.New("the run did not pass")

// A Past is a run that passed, as its JSON report tells. Only [Read] returns one
// with images; the zero Past let nothing in.
type Past struct {
	ToolVersion string
	Started     time.Time
	Images      []PastImage // in the order of the report
}

// A PastImage is one image that the run let in.
type PastImage struct {
	// Pinned is the reference that was asked for, bound to its digest, with what
	// its index lists where the run had read that.
	Pinned source.Pinned
	// Exempt is whether nobody verified it: an exception let it in.
	Exempt bool
}

// readNames are the names of the document that decide what it says. The values
// of claims are the certificates' own business.
func readNames() strictjson.Shape {
	return strictjson.Shape{
		Names: []string{
			"version", "tool", "name", "passed", "complete", "mode", "started", "images", "reference", "digest", "pinned",
			"media_type", "platforms", "platform", "attests", "verified", "reason", "exemption", "checks", "evidence", "signed",
		},
		Opaque: []string{"claims"},
	}
}

// What is read of the document. A pointer tells what is not there from what is
// empty or false.
type (
	pastDoc struct {
		Version  *int           `json:"version"`
		Tool     *tool          `json:"tool"`
		Passed   *bool          `json:"passed"`
		Complete *bool          `json:"complete"`
		Mode     string         `json:"mode"`
		Started  *time.Time     `json:"started"`
		Images   []pastImageDoc `json:"images"`
	}
	pastImageDoc struct {
		Reference string           `json:"reference"`
		Digest    string           `json:"digest"`
		Pinned    string           `json:"pinned"`
		MediaType string           `json:"media_type"`
		Platforms []childDoc       `json:"platforms"`
		Passed    *bool            `json:"passed"`
		Verified  *bool            `json:"verified"`
		Reason    string           `json:"reason"`
		Exemption *json.RawMessage `json:"exemption"`
		Checks    []pastCheckDoc   `json:"checks"`
	}
	pastCheckDoc struct {
		Passed   *bool  `json:"passed"`
		Reason   string `json:"reason"`
		Evidence []struct {
			Signed string `json:"signed"`
			Digest string `json:"digest"`
		} `json:"evidence"`
	}
)

// Read reads a document that [JSON] wrote, at most [MaxJSON] bytes of it. It
// returns only a run that passed, and [ErrNotPassed] of one that did not. A
// document that is of another version or program, ends early, can be read in two
// ways or contradicts itself is another error: nobody knows what it let in.
// Nothing in it is signed; it is as good as the place where it was kept.
func Read(body []byte) (Past, error) {
	doc, err := readDocument(body)
	if err != nil {
		return Past{}, &verify.Error{Op: "read the report", Err: err, Hint: "give the file that boltseal verify wrote with --report json=FILE in this very job"}
	}
	if !*doc.Passed {
		return Past{}, &verify.Error{Op: "read the report", Err: doc.notPassed(), Hint: "look at that run first: it says which image was refused, and why"}
	}
	past := Past{ToolVersion: doc.Tool.Version, Started: *doc.Started}
	for i, d := range doc.Images {
		img, err := d.image()
		if err != nil {
			err = fmt.Errorf("image %d, %.200q: the report contradicts itself: %w", i+1, d.Reference, err)
			return Past{}, &verify.Error{Op: "read the report", Err: err, Hint: "do not go on: run boltseal verify again, and find out who changed its report"}
		}
		past.Images = append(past.Images, img)
	}
	return past, nil
}

// readDocument reads what has to be there of any run.
func readDocument(body []byte) (pastDoc, error) {
	var doc pastDoc
	switch {
	case len(body) == 0:
		return doc, errors.New("it is empty: the run that was to write it did not come to its end")
	case len(body) > MaxJSON:
		return doc, fmt.Errorf("it has %d bytes, and at most %d are read", len(body), MaxJSON)
	}
	if err := readNames().Check(body); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return doc, errors.New("it is cut off: the document has no end")
		}
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			return doc, fmt.Errorf("it is no JSON report of boltseal verify: %w", err)
		}
		return doc, err
	}
	// The version first: of another one nothing else is known.
	var head struct {
		Version json.RawMessage `json:"version"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return doc, fmt.Errorf("it is no JSON report of boltseal verify: %w", err)
	}
	if v := string(head.Version); v != fmt.Sprint(Version) {
		switch {
		case v == "":
			return doc, errors.New("it is no JSON report of boltseal verify: it has no version")
		case v[0] == '"': // as SARIF has it
			return doc, fmt.Errorf("it is no JSON report of boltseal verify: its version is %.20s, a text", v)
		}
		return doc, fmt.Errorf("it is of version %.20s, and only version %d is known: use the same boltseal for both", v, Version)
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return doc, fmt.Errorf("it is no JSON report of boltseal verify: %w", err)
	}
	switch {
	case doc.Tool == nil || doc.Tool.Name != "boltseal" || doc.Passed == nil || doc.Complete == nil || doc.Started == nil || doc.Images == nil,
		doc.Mode != "enforce" && doc.Mode != "warn":
		return doc, errors.New("it is no JSON report of boltseal verify: it does not have tool, passed, complete, mode, started and images")
	case *doc.Passed && !*doc.Complete:
		return doc, errors.New("it contradicts itself: a run that was not complete cannot have passed")
	case *doc.Passed && len(doc.Images) == 0:
		return doc, errors.New("it contradicts itself: a run without an image cannot have passed")
	}
	return doc, nil
}

// notPassed says why the run let nothing in.
func (d pastDoc) notPassed() error {
	failed := 0
	first := ""
	for _, img := range d.Images {
		if img.Passed == nil || !*img.Passed {
			if failed++; failed == 1 {
				first = fmt.Sprintf(", the first is %.200q (%.40s)", img.Reference, img.Reason)
			}
		}
	}
	why := fmt.Sprintf("%d of its %s did not pass%s", failed, count(len(d.Images), "image"), first)
	switch {
	case !*d.Complete:
		why = "it was interrupted, or its time ran out"
	case len(d.Images) == 0:
		why = "there was no image"
	}
	if d.Mode == "warn" {
		why += "; mode warn let the job go on, and admitted nothing"
	}
	return fmt.Errorf("%w: %s", ErrNotPassed, why)
}

// image returns the image of a run that passed.
func (d pastImageDoc) image() (PastImage, error) {
	if d.Passed == nil || d.Verified == nil || !*d.Passed {
		return PastImage{}, errors.New("the run passed, and this image did not")
	}
	ref, err := source.Parse(d.Reference)
	switch {
	case err != nil:
		return PastImage{}, err
	case ref.String() != d.Reference:
		return PastImage{}, fmt.Errorf("the reference is %s in full", ref)
	}
	img, err := ref.Pin(d.Digest)
	if err == nil {
		err = d.verdict()
	}
	switch {
	case err != nil:
		return PastImage{}, err
	case *d.Verified && d.Pinned != img.String():
		return PastImage{}, fmt.Errorf("what was verified is %.300q, not %s", d.Pinned, img)
	case !*d.Verified && d.Pinned != "":
		return PastImage{}, fmt.Errorf("what is exempt has no %q", "pinned")
	}
	children := make([]source.Child, 0, len(d.Platforms))
	for _, c := range d.Platforms {
		if !source.ValidDigest(c.Digest) {
			return PastImage{}, fmt.Errorf("a platform has the digest %.100q", c.Digest)
		}
		children = append(children, source.Child{Digest: c.Digest, Platform: c.Platform, Attests: c.Attests})
	}
	return PastImage{Pinned: img.Described(d.MediaType, children), Exempt: !*d.Verified}, nil
}

// verdict says what is wrong with why the image passed.
func (d pastImageDoc) verdict() error {
	if !*d.Verified {
		switch {
		case d.Reason != string(verify.Exempt) || d.Exemption == nil:
			return errors.New("it is neither verified nor exempt")
		case len(d.Checks) > 0:
			return errors.New("it is exempt, and was checked")
		}
		return nil
	}
	switch {
	case d.Reason != string(verify.Verified) || d.Exemption != nil:
		return fmt.Errorf("it is verified, and its reason is %.40q", d.Reason)
	case len(d.Checks) == 0:
		return errors.New("it is verified, and nothing was checked")
	}
	for _, c := range d.Checks {
		if c.Passed == nil || !*c.Passed || c.Reason != string(verify.Verified) || len(c.Evidence) == 0 {
			return errors.New("it is verified, and not every check passed by evidence")
		}
		for _, e := range c.Evidence {
			if e.Signed == verify.SignedImage && e.Digest != d.Digest {
				return fmt.Errorf("it is verified by a signature of %.100q", e.Digest)
			}
		}
	}
	return nil
}
