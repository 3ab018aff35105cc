package caddymodule

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// options are what a Caddyfile block may hold, by name: each reads its arguments
// from the line that it stands in.
type options map[string]func(d *caddyfile.Dispenser) error

// read reads the block that follows: every option at most once, none that is
// unknown. seen outlives the block for options that several blocks share.
func (o options) read(d *caddyfile.Dispenser, seen map[string]bool) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		set, known := o[name]
		if !known {
			return d.Errf("unrecognized option %q: one of %s is expected", name, strings.Join(sortedKeys(o), ", "))
		}
		if seen[name] {
			return d.Errf("%s is already set: one value is expected", name)
		}
		seen[name] = true
		if err := set(d); err != nil {
			return err
		}
	}
	return nil
}

// argument reads the one value of an option.
func argument(d *caddyfile.Dispenser, expected string) (string, error) {
	name := d.Val()
	args := d.RemainingArgs()
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "":
		return "", d.Errf("%s has no value: %s is expected", name, expected)
	case len(args) > 1:
		return "", d.Errf("%s has %d values: %s is expected", name, len(args), expected)
	}
	return args[0], nil
}

func text(to *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) (err error) {
		*to, err = argument(d, "one value")
		return err
	}
}

// word takes one of a few words.
func word(to *string, choices ...string) func(*caddyfile.Dispenser) error {
	expected := strings.Join(choices[:len(choices)-1], ", ") + " or " + choices[len(choices)-1]
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		value, err := argument(d, expected)
		if err != nil {
			return err
		}
		if !slices.Contains(choices, value) {
			return d.Errf("%s is %q: %s is expected", name, value, expected)
		}
		*to = value
		return nil
	}
}

func words(to *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if *to = d.RemainingArgs(); len(*to) == 0 {
			return d.Errf("%s has no value: one or more words are expected", name)
		}
		return nil
	}
}

func toggle(to *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if args := d.RemainingArgs(); len(args) > 0 {
			return d.Errf("%s has the value %q: none is expected, for the word alone switches it on", name, args[0])
		}
		*to = true
		return nil
	}
}

func count[T int | int64](to *T) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		value, err := argument(d, "a whole number")
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(value, 10, strconv.IntSize)
		if err != nil || n < 1 {
			return d.Errf("%s is %q: a whole number from 1 on is expected", name, value)
		}
		*to = T(n)
		return nil
	}
}

func size(to *int64) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		value, err := argument(d, "a size as 512MiB")
		if err != nil {
			return err
		}
		n, err := humanize.ParseBytes(value)
		if err != nil || n < 1 || n > math.MaxInt64 {
			return d.Errf("%s is %q: a size as 512MiB or 10GB is expected", name, value)
		}
		*to = int64(n)
		return nil
	}
}

// period takes a time. 0 is none: in JSON it stands for the default, which nobody
// who writes it down means.
func period(to *caddy.Duration) func(*caddyfile.Dispenser) error {
	return periodFrom(1, "a time above 0, as 30s, 10m or 7d,", to)
}

// periodOrNone takes a time that may be 0.
func periodOrNone(to *caddy.Duration) func(*caddyfile.Dispenser) error {
	return periodFrom(0, "a time as 30s, 10m or 7d, or 0s for none,", to)
}

func periodFrom(least time.Duration, expected string, to *caddy.Duration) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		value, err := argument(d, "a time as 30s")
		if err != nil {
			return err
		}
		t, err := caddy.ParseDuration(value)
		if err != nil || t < least {
			return d.Errf("%s is %q: %s is expected", name, value, expected)
		}
		*to = caddy.Duration(t)
		return nil
	}
}

// block reads a block of options of its own.
func block(inner options) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if args := d.RemainingArgs(); len(args) > 0 {
			return d.Errf("%s has the value %q: a block { … } is expected", name, args[0])
		}
		return inner.read(d, make(map[string]bool))
	}
}

func sortedKeys[M ~map[string]V, V any](m M) []string { return slices.Sorted(maps.Keys(m)) }
