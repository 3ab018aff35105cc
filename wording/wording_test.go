package wording

import (
	"math"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                                "0 seconds",
		time.Second:                      "1 second",
		30 * time.Second:                 "30 seconds",
		90 * time.Minute:                 "1 hour 30 minutes",
		24 * time.Hour:                   "1 day",
		36 * time.Hour:                   "1 day 12 hours",
		90 * 24 * time.Hour:              "90 days",
		2160*time.Hour + time.Nanosecond: "90 days",
		24*time.Hour - time.Nanosecond:   "23 hours 59 minutes 59 seconds",
		25*time.Hour + time.Second:       "1 day 1 hour 1 second",
		1500 * time.Millisecond:          "1.5s",
		-time.Hour:                       "-1h0m0s",
		math.MaxInt64:                    "106,751 days 23 hours 47 minutes 16 seconds",
		math.MinInt64:                    "-2562047h47m16.854775808s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
