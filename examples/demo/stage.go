package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/boltseal/boltseal/internal/registrytest"
	"github.com/boltseal/boltseal/internal/sigstoretest"
)

// Who signs in the demo.
const (
	identity = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
	issuer   = "https://token.actions.githubusercontent.com"
	signType = "https://sigstore.dev/cosign/sign/v1"
	slsaType = "https://slsa.dev/provenance/v1"
)

// A stage is the registry with its images, and the Sigstore that signed them.
type stage struct {
	dir      string
	reg      *registrytest.Registry
	sig      *sigstoretest.Instance
	services *sigstoretest.Services // of sig
	err      error                  // of the first step that failed
}

func newStage(dir string) (*stage, error) {
	sig, err := sigstoretest.New(time.Now())
	if err != nil {
		return nil, err
	}
	root, err := sig.TrustedRoot()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "trusted_root.json"), root, 0o600); err != nil {
		return nil, err
	}
	services, err := sig.Serve(sigstoretest.ServeOptions{Now: time.Now})
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, reg: registrytest.Start(registrytest.Options{}), sig: sig, services: services}
	config, err := services.SigningConfig(sigstoretest.Without{})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "signing_config.json"), config, 0o600)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	s.services.Close()
	s.reg.Close()
}

// job is what GitHub's runner gives a job with the permission id-token: write.
func (s *stage) job() map[string]string {
	return map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push",
		"ACTIONS_ID_TOKEN_REQUEST_URL": s.services.TokenURL(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": sigstoretest.RequestToken,
	}
}

func (s *stage) put(d ocispec.Descriptor, err error) ocispec.Descriptor {
	if s.err == nil {
		s.err = err
	}
	return d
}

func (s *stage) image(repo string) ocispec.Descriptor { return s.put(s.reg.PutImage(repo, "v1", repo)) }

// legacy signs d as cosign did before version 3: a tag beside the image.
func (s *stage) legacy(repo string, d ocispec.Descriptor, o sigstoretest.Options) {
	payload := sigstoretest.Payload(s.reg.Host()+"/"+repo, d.Digest.String())
	annotations, err := s.sig.Legacy(payload, o)
	if s.err == nil {
		s.err = err
	}
	s.put(s.reg.PutTagged(repo, d.Digest.String(), ".sig", registrytest.Layer{MediaType: registrytest.SimpleSigning, Blob: payload, Annotations: annotations}))
}

// bundle signs or attests d as cosign does now: a bundle as referrer.
func (s *stage) bundle(repo string, about, d ocispec.Descriptor, predicateType string, o sigstoretest.Options) {
	b, err := s.sig.Bundle(predicateType, about.Digest.Encoded(), nil, o)
	if s.err == nil {
		s.err = err
	}
	s.put(s.reg.PutBundle(repo, d, b))
}

// write puts a file into the workspace.
func (s *stage) write(name, text string) {
	text = strings.ReplaceAll(text, "REGISTRY", s.reg.Host())
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); s.err == nil {
		s.err = err
	}
}

