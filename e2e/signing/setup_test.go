package signing_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/boltseal/boltseal/e2e/signing/sigstack"
)

// check ends the test on an error of what it only prepares or reads.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// password is that of all keys in the tests.
const password = "correct horse battery staple"

// A workplace is where a test runs programs: a folder, which is their home, and
// a front of the stack.
type workplace struct {
	*sigstack.Front
	t       *testing.T
	dir     string
	secrets []string // that nothing may say
	unset   string   // a variable that programs do not get
}

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	front, err := stack.NewFront(t.Context())
	check(t, err)
	t.Cleanup(front.Close)
	return &workplace{Front: front, t: t, dir: t.TempDir(), secrets: []string{password, front.Tokens.RequestToken}}
}

// path returns the path of a file of the workplace.
func (w *workplace) path(name string) string { return filepath.Join(w.dir, name) }

// write writes a file, and returns its path.
func (w *workplace) write(name string, body []byte) string {
	w.t.Helper()
	check(w.t, os.WriteFile(w.path(name), body, 0o600))
	return w.path(name)
}

// signingConfig writes one that offers those services, and returns its path.
func (w *workplace) signingConfig(offered ...*sigstack.Service) string {
	w.t.Helper()
	body, err := w.SigningConfig(offered...)
	check(w.t, err)
	name := "signing"
	for _, s := range offered {
		name += "-" + strings.ReplaceAll(s.Name, " ", "-")
	}
	return w.write(name+".json", body)
}

// An image is one that was pushed.
type image struct {
	repository, tag, digest string
	platforms               []string // digests of an index's manifests
}

// pinned returns repository@digest.
func (i image) pinned() string { return i.repository + "@" + i.digest }

// tagged returns repository:tag.
func (i image) tagged() string { return i.repository + ":" + i.tag }

// of returns repository@digest of another manifest in the repository.
func (i image) of(digest string) string { return i.repository + "@" + digest }

// push pushes an image of its own to the registry.
func (w *workplace) push(registry *sigstack.Service, repository string) image {
	w.t.Helper()
	i := image{repository: registry.Host + "/" + repository, tag: "v1"}
	img, err := random.Image(64, 1)
	check(w.t, err)
	digest, err := img.Digest()
	check(w.t, err)
	i.digest = digest.String()
	ref, err := name.ParseReference(i.tagged(), name.Insecure)
	check(w.t, err)
	check(w.t, remote.Write(ref, img, remote.WithContext(w.t.Context())))
	return i
}

// pushIndex pushes an index of images for two platforms.
func (w *workplace) pushIndex(registry *sigstack.Service, repository string) image {
	w.t.Helper()
	i := image{repository: registry.Host + "/" + repository, tag: "v1"}
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := random.Image(64, 1)
		check(w.t, err)
		digest, err := img.Digest()
		check(w.t, err)
		i.platforms = append(i.platforms, digest.String())
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	digest, err := index.Digest()
	check(w.t, err)
	i.digest = digest.String()
	ref, err := name.ParseReference(i.tagged(), name.Insecure)
	check(w.t, err)
	check(w.t, remote.WriteIndex(ref, index, remote.WithContext(w.t.Context())))
	return i
}

// An outcome is how a process ended.
type outcome struct {
	code           int // -1 for one that was killed
	stdout, stderr string
	took           time.Duration
}

// String returns what a person would have seen.
func (o outcome) String() string {
	return fmt.Sprintf("exit %d after %s\n%s%s", o.code, o.took.Round(time.Millisecond), o.stdout, o.stderr)
}

// said returns everything that it wrote.
func (o outcome) said() string { return o.stdout + o.stderr }

// limit is on any process; what has to end sooner says so itself.
const limit = time.Minute

// execute runs a program with the environment of a job that may sign.
func (w *workplace) execute(program string, env, args []string) outcome {
	w.t.Helper()
	o := w.executeFor(limit, program, env, args)
	if o.code == -1 {
		w.t.Fatalf("%s %q has not ended after %s\n%s", filepath.Base(program), args, limit, o)
	}
	return o
}

