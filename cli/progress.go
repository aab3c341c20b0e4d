package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A progress line is shown on a terminal once a run takes longer than a second.
type progress struct {
	w     io.Writer // nil: show nothing
	mu    sync.Mutex
	text  string
	shown bool
	over  bool
	timer *time.Timer
}

func (c Command) progress() *progress {
	p := &progress{}
	if terminal(c.Stderr) && c.getenv("TERM") != "dumb" {
		p.w = c.Stderr
		p.timer = time.AfterFunc(time.Second, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.shown = true
			p.draw()
		})
	}
	return p
}

// step is called after each image that is checked.
func (p *progress) step(done, of int) { p.say(fmt.Sprintf("%d of %d images checked", done, of)) }

// signed is called after each image that is signed.
func (p *progress) signed(done, of int) { p.say(fmt.Sprintf("%d of %d images signed", done, of)) }

func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
	p.draw()
}

func (p *progress) draw() {
	if p.w == nil || !p.shown || p.over {
		return
	}
	text := p.text
	if text == "" {
		text = "asking the registry …"
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", text) //nolint:errcheck // only a courtesy
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.w != nil && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K") //nolint:errcheck // only a courtesy
	}
	p.over = true
}
