package contenttrust

import (
	"path"
	"strings"
)

// Script reports whether a file, which no format of images takes, may well have
// commands or variables in it: scripts by their endings, files of build tools and
// of other CI systems by their names. Those for which Unnamed holds are scripts
// only if their text says so.
func Script(name string) bool {
	base := strings.ToLower(path.Base(name))
	switch ext := path.Ext(base); ext {
	case ".sh", ".bash", ".zsh", ".ksh", ".fish", ".ps1", ".psm1", ".bat", ".cmd", ".mk", ".mak", ".just", ".env", ".groovy", ".jenkinsfile", ".envrc":
		return true
	case ".yml", ".yaml":
		return pipeline(name, base)
	case ".dist", ".example", ".sample", ".template", ".tmpl", ".in":
		base = strings.TrimSuffix(base, ext)
	}
	for _, stem := range []string{"makefile", "gnumakefile", "jenkinsfile", ".env", "justfile", ".justfile", "earthfile"} {
		if rest, ok := strings.CutPrefix(base, stem); ok && (rest == "" || rest[0] == '.' && !strings.HasSuffix(rest, ".md")) {
			return true
		}
	}
	return base == "taskfile.yml" || base == "taskfile.yaml" || Unnamed(name)
}

// pipeline reports whether a YAML file is one of a CI system or a build tool.
func pipeline(name, base string) bool {
	stem := strings.TrimSuffix(base, path.Ext(base))
	switch stem {
	case ".travis", "appveyor", ".appveyor", ".drone", ".woodpecker", ".cirrus", "bitbucket-pipelines", "taskfile", "cloudbuild", "buildspec", "codefresh", "skaffold", "semaphore", "wercker":
		return true
	}
	if strings.HasSuffix(stem, ".gitlab-ci") || strings.HasPrefix(stem, ".gitlab-ci") || strings.HasPrefix(stem, "azure-pipelines") || strings.HasPrefix(stem, "azure-pipeline") || strings.HasPrefix(stem, "taskfile") || strings.HasPrefix(stem, "cloudbuild") || strings.HasPrefix(stem, "buildspec") {
		return true
	}
	for folder := range strings.SplitSeq(path.Dir(name), "/") {
		switch folder {
		case ".circleci", ".gitlab", ".buildkite", ".woodpecker", ".semaphore", ".azure-pipelines", "azure-pipelines", ".azuredevops", ".pipelines", ".tekton":
			return true
		}
	}
	return false
}

// Unnamed reports whether only the first line of a file tells whether it is a
// script: it has no ending, and is in a folder where teams keep their scripts.
func Unnamed(name string) bool {
	if strings.Contains(path.Base(name), ".") {
		return false
	}
	switch path.Base(path.Dir(name)) {
	case "bin", "build", "ci", ".ci", "deploy", "hack", "scripts", "script", "tools", "release", ".githooks", ".husky", "hooks", ".github":
		return true
	}
	return false
}

// A style is how a kind of file is read.
type style struct {
	yaml       bool // its lines have keys, and their columns a meaning
	dockerfile bool
	hcl        bool   // it is a bake file of blocks
	hash       bool   // # begins a comment
	slashes    bool   // // does
	rem        bool   // REM and :: do
	open, shut string // what is between them is a comment; "" where there is none
	goesOn     string // the characters that end a line which goes on
}

func styleOf(name string) style {
	base := strings.ToLower(path.Base(name))
	s := style{hash: true, goesOn: `\`}
	switch path.Ext(base) {
	case ".yml", ".yaml":
		s.yaml = true
	case ".json":
		s.hash, s.goesOn = false, ""
	case ".hcl":
		s.hcl, s.slashes, s.open, s.shut = true, true, "/*", "*/"
	case ".groovy", ".jenkinsfile":
		s.slashes, s.open, s.shut = true, "/*", "*/"
	case ".ps1", ".psm1":
		s.open, s.shut, s.goesOn = "<#", "#>", "`"
	case ".bat", ".cmd":
		s.hash, s.rem, s.goesOn = false, true, "^"
	default:
		switch {
		case strings.HasPrefix(base, "jenkinsfile"):
			s.slashes, s.open, s.shut = true, "/*", "*/"
		case strings.Contains(base, "dockerfile"), strings.Contains(base, "containerfile"):
			s.dockerfile = true
		}
	}
	return s
}
