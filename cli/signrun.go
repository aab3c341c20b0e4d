package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/sign"
	"github.com/boltseal/boltseal/verify"
)

// signPatience bounds what is waited before all attempts at one request to a
// registry, as sign/sigstore does for its services: a job that signs is to end in
// half a minute where one of them is down.
const signPatience = 20 * time.Second

// sign asks the registry and the services, and adds to r what came of it.
func (s *signing) sign(ctx context.Context, r *report.Signed, done func(done, of int)) error {
	s.flags.registry.patience = signPatience
	client, err := s.flags.registry.client(s.command, s.uses())
	if err != nil {
		return err
	}
	s.means.begin(ctx)
	images, failures := s.resolve(ctx, client)
	r.Failures = failures
	if len(s.checks.scans) > 0 && len(failures) > 0 { // nobody knows whether a report is about one of those
		for _, img := range images {
			err := &verify.Error{Op: "look at the scan reports", Err: errors.New("another image could not be resolved"), Hint: "run it again, or sign each image in a run of its own"}
			r.Failures = append(r.Failures, sign.Failure{Reference: img.Ref().String(), Image: img, Err: err})
		}
		return nil
	}
	if err := s.checks.match(ctx, client, images); err != nil {
		r.Failures = failed(images, err)
		return nil
	}
	r.Checks = s.checks.done
	if r.Refused = s.checks.refused; r.Refused != nil || len(images) == 0 {
		return nil
	}
	signer, err := s.means.signer(ctx, client, done)
	if u := (*usageError)(nil); errors.As(err, &u) {
		return err
	}
	if err != nil {
		r.Failures = append(r.Failures, failed(images, err)...)
		return nil
	}
	result, notices, err := s.made(ctx, signer, images)
	if err != nil {
		return err
	}
	r.Notices = append(r.Notices, notices...)
	if err := s.means.misconfigured(result.Failures); err != nil && len(result.Records) == 0 {
		return err
	}
	r.Failures = append(r.Failures, result.Failures...)
	r.Notices = append(r.Notices, s.means.notices()...)
	for _, x := range result.Records {
		if x.Notice != "" && !slices.Contains(r.Notices, x.Notice) {
			r.Notices = append(r.Notices, x.Notice)
		}
	}
	return s.record(r, result.Records)
}

// made has everything made. A summary is of one image: each says of itself what
// was checked, and notices what it does not claim.
func (s *signing) made(ctx context.Context, signer signer, images []image.Pinned) (result sign.Result, notices []string, err error) {
	order := s.order
	order.Images = images
	if s.checks.attest {
		order.Own = map[string][]sign.Statement{}
		for _, img := range images {
			summary, notice, err := s.checks.summary(img)
			if err != nil {
				return sign.Result{}, nil, usagef("--vsa", hintOf(err, "leave it out"), "%w", bare(err))
			}
			if notice != "" {
				notices = append(notices, notice)
			}
			order.Own[img.String()] = []sign.Statement{summary}
		}
	}
	return signer.Sign(ctx, order), notices, nil
}

// failed says of all images that err kept them from being signed.
func failed(images []image.Pinned, err error) []sign.Failure {
	var all []sign.Failure
	for _, img := range images {
		all = append(all, sign.Failure{Reference: img.Ref().String(), Image: img, Err: err})
	}
	return all
}

// uses are the images as those who look for credentials know them.
func (s *signing) uses() []image.Use {
	var uses []image.Use
	for _, ref := range s.refs {
		uses = append(uses, image.Use{Ref: ref})
	}
	return uses
}

// resolve binds each reference to a digest, once.
func (s *signing) resolve(ctx context.Context, client *registry.Client) ([]image.Pinned, []sign.Failure) {
	pinned, errs := make([]image.Pinned, len(s.refs)), make([]error, len(s.refs))
	var all sync.WaitGroup
	slots := make(chan struct{}, s.flags.jobs)
	for i, ref := range s.refs {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			pinned[i], errs[i] = client.Resolve(ctx, ref)
		})
	}
	all.Wait()
	var (
		images   []image.Pinned
		failures []sign.Failure
	)
	for i, img := range pinned {
		if errs[i] != nil {
			failures = append(failures, sign.Failure{Reference: s.refs[i].String(), Err: errs[i]})
			continue
		}
		images = append(images, img)
	}
	return images, failures
}

// openBundles makes the folder of --bundle-dir, and sees that it can be written.
func (s *signing) openBundles() error {
	if s.flags.bundleDir == "" {
		return nil
	}
	const next = "name a folder that may be written"
	dir := s.command.path(s.flags.bundleDir)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // bundles are public
		return usagef("--bundle-dir", next, "%w", err)
	}
	if err := writableDir(dir); err != nil {
		return usagef("--bundle-dir", next, "%w", err)
	}
	return nil
}

// record adds records to r, and writes their bundles.
func (s *signing) record(r *report.Signed, records []sign.Record) error {
	var errs []error
	for _, x := range records {
		item := s.means.item(x)
		if s.flags.bundleDir != "" && len(x.Bundle) > 0 {
			var err error
			if item.File, err = writeBundle(s.command.path(s.flags.bundleDir), x); err != nil {
				item.File = ""
				errs = append(errs, err)
			}
		}
		r.Items = append(r.Items, item)
	}
	if err := errors.Join(errs...); err != nil {
		return &resultError{fmt.Errorf("write the bundles of what was signed: %w", err), "what was signed is in the registry; run it again with a folder that can be written, and nothing is signed twice"}
	}
	return nil
}

// writeBundle writes a bundle, whole or not at all. Its name follows from what it
// is about and what it is, so that a second run writes the same file.
func writeBundle(dir string, x sign.Record) (string, error) {
	sum := sha256.Sum256(x.Bundle)
	name := strings.Replace(x.Image.Digest(), ":", "-", 1) + "." + hex.EncodeToString(sum[:6]) + ".sigstore.json"
	path := filepath.Join(dir, name)
	return path, writeWhole(path, x.Bundle) // it is public, as the registry's
}
