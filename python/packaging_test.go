package python

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oracle is testdata/packaging.json.gz, what the reference implementation says;
// testdata/generate.py tells what the columns are. The second column of a row is
// null where the first is refused.
type oracle struct {
	Packaging    string
	Names        [][]any
	Versions     [][]any
	Order        [][]string
	Probes       []string
	Specifiers   [][]any
	Markers      [][]any
	Requirements [][]any
	Wheels       [][]any
	Sdists       [][]any
}

var loadOracle = sync.OnceValues(func() (o oracle, err error) {
	f, err := os.Open("testdata/packaging.json.gz")
	if err != nil {
		return o, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return o, err
	}
	return o, json.NewDecoder(z).Decode(&o)
})

// each calls fn with every row, at least so many that an empty table cannot pass.
func each(t *testing.T, rows [][]any, least int, fn func(input string, want []any)) {
	t.Helper()
	if len(rows) < least {
		t.Fatalf("table has %d rows, expected at least %d", len(rows), least)
	}
	for _, row := range rows {
		fn(row[0].(string), row[1:])
	}
}

func getOracle(t *testing.T) oracle {
	t.Helper()
	t.Parallel()
	o, err := loadOracle()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestNamesAsPackaging(t *testing.T) {
	each(t, getOracle(t).Names, 2000, func(name string, want []any) {
		if got := ValidName(name); got != want[0] && len(name) <= MaxNameLen {
			t.Errorf("ValidName(%q) = %t", name, got)
		}
		if want[1] == nil { // beyond ASCII only refusing matters
			return
		}
		if got := Normalise(name); got != want[1] {
			t.Errorf("Normalise(%q) = %q, expected %q", name, got, want[1])
		}
		if Normalised(name) != (name == want[1]) {
			t.Errorf("Normalised(%q) = %t", name, Normalised(name))
		}
	})
}

func TestVersionsAsPackaging(t *testing.T) {
	each(t, getOracle(t).Versions, 5000, func(text string, want []any) {
		v, err := ParseVersion(text)
		if (err == nil) != (want[0] != nil) {
			t.Errorf("ParseVersion(%q): %v, expected %v", text, err, want[0])
		}
		if err != nil || want[0] == nil {
			return
		}
		local := ""
		if full, public := v.String(), v.Public(); full != public {
			local = full[len(public)+1:]
		}
		got := []any{v.String(), v.Public(), v.base(), v.IsPrerelease(), v.IsPostrelease(), local}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseVersion(%q) (-want +got):\n%s", text, diff)
		}
		if v.HasLocal() != (local != "") {
			t.Errorf("ParseVersion(%q).HasLocal() = %t", text, v.HasLocal())
		}
	})
}

// base is epoch and release.
func (v Version) base() string {
	return Version{epoch: v.epoch, release: v.release}.String()
}

func TestVersionOrderAsPackaging(t *testing.T) {
	order := getOracle(t).Order
	if len(order) < 3000 {
		t.Fatalf("table has %d rows", len(order))
	}
	var groups [][]Version
	for _, texts := range order {
		var group []Version
		for _, text := range texts {
			v, err := ParseVersion(text)
			if err != nil {
				t.Fatal(err)
			}
			group = append(group, v)
		}
		groups = append(groups, group)
	}
	for i, group := range groups {
		for _, v := range group {
			if v.Compare(group[0]) != 0 {
				t.Errorf("%s and %s are not equal", v, group[0])
			}
			// Neighbours, and others at growing distances.
			for step := 1; i+step < len(groups); step *= 2 {
				if w := groups[i+step][0]; v.Compare(w) >= 0 || w.Compare(v) <= 0 {
					t.Errorf("%s is not older than %s", v, w)
				}
			}
		}
	}
}

func TestSpecifiersAsPackaging(t *testing.T) {
	o := getOracle(t)
	var probes, few []Version
	for i, p := range o.Probes {
		v, err := ParseVersion(p)
		if err != nil {
			t.Fatal(err)
		}
		if probes = append(probes, v); i%2 == 0 && v.IsPrerelease() {
			few = append(few, v)
		}
	}
	each(t, o.Specifiers, 3000, func(text string, want []any) {
		set, err := ParseSpecifiers(text)
		if (err == nil) != (want[0] != nil) {
			t.Errorf("ParseSpecifiers(%q): %v, expected valid: %t", text, err, want[0] != nil)
		}
		if err != nil || want[0] == nil {
			return
		}
		holds := want[0].(string)
		for i, v := range probes {
			if got := set.Contains(v); got != (holds[i] == '1') {
				t.Errorf("%q contains %s: %t", text, v, got)
			}
		}
		if got := set.Prereleases(); got != want[2] {
			t.Errorf("%q accepts pre-releases: %t", text, got)
		}
		var chosen []string
		for i, c := range want[1].(string) {
			if c == '1' {
				chosen = append(chosen, probes[i].String())
			}
		}
		if diff := cmp.Diff(chosen, stringsOf(set.Filter(probes, false))); diff != "" {
			t.Errorf("%q filters (-want +got):\n%s", text, diff)
		}
		var last []string
		for _, v := range want[3].([]any) {
			last = append(last, v.(string))
		}
		if diff := cmp.Diff(last, stringsOf(set.Filter(few, false))); diff != "" {
			t.Errorf("%q filters pre-releases alone (-want +got):\n%s", text, diff)
		}
		if again, err := ParseSpecifiers(set.String()); err != nil || again.String() != set.String() {
			t.Errorf("%q is written as %q, which is not the same: %v", text, set.String(), err)
		}
	})
}

