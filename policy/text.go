package policy

import (
	"github.com/boltseal/boltseal/image"
	"github.com/boltseal/boltseal/internal/yamlshape"
)

// The text of a policy file. What one field alone cannot say is checked in
// read.go, and said to editors in schema.go.
type (
	documentText struct {
		At         image.Position
		Version    int             `yaml:"version,required" enum:"1" doc:"Version of the form of the file: 1."`
		Extends    []extendText    `yaml:"extends" max:"20" example:"{file: base.yaml}" doc:"Policies whose rules and exceptions count as well, behind those of this file."`
		Publishers []yamlshape.Raw `yaml:"publishers" max:"200" example:"distroless" doc:"Built-in rules by name; boltseal policy publishers lists them."`
		Rules      []ruleText      `yaml:"rules" max:"2000" example:"{images: [ghcr.io/acme/**], require: […]}" doc:"What is asked of which images. The most specific rule that matches an image decides alone."`
		Exceptions []exceptionText `yaml:"exceptions" max:"1000" doc:"Images that may pass unverified for a while."`
	}
	ruleText struct {
		At            image.Position
		Wrong         bool
		Images        []yamlshape.Text   `yaml:"images,required" max:"1000" example:"ghcr.io/acme/**" doc:"Patterns of image names; * stands for anything within a segment, ** for anything; with ! in front, what the rule does not speak of."`
		Require       []yamlshape.Raw    `yaml:"require" max:"100" doc:"What the images must have, all of it."`
		AllowUnsigned *allowUnsignedText `yaml:"allow-unsigned" doc:"Lets the images through unverified, because their publisher does not sign."`
	}
	allowUnsignedText struct {
		At            image.Position
		RequireDigest *bool          `yaml:"require-digest" doc:"Whether the reference must have a digest. The default is true."`
		Reason        yamlshape.Text `yaml:"reason,required" doc:"Why this is so."`
	}
	exceptionText struct {
		At     image.Position
		Wrong  bool
		Images []yamlshape.Text `yaml:"images,required" max:"1000" example:"ghcr.io/acme/**" doc:"Patterns of image names, as in rules."`
		Until  yamlshape.Date   `yaml:"until,required" doc:"The last day, such as 2027-01-31 (UTC)."`
		Owner  yamlshape.Text   `yaml:"owner,required" doc:"Who answers for it."`
		Reason yamlshape.Text   `yaml:"reason,required" doc:"Why it is there."`
	}
	extendText struct {
		At       image.Position
		File     *yamlshape.Text `yaml:"file" doc:"A policy file, relative to this one."`
		URL      *yamlshape.Text `yaml:"url" doc:"An https address; needs sha256."`
		SHA256   *yamlshape.Text `yaml:"sha256" doc:"Hex SHA-256 of the text at url."`
		Artifact *yamlshape.Text `yaml:"artifact" doc:"An OCI artifact as registry/repository@sha256:…, which a rule of this file has to cover."`
	}
)
