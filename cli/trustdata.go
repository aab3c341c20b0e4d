package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/registry"
	"github.com/boltseal/boltseal/report"
	"github.com/boltseal/boltseal/verify"
	"github.com/boltseal/boltseal/verify/dct"
)

// trustData shows what Docker Content Trust has of repositories, whoever signed.
type trustData struct {
	session *dct.Session
	config  dct.Config
	pinned  bool // flags say which root to trust
	now     time.Time
}

// trustData returns how flags say that trust data are read. Where they name no
// root, whatever is shown first is taken: it proves nothing, and users are told.
func (c Command) trustData(f *dctSigners, client *registry.Client, t *trusts) (trustData, error) {
	config, err := f.config(c)
	if err != nil {
		return trustData{}, err
	}
	pinned := len(config.RootKeyIDs)+len(config.RootKeys)+len(config.RootCA) > 0
	config.TOFU = !pinned
	return trustData{dct.NewSession(client, t.dctCache()), config, pinned, c.now()}, nil
}

// of returns what the notary server has of the repository of ref, and how that is
// shown but for its tags. The collection is nil where there is none that holds.
func (d trustData) of(ctx context.Context, ref image.Ref) (report.ContentTrust, *dct.Collection) {
	out := report.ContentTrust{GUN: dct.GUN(ref), Server: d.config.Server.String(), Pinned: d.pinned}
	if d.config.Server.IsZero() {
		out.Server = dct.DefaultServer(ref)
	}
	out.Ending = dct.Ending(out.Server, d.now)
	if day, known := dct.Ends(out.Server); known && d.config.Server.IsZero() && !d.now.Before(day) {
		out.Reason, out.Err, out.Ending = verify.Unsigned, gone(out.Server, out.Ending), ""
		return out, nil
	}
	found, err := d.session.Collection(ctx, d.config, ref)
	switch {
	case err != nil:
		out.Reason, out.Err = d.explained(out, err)
		return out, nil
	case found == nil:
		out.Reason, out.Err = verify.Undecided, errors.New("the trust data are not there")
		return out, nil
	}
	out.Pin = found.Pin
	for _, r := range found.Roles {
		if r.Name == releases && r.Err != nil {
			out.Void = "targets/releases does not count, and what it has released last is not known: " + r.Err.Error()
		}
		out.Roles = append(out.Roles, report.TrustRole(r))
	}
	return out, found
}

// explained returns what an error of reading the trust data of t means, with the
// next step. Where nobody has named the server, it may be another.
func (d trustData) explained(t report.ContentTrust, err error) (verify.Reason, error) {
	reason, next := dct.Reason(err), d.config.Next(err)
	switch {
	case reason == verify.Undecided && errors.Is(err, context.DeadlineExceeded):
		reason, next = verify.Unavailable, "give it more time with --timeout"
	case d.config.Server.IsZero() && (reason.NoAnswer() || reason == verify.Unsigned):
		next = join("name the server with --dct-server if it is not "+t.Server+" (DOCKER_CONTENT_TRUST_SERVER is not read)", next)
	}
	if next == verify.Hint(err) {
		return reason, err
	}
	return reason, &verify.Error{Op: "read the trust data of " + t.GUN, Hint: next, Err: err}
}

func join(next, otherwise string) string {
	if otherwise == "" {
		return next
	}
	return next + "; else " + otherwise
}

// gone explains that the server that docker would ask has ended. Its name may be
// somebody else's one day.
func gone(server, ending string) error {
	return &verify.Error{
		Op: "read trust data of " + server, Err: fmt.Errorf("%s: it is not asked any more", ending),
		Hint: "sign with Sigstore or Notation; --dct-server asks the server all the same",
	}
}

// releases is the role whose tags count before those of targets.
const releases = "targets/releases"

// isReleased reports whether a role's tags are taken by clients.
func isReleased(role string) bool { return role == releases || role == "targets" }

// unverified is the warning of trust data whose root nobody has compared; it has
// no text where somebody has.
func unverified(t report.ContentTrust) report.Warning {
	if !t.Found() || t.Pinned {
		return report.Warning{}
	}
	return report.Warning{Text: "nobody said which root key of " + t.GUN + " to trust: what is shown of Docker Content Trust is what the server says, and NOT VERIFIED; compare its Root key with its publisher's, and give it with --dct-root-key-ids"}
}