// scenes fills the registry and says what is to be shown.
func (s *stage) scenes() ([]scene, error) {
	o := sigstoretest.Options{Identity: identity, Issuer: issuer}
	evil, late, v2 := o, o, o
	evil.Identity = strings.Replace(identity, "acme", "acme-evil", 1)
	late.LogAt = time.Now().Add(time.Hour)
	v2.RekorV2 = true

	s.legacy("team/legacy", s.image("team/legacy"), o)
	d := s.image("team/bundle")
	s.bundle("team/bundle", d, d, signType, o)
	d = s.image("team/rekor-v2")
	s.bundle("team/rekor-v2", d, d, signType, v2)
	s.image("team/unsigned")
	s.legacy("team/stranger", s.image("team/stranger"), evil)
	d = s.image("team/attested")
	s.bundle("team/attested", d, d, slsaType, o)
	good := s.image("team/copied-from")
	d = s.image("team/copied")
	s.bundle("team/copied", good, d, signType, o)
	s.legacy("team/expired", s.image("team/expired"), late)
	s.legacy("team/down", s.image("team/down"), o)
	s.reg.Break(registrytest.Fault{Path: "/v2/team/down/manifests/sha256-", Status: 403})

	amd64 := s.put(s.reg.PutImage("team/multi", "", "amd64"))
	arm64 := s.put(s.reg.PutImage("team/multi", "", "arm64"))
	amd64.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	arm64.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	s.put(s.reg.PutIndex("team/multi", "v1", amd64, arm64))
	s.legacy("team/multi", amd64, o)
	s.bundle("team/multi", arm64, arm64, signType, o)

	s.write("Dockerfile", `ARG BASE=REGISTRY/team/legacy:v1
FROM REGISTRY/team/bundle:v1 AS build
FROM REGISTRY/team/unsigned:v1 AS debug
FROM ${BASE}
COPY --from=build /app /app
`)

	s.attacks(good, o, evil, late)

	who := []string{"--certificate-identity", identity, "--certificate-oidc-issuer", issuer}
	with := func(more ...string) []string { return append(more, who...) }
	scenes := []scene{
		{title: "Three images, signed in three formats: all are considered for each.", args: with("REGISTRY/team/legacy:v1", "REGISTRY/team/bundle:v1", "REGISTRY/team/rekor-v2:v1"), says: "gate passed: 3 images verified"},
		{title: "An unsigned image beside a signed one.", args: with("REGISTRY/team/legacy:v1", "REGISTRY/team/unsigned:v1"), code: 1, says: "unsigned "},
		{title: "Signed, but by somebody else: a look-alike organisation.", args: with("REGISTRY/team/stranger:v1"), code: 1, says: "wrong-signer"},
		{title: "Only an attestation of the right workflow. It does not stand for a signature …", args: with("REGISTRY/team/attested:v1"), code: 1, says: "wrong-type"},
		{title: "… but it is one, where that is what is asked for.", args: with("REGISTRY/team/attested:v1", "--attestation-type", "slsaprovenance1"), says: slsaType},
		{title: "A good signature, copied from another image.", args: with("REGISTRY/team/copied:v1"), code: 1, says: "bad-signature"},
		{title: "Signed an hour after the certificate had expired.", args: with("REGISTRY/team/expired:v1"), code: 1, says: "expired"},
		{title: "A registry that refuses to show the signature: not an unsigned image.", args: with("REGISTRY/team/down:v1"), code: 3, says: "denied"},
		{title: "An index that is unsigned itself, its platforms signed one by one.", args: with("REGISTRY/team/multi:v1", "--platform", "linux/amd64", "--platform", "linux/arm64"), says: "on platform manifest linux/arm64"},
		{title: "An identity that half the world could have.", args: []string{"REGISTRY/team/legacy:v1", "--certificate-identity-regexp", "https://github.com/acme.*", "--certificate-oidc-issuer", issuer}, says: "warning: "},
		{title: "A Dockerfile: what its last stage needs, each image at its line.", args: with("--file", "Dockerfile"), says: "used at   Dockerfile:4:6 (from)"},
		{title: "The same for another target, which needs an unsigned one.", args: with("--file", "Dockerfile", "--target", "debug"), code: 1, says: "used at   Dockerfile:3:6 (from)"},
		{title: "A slip of the pen: nothing is asked, and the flag is named.", args: []string{"REGISTRY/team/legacy:v1", "--certificate-identity", identity}, code: 2, says: "--certificate-oidc-issuer"},
	}
	return slices.Concat(scenes, s.handoverScenes(who), s.signScenes(who), policyScenes()), s.err
}

// handoverScenes show what a build is bound by, and what is left of it once the
// tag has moved.
func (s *stage) handoverScenes(who []string) []scene {
	const repo = "team/moves"
	good := s.image(repo)
	s.legacy(repo, good, sigstoretest.Options{Identity: identity, Issuer: issuer})
	args := append([]string{"REGISTRY/" + repo + ":v1", "--handover", "source-policy=policy.json"}, who...)
	move := func() error {
		evil := s.put(s.reg.PutImage(repo, "evil", "evil"))
		body, err := s.reg.Manifest(repo, evil.Digest.String())
		if err != nil {
			return err
		}
		s.put(s.reg.PutManifest(repo, "v1", ocispec.MediaTypeImageManifest, body))
		return s.err
	}
	return []scene{
		{
			title: "What builds get: the policy turns the tag into the digest that was verified, wherever the tag\n   points later, and denies every other image.", args: args,
			says: "handed over: source-policy in policy.json, 1 image", also: []string{`"CONVERT"`, good.Digest.String()}, shows: "policy.json",
		},
		{
			title: "The tag has moved to something else. Nothing is handed over, and the policy of the run before is gone.", args: args,
			code: 1, says: "not handed over: source-policy, since not every image passed; policy.json denies every image", also: []string{"unsigned "}, shows: "policy.json", before: move,
		},
	}
}

