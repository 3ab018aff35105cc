package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/wording"
)

// progress draws a bar on a terminal, and nothing elsewhere.
type progress struct {
	w     io.Writer
	width int // of the terminal, 0 for none
	now   func() time.Time
	since time.Time
	drawn bool
}

func newProgress(w io.Writer, now func() time.Time) *progress {
	p := &progress{w: w, now: now, since: now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if p.width, _, _ = term.GetSize(int(f.Fd())); p.width == 0 {
			p.width = 80
		}
	}
	return p
}

// update draws what a long operation reports; all report these figures.
func (p *progress) update(raw json.RawMessage) {
	var at gateway.UpkeepProgress
	if json.Unmarshal(raw, &at) == nil {
		p.show(at)
	}
}

func (p *progress) show(at gateway.UpkeepProgress) {
	if p.width == 0 || at.Total == 0 {
		return
	}
	took := p.now().Sub(p.since).Seconds()
	text := fmt.Sprintf(" %d/%d  %s", at.Done, at.Total, humanize.IBytes(uint64(at.Bytes)))
	if took > 1 && at.Done > 0 {
		left := time.Duration(took / float64(at.Done) * float64(at.Total-at.Done) * float64(time.Second))
		text += fmt.Sprintf("  %.0f/s  %s left", float64(at.Done)/took, wording.Duration(left.Round(time.Second)))
	}
	cells := min(40, p.width-len(text)-3)
	if cells < 5 {
		cells = 0
	}
	full := cells * at.Done / at.Total
	fmt.Fprintf(p.w, "\r\x1b[K[%s%s]%s", strings.Repeat("=", full), strings.Repeat(" ", cells-full), text)
	p.drawn = true
}

func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