// executeFor is execute for a program that is killed after that time.
func (w *workplace) executeFor(limit time.Duration, program string, env, args []string) outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	o, err := w.start(ctx, program, env, args)
	check(w.t, err)
	return o
}

// start is execute where the context says when to kill.
func (w *workplace) start(ctx context.Context, program string, env, args []string) (outcome, error) {
	command := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs under test
	command.Dir = w.dir
	command.Env = slices.Concat([]string{
		// A sixth of the time of processes as short as these goes into garbage.
		"GOGC=400",
		"HOME=" + w.dir, "TMPDIR=" + w.dir, "DOCKER_CONFIG=" + w.dir, "XDG_CACHE_HOME=" + w.path("cache"),
		"PATH=" + os.Getenv("PATH"), "COSIGN_PASSWORD=" + password,
	}, w.RunnerEnv(), env)
	command.Env = slices.DeleteFunc(command.Env, func(v string) bool { return w.unset != "" && strings.HasPrefix(v, w.unset+"=") })
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	from := time.Now()
	err := command.Run()
	o := outcome{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(from), code: command.ProcessState.ExitCode()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = nil
	}
	return o, err
}

// boltseal runs the program under test, which may not say any secret.
func (w *workplace) boltseal(args ...string) outcome { return w.boltsealWith(nil, args...) }

// boltsealWith is boltseal with more in the environment.
func (w *workplace) boltsealWith(env []string, args ...string) outcome {
	w.t.Helper()
	o := w.execute(boltseal, env, args)
	w.secretless(fmt.Sprintf("boltseal %q", args), o.said())
	return o
}

// secretless fails the test if the text has a password, a credential, a token or
// a key, or a part of one that is worth something.
func (w *workplace) secretless(what, text string) {
	w.t.Helper()
	for _, secret := range slices.Concat(w.secrets, w.Tokens.Issued()) {
		// A token has parts, of which the first is the same for all; a key has lines,
		// of which the first and the last are. Short ones stand anywhere.
		words := strings.FieldsFunc(secret, func(r rune) bool { return r == '.' || r == '\n' })
		for i, word := range words {
			said := strings.Contains(text, word) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(word)))
			if said && (i > 0 || len(words) == 1) && !strings.HasPrefix(word, "-----") && len(word) > 15 {
				w.t.Errorf("%s says the secret %.8s…:\n%s", what, word, text)
				return
			}
		}
	}
}

// cosign returns a function that runs cosign 2 or 3.
func (w *workplace) cosign(major int) func(args ...string) outcome {
	w.t.Helper()
	program := cosignProgram(w.t, major)
	return func(args ...string) outcome {
		w.t.Helper()
		return w.execute(program, nil, args)
	}
}

// cosignWith is cosign with more in the environment.
func (w *workplace) cosignWith(major int, env []string, args ...string) outcome {
	w.t.Helper()
	return w.execute(cosignProgram(w.t, major), env, args)
}

// cosignMakes has cosign sign or attest, which must succeed. Where a log answers too
// late, cosign sends its entry again and gives up because it is there already.
func (w *workplace) cosignMakes(cosign func(args ...string) outcome, args ...string) {
	w.t.Helper()
	o := cosign(args...)
	for again := 0; again < 3 && o.code != 0 && strings.Contains(o.stderr, "createLogEntryConflict"); again++ {
		o = cosign(args...)
	}
	w.must(o)
}

