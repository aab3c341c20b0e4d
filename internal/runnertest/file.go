package runnertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// File returns what the runner takes from the file that GITHUB_OUTPUT,
// GITHUB_ENV or GITHUB_STATE names: the last value of each name. Names that
// differ in case only are one, under its first spelling.
//
// On Linux a line ends at \n, on Windows also at \r\n; File reads the text in
// both ways, and once more with lines that end at a bare \r, too. It returns
// what the runner on Linux finds, and an error if the runner does or if
// another reading gives other names, or other values but for their line ends.
func File(text string) (map[string]string, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, fmt.Errorf("the runner takes this for UTF-16")
	}
	text = utf8Text(text)
	linux, err := fileLines(text)
	if err != nil {
		return nil, err
	}
	for _, other := range []struct{ name, text string }{
		{`\r\n ends a line`, strings.ReplaceAll(text, "\r\n", "\n")},
		{`\r ends a line`, unixLines(text)},
	} {
		m, err := fileLines(other.text)
		if err != nil {
			return nil, fmt.Errorf("where %s: %w", other.name, err)
		}
		if !maps.EqualFunc(m, linux, sameLines) {
			return nil, fmt.Errorf("where %s, this is read: %q, else %q", other.name, m, linux)
		}
	}
	return linux, nil
}

// sameLines reports whether two values are the same but for line ends.
func sameLines(a, b string) bool {
	return strings.TrimRight(unixLines(a), "\n") == strings.TrimRight(unixLines(b), "\n")
}

// fileLines reads text whose lines end at \n.
func fileLines(text string) (map[string]string, error) {
	m := map[string]string{}
	spelled := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if line == "" {
			continue
		}
		name, value, single := strings.Cut(line, "=")
		if !single || strings.Contains(name, "<<") {
			var delimiter string
			name, delimiter, _ = strings.Cut(line, "<<")
			if name == "" || delimiter == "" {
				return nil, fmt.Errorf("line %d, %q: no NAME=VALUE and no NAME<<DELIMITER", i+1, line)
			}
			n := slices.Index(lines[i+1:], delimiter)
			if n < 0 {
				return nil, fmt.Errorf("line %d, %q: the delimiter does not come again", i+1, line)
			}
			value = strings.Join(lines[i+1:i+1+n], "\n")
			i += 1 + n
		}
		if name == "" {
			return nil, fmt.Errorf("line %d, %q: no name", i+1, line)
		}
		key := strings.ToLower(name)
		if spelled[key] == "" {
			spelled[key] = name
		}
		m[spelled[key]] = value
	}
	return m, nil
}