// attacks pushes to team/bundle, whose signer a policy will name by then, what
// an attacker could.
func (s *stage) attacks(good ocispec.Descriptor, o, evil, late sigstoretest.Options) {
	const repo = "team/bundle"
	put := func(tag string) ocispec.Descriptor { return s.put(s.reg.PutImage(repo, tag, tag)) }
	put("unsigned")
	s.legacy(repo, put("stranger"), evil)
	s.legacy(repo, put("expired"), late)
	d := put("attested")
	s.bundle(repo, d, d, slsaType, o)
	s.bundle(repo, good, put("copied"), signType, o)
	d = put("down")
	s.legacy(repo, d, o)
	s.reg.Break(registrytest.Fault{Path: "/v2/" + repo + "/manifests/" + strings.Replace(d.Digest.String(), ":", "-", 1), Status: 403})
}

// policyScenes show how a first policy is written, and what it is worth.
func policyScenes() []scene {
	var attacked []string
	for _, tag := range []string{"unsigned", "stranger", "expired", "attested", "copied", "down"} {
		attacked = append(attacked, "REGISTRY/team/bundle:"+tag)
	}
	return []scene{
		{title: "A first policy, of those who have signed what the Dockerfile uses.", command: "policy init", args: []string{"Dockerfile"}, says: `subject: "` + identity + `"`},
		{title: "The same into a file, which is then looked at for mistakes …", command: "policy init", args: []string{"Dockerfile", "--output-file", ".boltseal.yaml"}, says: "2 images with rules of their own"},
		{title: "… and there are none.", command: "policy check", says: "nothing wrong or doubtful"},
		{title: "By that policy the Dockerfile's images pass.", args: []string{"--file", "Dockerfile"}, says: "gate passed: 2 images verified"},
		{
			title: "What attackers push later to a repository that the policy knows does not.", args: attacked, code: 1,
			says: "unsigned ", also: []string{"wrong-signer", "expired", "wrong-type", "bad-signature", "denied", "gate closed: 6 of 6"},
		},
		{title: "An image that the policy says nothing of.", args: []string{"REGISTRY/team/legacy:v1", "REGISTRY/team/rekor-v2:v1"}, code: 1, says: "no-rule"},
	}
}

// signScenes show that what was built is signed only after the gate and the scan,
// and only once.
func (s *stage) signScenes(who []string) []scene {
	const built = "REGISTRY/team/built"
	digest := s.image("team/built").Digest.String()
	s.write("trivy.json", `{"SchemaVersion": 2, "ArtifactName": "`+built+`", "ArtifactType": "container_image",
 "Metadata": {"RepoDigests": ["`+built+`@`+digest+`"]},
 "Results": [{"Target": "debian", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": [
  {"VulnerabilityID": "CVE-2026-10001", "PkgName": "openssl", "InstalledVersion": "3.0.1", "FixedVersion": "3.0.2", "Severity": "CRITICAL"}]}]}
`)
	s.write("sbom.json", `{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "dataLicense": "CC0-1.0", "name": "built",
 "documentNamespace": "https://acme.example/built", "creationInfo": {"created": "2026-03-01T10:00:00Z", "creators": ["Tool: demo"]}, "packages": []}
`)
	sign := []string{built + "@" + digest, "--require-gate", "gate.json"}
	with := func(more ...string) []string { return append(slices.Clone(sign), more...) }
	return []scene{
		{title: "The gate of a release: what it says is kept …", args: append([]string{"REGISTRY/team/unsigned:v1", "--report", "json=gate.json"}, who...), code: 1, says: "gate closed"},
		{title: "… and nothing is signed that was built of an image it did not let in.", command: "sign", args: sign, code: 1, says: "the run did not pass"},
		{title: "Another base, which is signed.", args: append([]string{"REGISTRY/team/bundle:v1", "--report", "json=gate.json"}, who...), says: "gate passed"},
		{title: "A scan that found something critical keeps the image from being signed, too.", command: "sign", args: with("--scan-report", "trivy.json"), code: 1, says: "CVE-2026-10001"},
		{title: "Otherwise it is signed by the job, with a list of what is in it, and read back and verified.", command: "sign", args: with("--attest", "spdx=sbom.json"), says: "signed: 1 image, verified from the registry", also: []string{"https://spdx.dev/Document", "cosign verify "}},
		{title: "A second run finds it, and writes nothing.", command: "sign", args: with("--attest", "spdx=sbom.json"), says: "signed: 1 image, all of it was there already"},
	}
}