// cosignProgram returns the path of one of the two, which BOLTSEAL_COSIGN2 and
// BOLTSEAL_COSIGN3 name. Without it the test is skipped, but not in CI.
func cosignProgram(t *testing.T, major int) string {
	t.Helper()
	variable := fmt.Sprintf("BOLTSEAL_COSIGN%d", major)
	program := os.Getenv(variable)
	if program == "" {
		text := fmt.Sprintf("not checked: %s does not name cosign %d", variable, major)
		if os.Getenv("CI") == "true" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return program
}

// must ends the test if the program has not ended well.
func (w *workplace) must(o outcome) outcome {
	w.t.Helper()
	if o.code != 0 {
		w.t.Fatal(o)
	}
	return o
}

// byWorkflow returns the flags that say who must have signed, to boltseal and to
// cosign alike: the workflow of the tokens.
func byWorkflow() []string { return by(sigstack.Identity) }

// by is byWorkflow for another certificate.
func by(identity string) []string {
	return []string{
		"--trusted-root", stack.TrustedRoot,
		"--certificate-identity", identity, "--certificate-oidc-issuer", sigstack.GitHubIssuer,
	}
}

// byKey is byWorkflow for the key cosign.key of the workplace.
func (w *workplace) byKey(flags ...string) []string {
	return append([]string{"--trusted-root", stack.TrustedRoot, "--key", w.path("cosign.pub")}, flags...)
}

// copyKey writes cosign.key, which password encrypts, and cosign.pub: the same
// for all tests.
func (w *workplace) copyKey() {
	w.t.Helper()
	dir, err := generatedKey()
	check(w.t, err)
	check(w.t, os.CopyFS(w.dir, os.DirFS(dir)))
	key, err := os.ReadFile(w.path("cosign.key"))
	check(w.t, err)
	w.secrets = append(w.secrets, string(key))
}

// A verdict is what boltseal verify says of one image.
type verdict struct {
	outcome
	Passed bool   `json:"passed"`
	Reason string `json:"reason"`
	Digest string `json:"digest"`
	Checks []struct {
		Message    string      `json:"message"`
		Evidence   []evidence  `json:"evidence"`
		Candidates []candidate `json:"candidates"`
	} `json:"checks"`
}

// A candidate is a signature that was found, sound or not.
type candidate struct {
	Storage string `json:"storage"`
	Source  string `json:"source"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// An evidence is what made it pass.
type evidence struct {
	Format        string `json:"format"`
	Storage       string `json:"storage"`
	Digest        string `json:"digest"`
	Signer        string `json:"signer"`
	Issuer        string `json:"issuer"`
	PredicateType string `json:"predicate_type"`
	LogIndex      *int64 `json:"log_index"`
}

// evidence returns that of all checks.
func (v verdict) evidence() []evidence {
	var all []evidence
	for _, c := range v.Checks {
		all = append(all, c.Evidence...)
	}
	return all
}

// candidates returns those of all checks.
func (v verdict) candidates() []candidate {
	var all []candidate
	for _, c := range v.Checks {
		all = append(all, c.Candidates...)
	}
	return all
}

// verify has boltseal verify one image.
func (w *workplace) verify(ref string, flags ...string) verdict {
	w.t.Helper()
	o := w.boltseal(append([]string{"verify", ref, "--output", "json"}, flags...)...)
	var report struct {
		Images []verdict
	}
	if o.code != 2 {
		check(w.t, json.Unmarshal([]byte(o.stdout), &report))
	}
	if len(report.Images) != 1 {
		w.t.Fatalf("%d images in the report of\n%s", len(report.Images), o)
	}
	v := report.Images[0]
	v.outcome = o
	if passed := o.code == 0; passed != v.Passed {
		w.t.Errorf("passed: %t in the report of\n%s", v.Passed, o)
	}
	return v
}

// verified has boltseal verify one image, which must pass, and returns how often
// it was found to be signed.
func (w *workplace) verified(ref string, flags ...string) []evidence {
	w.t.Helper()
	v := w.verify(ref, flags...)
	if !v.Passed {
		w.t.Fatalf("%s is not verified:\n%s", ref, v)
	}
	return v.evidence()
}

// signatures fails the test unless there are so many, all of them sound.
func (w *workplace) signatures(img image, want int, check []string) {
	w.t.Helper()
	v := w.verify(img.pinned(), check...)
	sound := slices.DeleteFunc(v.candidates(), func(c candidate) bool { return c.Reason != "verified" })
	if !v.Passed || len(sound) != want || len(v.candidates()) != want {
		w.t.Errorf("%d sound of %d signatures, want %d:\n%s", len(sound), len(v.candidates()), want, v)
	}
}

// refused has boltseal verify one image, which must fail for that reason.
func (w *workplace) refused(reason, ref string, flags ...string) {
	w.t.Helper()
	if v := w.verify(ref, flags...); v.Passed || v.Reason != reason {
		w.t.Errorf("%s: reason %q, want %s:\n%s", ref, v.Reason, reason, v)
	}
}

// A signing is what boltseal sign says of a run.
type signing struct {
	outcome
	Complete bool `json:"complete"`
	Signed   []struct {
		Digest        string `json:"digest"`
		Format        string `json:"format"`
		Storage       string `json:"storage"`
		PredicateType string `json:"predicate_type"`
		Identity      string `json:"identity"`
		Issuer        string `json:"issuer"`
		LogIndex      *int64 `json:"log_index"`
		Existed       bool   `json:"existed"`
	} `json:"signed"`
	Failed []struct {
		Digest  string `json:"digest"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"failed"`
	Notices []string `json:"notices"`
	Verify  []string `json:"verify"`
}

// existed returns how many signatures were there before, of how many.
func (s signing) existed() (there, all int) {
	for _, i := range s.Signed {
		if i.Existed {
			there++
		}
	}
	return there, len(s.Signed)
}

// sign has boltseal sign.
func (w *workplace) sign(args ...string) signing {
	w.t.Helper()
	return w.signWith(nil, args...)
}

// signWith is sign with more in the environment.
func (w *workplace) signWith(env []string, args ...string) signing {
	w.t.Helper()
	o := w.boltsealWith(env, append([]string{"sign", "--trusted-root", stack.TrustedRoot, "--output", "json"}, args...)...)
	return w.signing(o)
}

// signing reads what boltseal sign has said.
func (w *workplace) signing(o outcome) signing {
	w.t.Helper()
	s := signing{outcome: o}
	if o.stdout != "" {
		if err := json.Unmarshal([]byte(o.stdout), &s); err != nil {
			w.t.Fatalf("%v in the report of\n%s", err, o)
		}
	}
	if complete := o.code == 0; complete != s.Complete {
		w.t.Errorf("complete: %t in the report of\n%s", s.Complete, o)
	}
	return s
}

// signed has boltseal sign, which must succeed.
func (w *workplace) signed(args ...string) signing {
	w.t.Helper()
	s := w.sign(args...)
	if !s.Complete {
		w.t.Fatal(s)
	}
	return s
}

// consume runs the commands that boltseal says consumers run, in a shell, with
// cosign 3.
func (w *workplace) consume(commands []string) {
	w.t.Helper()
	bin := w.path("bin")
	if !exists(bin) {
		check(w.t, os.Mkdir(bin, 0o700))
		check(w.t, os.Symlink(boltseal, filepath.Join(bin, "boltseal")))
		check(w.t, os.Symlink(cosignProgram(w.t, 3), filepath.Join(bin, "cosign")))
		check(w.t, os.Symlink(stack.TrustedRoot, w.path("trusted_root.json")))
	}
	for _, program := range []string{"cosign ", "boltseal "} {
		if !slices.ContainsFunc(commands, func(c string) bool { return strings.Contains(c, program) }) {
			w.t.Errorf("no command of %s: %q", program, commands)
		}
	}
	for _, command := range commands {
		env := []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}
		if o := w.execute("/bin/sh", env, []string{"-c", command}); o.code != 0 {
			w.t.Errorf("%s\n%s", command, o)
		}
	}
}

// writes returns the requests since the last Forget that may have changed
// something.
func (w *workplace) writes() []sigstack.Request {
	return slices.DeleteFunc(w.Requests(), func(r sigstack.Request) bool { return r.Method == "GET" || r.Method == "HEAD" })
}
