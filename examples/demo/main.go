// Command demo shows boltseal at work in a few seconds and without a network:
// it starts a registry on loopback, fills it with images that are signed in
// every format, unsigned, wrongly signed and tampered with, and runs the real
// program against it.
package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/boltseal/boltseal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run plays every scene and fails if one does not end as it should.
func run(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "boltseal-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only a temporary directory
	s, err := newStage(dir)
	if err != nil {
		return err
	}
	defer s.close()
	scenes, err := s.scenes()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "A registry is running on %s; REGISTRY stands for it below. To each command\n--trusted-root is added, with the trust root of a Sigstore in memory, and to those that sign\n--signing-config, with its services.\n", s.reg.Host())
	for i, sc := range scenes {
		fmt.Fprintf(w, "\n%d. %s\n\n", i+1, sc.title)
		if err := s.play(ctx, w, sc); err != nil {
			return fmt.Errorf("%s: %w", sc.title, err)
		}
	}
	fmt.Fprintf(w, "\nThat was the real program on real signatures, made a moment ago by a Sigstore in memory.\n")
	return nil
}

// A scene is one run of boltseal and how it has to end.
type scene struct {
	title   string
	args    []string // references are relative to the registry
	code    int
	says    string   // part of the output
	also    []string // further parts
	command string   // "" is verify
	shows   string   // a file to be shown afterwards
	before  func() error
}

// play runs boltseal as a person would, and prints what they would see.
func (s *stage) play(ctx context.Context, w io.Writer, sc scene) error {
	if sc.before != nil {
		if err := sc.before(); err != nil {
			return err
		}
	}
	args := append(strings.Fields(cmp.Or(sc.command, "verify")), sc.args...)
	shown := ""
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "REGISTRY", s.reg.Host())
		if strings.ContainsAny(a, "*\\$ ") {
			a = "'" + a + "'"
		}
		shown += " " + a
	}
	if sc.command != "policy check" { // which asks nobody
		args = append(args, "--trusted-root", filepath.Join(s.dir, "trusted_root.json"))
	}
	var env map[string]string
	if sc.command == "sign" {
		args = append(args, "--signing-config", filepath.Join(s.dir, "signing_config.json"))
		env = s.job()
	}
	fmt.Fprintf(w, "   $ boltseal%s\n", strings.ReplaceAll(shown, " --", " \\\n       --"))
	var out bytes.Buffer
	start := time.Now()
	code := cli.Command{Dir: s.dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}.Main(ctx, append([]string{"boltseal"}, args...))
	text := strings.ReplaceAll(out.String(), s.reg.Host(), "REGISTRY")
	for line := range strings.Lines(text) {
		fmt.Fprint(w, "   ", line)
	}
	fmt.Fprintf(w, "   exit code %d, after %s\n", code, time.Since(start).Round(time.Millisecond))
	if sc.shows != "" {
		body, err := os.ReadFile(filepath.Join(s.dir, sc.shows))
		if err != nil {
			return err
		}
		quoted := strings.ReplaceAll(s.reg.Host(), ".", `\\.`) // in an expression, in JSON
		file := strings.NewReplacer(s.reg.Host(), "REGISTRY", quoted, "REGISTRY").Replace(string(body))
		fmt.Fprintf(w, "\n   $ cat %s\n   %s\n", sc.shows, strings.ReplaceAll(strings.TrimSuffix(file, "\n"), "\n", "\n   "))
		text += file
	}
	for _, words := range append([]string{sc.says}, sc.also...) {
		if code != sc.code || !strings.Contains(text, words) {
			return fmt.Errorf("exit code %d, want %d, and the words %q", code, sc.code, words)
		}
	}
	return ctx.Err()
}