func stringsOf(versions []Version) (out []string) {
	for _, v := range versions {
		out = append(out, v.String())
	}
	return out
}

func TestMarkersAsPackaging(t *testing.T) {
	each(t, getOracle(t).Markers, 2000, func(text string, want []any) {
		if got := ValidMarker(text); got != want[0] {
			t.Errorf("ValidMarker(%q) = %t", text, got)
		}
	})
}

func TestRequirementsAsPackaging(t *testing.T) {
	each(t, getOracle(t).Requirements, 2500, func(text string, want []any) {
		r, err := ParseRequirement(text)
		if err != nil && strings.HasPrefix(text, "x-y_") && !strings.HasPrefix(text, "x-y_z") {
			return // packaging lets a name end in '_', against PEP 508
		}
		if (err == nil) != (want[0] != nil) {
			t.Errorf("ParseRequirement(%q): %v, expected valid: %t", text, err, want[0] != nil)
		}
		if err != nil || want[0] == nil {
			return
		}
		extras := slices.Compact(slices.Sorted(slices.Values(r.Extras)))
		clauses := []any{}
		for _, c := range strings.Split(r.Specifiers.String(), ",") {
			if c != "" {
				clauses = append(clauses, c)
			}
		}
		slices.SortFunc(clauses, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		got := []any{r.Name, toAny(extras), r.URL, clauses, r.Marker != ""}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseRequirement(%q) (-want +got):\n%s", text, diff)
		}
	})
}

func toAny(in []string) []any {
	out := []any{}
	for _, s := range in {
		out = append(out, s)
	}
	return out
}

func TestWheelNamesAsPackaging(t *testing.T) {
	each(t, getOracle(t).Wheels, 1500, func(filename string, want []any) {
		f, err := ParseFilename(filename, "")
		if err != nil {
			if want[0] != nil && !strictly(filename) {
				t.Errorf("ParseFilename(%q): %v", filename, err)
			}
			return
		}
		if want[0] == nil {
			t.Errorf("ParseFilename(%q) accepts it", filename)
			return
		}
		var tags []string
		for py := range strings.SplitSeq(f.Python, ".") {
			for abi := range strings.SplitSeq(f.ABI, ".") {
				for platform := range strings.SplitSeq(f.Platform, ".") {
					tags = append(tags, strings.ToLower(py+"-"+abi+"-"+platform))
				}
			}
		}
		slices.Sort(tags)
		// packaging reads the number of a build tag as one.
		build := strings.TrimLeft(f.Build, "0")
		if f.Build != "" && (build == "" || !digit(build[0])) {
			build = "0" + build
		}
		got := []any{f.Name, f.Version.String(), build, toAny(slices.Compact(tags))}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseFilename(%q) (-want +got):\n%s", filename, diff)
		}
		if f.Kind != Wheel || f.Stem+".whl" != filename {
			t.Errorf("ParseFilename(%q) is a %s with stem %q", filename, f.Kind, f.Stem)
		}
	})
}

func TestSdistNamesAsPackaging(t *testing.T) {
	each(t, getOracle(t).Sdists, 1500, func(filename string, want []any) {
		f, err := ParseFilename(filename, "")
		if err != nil {
			if want[0] != nil && !strictly(filename) {
				t.Errorf("ParseFilename(%q): %v", filename, err)
			}
			return
		}
		if want[0] == nil {
			t.Errorf("ParseFilename(%q) accepts it", filename)
			return
		}
		if diff := cmp.Diff(want, []any{f.Name, f.Version.String()}); diff != "" {
			t.Errorf("ParseFilename(%q) (-want +got):\n%s", filename, diff)
		}
	})
}

// strictly reports whether a file name that packaging accepts is refused on
// purpose: it becomes part of URLs and paths, so names, build tags and tags may
// only hold what the standards say they are made of.
func strictly(filename string) bool {
	stem, wheel := strings.CutSuffix(filename, ".whl")
	if !wheel {
		return !ValidName(stem[:strings.LastIndexByte(stem, '-')]) || strings.ContainsFunc(stem, blank)
	}
	parts := strings.Split(stem, "-")
	if !ValidName(parts[0]) || strings.ContainsFunc(parts[1], blank) {
		return true
	}
	for _, tag := range parts[2:] {
		if strings.Trim(tag, ".") != tag || strings.ContainsFunc(tag, func(r rune) bool {
			return r >= 0x80 || r != '_' && r != '.' && !alnum(byte(r))
		}) {
			return true
		}
	}
	return false
}
