package conda_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairwayhq/fairway/conda"
)

func version(t interface {
	Helper()
	Fatal(...any)
}, s string) conda.Version {
	t.Helper()
	v, err := conda.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVersionOrder has versions in the order that conda's and rattler's own tests
// and CEP 33 state; those on one line are equal.
func TestVersionOrder(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][][]string{
		"conda": {
			{"0.4", "0.4.0"}, {"0.4.1a.vc11"}, {"0.4.1.rc", "0.4.1.RC", "  0.4.1.RC  "}, {"0.4.1.vc11"}, {"0.4.1"}, {"0.5a1"},
			{"0.5b3"}, {"0.5C1", "0.5c1"}, {"0.5z"}, {"0.5za"}, {"0.5"}, {"0.5_5", "0.5-5", "0.5.5"}, {"0.9.6"}, {"0.960923"},
			{"1.0"}, {"1.0.4a3"}, {"1.0.4b1"}, {"1.0.4"}, {"1.1dev1"}, {"1.1_"}, {"1.1a1"}, {"1.1.dev1", "1.1.0dev1"},
			{"1.1.a1", "1.1.0a1"}, {"1.1.0rc1", "1.1.rc1"}, {"1.1", "1.1.0", "1.1.0.0"}, {"1.1.post1", "1.1.0post1"},
			{"1.1.1dev1"}, {"1.1.1rc1"}, {"1.1.1"}, {"1.1.1post1"}, {"1.1post1"}, {"2g6"}, {"2.0b1pr0"}, {"2.2be.ta29"},
			{"2.2be5ta29"}, {"2.2beta29"}, {"2.2.0.1"}, {"3.1.1.6"}, {"3.2.p.r0"}, {"3.2.pr0"}, {"3.2.pr.1"}, {"5.5.kw"}, {"11g"},
			{"14.3.1"}, {"14.3.1.post26.g9d75ca2"}, {"1996.07.12", "1996.7.12"}, {"1!0.4.1"}, {"1!3.1.1.6"}, {"2!0.4.1"},
		},
		"openssl": {
			{"1.0.1dev"}, {"1.0.1_"}, {"1.0.1a"}, {"1.0.1b"}, {"1.0.1c"}, {"1.0.1d"}, {"1.0.1r"}, {"1.0.1rc"}, {"1.0.1rc1"},
			{"1.0.1rc2"}, {"1.0.1s"}, {"1.0.1"}, {"1.0.1post.a"}, {"1.0.1post.b"}, {"1.0.1post.z"}, {"1.0.1post.za"}, {"1.0.2"},
		},
		"PEP 440, as conda sees it": {
			{"1.0a1"}, {"1.0a2.dev456"}, {"1.0a12.dev456"}, {"1.0a12"}, {"1.0b1.dev456"}, {"1.0b2"}, {"1.0b2.post345.dev456"},
			{"1.0b2.post345"}, {"1.0c1.dev456"}, {"1.0c1"}, {"1.0c3"}, {"1.0rc2"}, {"1.0.dev456"}, {"1.0"}, {"1.0.post456.dev34"},
			{"1.0.post456"}, {"1.1.dev1"}, {"1.2.r32+123456"}, {"1.2.rev33+123456"}, {"1.2+abc"}, {"1.2+abc123def"},
			{"1.2+abc123"}, {"1.2+123abc"}, {"1.2+123abc456"}, {"1.2+1234.abc"}, {"1.2+123456"}, {"1!1.0a1"}, {"1!1.0"},
			{"1!1.2+abc"},
		},
		"CEP 33": {
			{"0.4.1.rc"}, {"0.4.1+local"}, {"0.4.1+0.local"}, {"0.4.1", "0.4.1+0"}, {"0.4.1+1.local"}, {"0.5a1"},
			{"1.1rc"}, {"1.1.0rc", "1.1.rc"}, {"1.1"},
		},
		"numbers": {{"2.9223372036854775806"}, {"2.9223372036854775807", "2.009223372036854775807"}, {"3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, same := range order {
				for j, others := range order {
					want := max(-1, min(1, i-j))
					for _, a := range same {
						for _, b := range others {
							if got := version(t, a).Compare(version(t, b)); got != want {
								t.Errorf("comparing %q with %q gave %d, not %d", a, b, got, want)
							}
						}
					}
				}
			}
		})
	}
}

func TestVersionRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"_", "1!_", "_+1", "", "  ", "3.5&1", "5.5++", "5.5..mw", "!", "a!1.0", "a!b!1.0", "1!2!3", "1.2+", "+1.2", "+1.2+", "++", "1!", ".1", "1.",
		"_1", "1._2", "1-2_3", "1.0*", "v 1", "1.0\x00", "１.0", "9223372036854775808", "99999999999999999999", "99999999999999999999!1",
	} {
		if v, err := conda.ParseVersion(s); err == nil {
			t.Errorf("%q was read as %s", s, v)
		} else if !errors.As(err, new(*conda.InvalidError)) {
			t.Errorf("%q gave %T", s, err)
		}
	}
}

// TestVersionTotalOrder checks that any versions can be sorted: comparing is
// antisymmetric and transitive.
func TestVersionTotalOrder(t *testing.T) {
	t.Parallel()
	gen := rapid.StringMatching(`([0-2]!)?[0-2a-c]{1,3}([._](dev|post|rc|[0-2a-c]{1,2})){0,3}_?(\+[0-1a]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		var v []conda.Version
		for range 3 {
			v = append(v, version(t, gen.Draw(t, "version")))
		}
		if v[0].Compare(v[1]) != -v[1].Compare(v[0]) {
			t.Fatalf("%s and %s compare differently the other way round", v[0], v[1])
		}
		slices.SortFunc(v, conda.Version.Compare)
		if v[0].Compare(v[2]) > 0 {
			t.Fatalf("%s, %s, %s have no order", v[0], v[1], v[2])
		}
	})
}
