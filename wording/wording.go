package wording

import (
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
)

// Duration is a time in days, hours, minutes and seconds, as "90 days" or "1 hour 30
// minutes". From a minute on it is cut to seconds; shorter ones with a fraction,
// and negative ones, are as Go writes them.
func Duration(d time.Duration) string {
	if d >= time.Minute {
		d = d.Truncate(time.Second)
	}
	if d < 0 || d%time.Second != 0 {
		return d.String()
	}
	var parts []string
	for _, unit := range []struct {
		name string
		len  time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if n := d / unit.len; n > 0 {
			parts = append(parts, english.Plural(int(n), unit.name, ""))
			d %= unit.len
		}
	}
	if parts == nil {
		return "0 seconds"
	}
	return strings.Join(parts, " ")
}
