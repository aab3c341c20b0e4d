package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// choose returns the format of a file that a request names or matches; nil
// where nothing tells it, and any file may be a Dockerfile.
func (f *finder) choose(r request, name string) (*Format, error) {
	if r.format != nil {
		return r.format, nil
	}
	if known := recognize(f.formats, name); known != nil {
		return known, nil
	}
	var claimed []string
	var err error
	switch ext := strings.ToLower(path.Ext(name)); {
	case slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, path.Base(name)):
		claimed = []string{"kubernetes"}
	case ext == ".hcl":
		claimed = []string{"bake"}
	case ext == ".yaml", ext == ".yml":
		claimed, err = look(f.fsys, name, yamlKeys)
	case ext == ".json":
		claimed, err = look(f.fsys, name, jsonKeys)
	default:
		return nil, nil
	}
	switch {
	case err != nil:
		err = fmt.Errorf("what %q is cannot be told: %w", name, err)
	case len(claimed) == 0:
		err = fmt.Errorf("what %q is cannot be told: it has no key at its top that tells", name)
	case len(claimed) > 1:
		err = fmt.Errorf("what %q is cannot be told: by its keys it may be %s", name, strings.Join(claimed, " or "))
	default:
		if claimed := format(f.formats, claimed[0]); claimed != nil {
			return claimed, nil
		}
		err = fmt.Errorf("%q seems to be for %s, which is not scanned", name, claimed[0])
	}
	return nil, &Error{r.asked, err, "say which format it has: " + f.prefixes(r)}
}

// prefixes writes a request with each format.
func (f *finder) prefixes(r request) string {
	written := make([]string, len(f.formats))
	for i, known := range f.formats {
		written[i] = known.Name + ":" + r.asked
	}
	return strings.Join(written, ", ")
}

// dockerfile returns the format of a file that may have any name.
func (f *finder) dockerfile(r request, name string) (*Format, error) {
	if known := format(f.formats, "dockerfile"); known != nil {
		return known, nil
	}
	return nil, &Error{r.asked, fmt.Errorf("%q is of no format that is scanned", name), "say which format it has: " + f.prefixes(r)}
}

// look returns the formats, sorted, that the keys of a file speak for.
//
// Whoever writes the file must not be able to hide a key from it that the
// file's reader sees, and with it the images: all of the file is looked at, and
// what is not plain to see is an error.
func look(fsys fs.FS, name string, keys func([]byte) ([]string, error)) ([]string, error) {
	text, err := ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	found, err := keys(text)
	var claimed []string
	for _, key := range found {
		format := claims(key, path.Ext(name))
		if key == "jobs" && !slices.Contains(found, "on") { // which GitHub requires
			format = "another CI system"
		}
		if format != "" {
			claimed = append(claimed, format)
		}
	}
	slices.Sort(claimed)
	return slices.Compact(claimed), err
}

// claims returns the format that a key at the top of a file speaks for.
func claims(key, ext string) string {
	switch key {
	case "apiVersion", "kind":
		return "kubernetes"
	case "services":
		return "compose"
	case "jobs", "runs":
		return "workflow"
	case "target", "group", "variable":
		if strings.EqualFold(ext, ".json") { // bake reads no YAML
			return "bake"
		}
	}
	return ""
}

// jsonKeys returns the keys of an object.
func jsonKeys(text []byte) ([]string, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var keys []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string) // the decoder takes nothing else
		keys = append(keys, name)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something comes after the JSON object")
	}
	return keys, nil
}

// yamlKeys returns the keys at the top of the documents of a YAML file. Those
// of a block mapping all begin in the first column, if the first of them does,
// so that lines are enough; lines in the first column that are no simple keys
// are errors. It may return what is no key but a line of some text.
func yamlKeys(text []byte) ([]string, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return jsonKeys(text)
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, errors.New("it is not UTF-8")
	}
	var keys []string
	mapping := false // the document has begun
	// YAML 1.1 ends lines with more than \n (5.4, "Line Break Characters").
	for line := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune("\n\r\u0085\u2028\u2029", r) }) {
		body := strings.TrimLeft(line, " \t")
		switch {
		case body == "", body[0] == '#', line == "...":
		case separator(line):
			mapping = false
		case mapping && body != line, mapping && (line == "-" || strings.HasPrefix(line, "- ")):
		default:
			key, ok := simpleKey(line)
			if !ok {
				return nil, errors.New("a line at its top is no simple key")
			}
			keys = append(keys, key)
			mapping = true
		}
	}
	return keys, nil
}

// separator reports whether a line begins a document, and nothing else.
func separator(line string) bool {
	rest, ok := strings.CutPrefix(line, "---")
	return ok && (strings.TrimLeft(rest, " \t") == "" || strings.HasPrefix(rest, " #"))
}

// simpleKey returns the key that a line begins with, plain or in quotes, with
// nothing that would have to be interpreted.
func simpleKey(line string) (string, bool) {
	var key, rest string
	if quote := line[0]; quote == '"' || quote == '\'' {
		end := strings.IndexByte(line[1:], quote)
		if end < 0 {
			return "", false
		}
		key, rest = line[1:1+end], line[2+end:]
		if strings.ContainsAny(key, `\`) {
			return "", false
		}
	} else {
		end := strings.IndexByte(line, ':')
		if end < 0 {
			return "", false
		}
		key, rest = strings.TrimRight(line[:end], " \t"), line[end:]
		if !plain(key) {
			return "", false
		}
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t"), ":")
	return key, ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// plain reports whether a key needs no knowledge of YAML.
func plain(key string) bool {
	if key == "" || !letterOrDigit(key[0]) {
		return false
	}
	for i := range len(key) {
		if !letterOrDigit(key[i]) && key[i] != '-' && key[i] != '.' && key[i] != '/' {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|' ' && c|' ' <= 'z'
}
