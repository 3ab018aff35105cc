package python

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// Each fuzz test starts from rows of the table that packaging judged, or from
// sound input, and states what holds for any input at all.

func seed(f *testing.F, column func(oracle) [][]any) {
	f.Helper()
	o, err := loadOracle()
	if err != nil {
		f.Fatal(err)
	}
	for i, row := range column(o) {
		if i%20 == 0 {
			f.Add(row[0].(string))
		}
	}
}

// A version's normal form is a version, equal to it, and its own normal form.
func FuzzVersion(f *testing.F) {
	seed(f, func(o oracle) [][]any { return o.Versions })
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			if CanonicalVersion(s) != s {
				t.Fatal("what is no version changed")
			}
			return
		}
		w, err := ParseVersion(v.String())
		if err != nil || w.String() != v.String() || v.Compare(w) != 0 || v.IsPrerelease() != w.IsPrerelease() {
			t.Fatalf("%q has the normal form %q, which is %q: %v", s, v, w, err)
		}
		for _, op := range []string{"==", ">=", "<="} {
			if op != "==" && v.HasLocal() {
				continue
			}
			if set, err := ParseSpecifiers(op + v.String()); err != nil || !set.Contains(v) {
				t.Fatalf("%s%s does not contain it: %v", op, v, err)
			}
		}
	})
}

// Order is total: of two versions one is older or they are equal, either way
// round, and specifiers see the same order.
func FuzzVersionOrder(f *testing.F) {
	f.Add("1.0", "1.0.post1.dev2+x")
	f.Add("1!1.0a1", "1.0.dev1")
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err1 := ParseVersion(a)
		w, err2 := ParseVersion(b)
		if err1 != nil || err2 != nil {
			return
		}
		c := v.Compare(w)
		if c != -w.Compare(v) && (c < 0) == (w.Compare(v) < 0) {
			t.Fatalf("%s and %s: %d and %d", v, w, c, w.Compare(v))
		}
		if w.HasLocal() {
			return
		}
		set, err := ParseSpecifiers(">=" + w.String())
		if err != nil || set.Contains(v) != (c >= 0) {
			t.Fatalf("%s in >=%s: %t", v, w, set.Contains(v))
		}
	})
}

func FuzzSpecifiers(f *testing.F) {
	seed(f, func(o oracle) [][]any { return o.Specifiers })
	probe, err := ParseVersion("1!2.3rc4.post5.dev6+local.7")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		set, err := ParseSpecifiers(s)
		if err != nil {
			return
		}
		again, err := ParseSpecifiers(set.String())
		if err != nil || again.String() != set.String() || again.Contains(probe) != set.Contains(probe) || again.Prereleases() != set.Prereleases() {
			t.Fatalf("%q is written %q, which is read as %q: %v", s, set, again, err)
		}
	})
}

func FuzzRequirement(f *testing.F) {
	seed(f, func(o oracle) [][]any { return o.Requirements })
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRequirement(s)
		if err != nil {
			return
		}
		if !ValidName(r.Name) || r.Marker != "" && !ValidMarker(r.Marker) {
			t.Fatalf("%q is read as %+v", s, r)
		}
	})
}

func FuzzFilename(f *testing.F) {
	seed(f, func(o oracle) [][]any { return append(o.Wheels, o.Sdists...) })
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseFilename(s, "")
		if err != nil {
			return
		}
		if !ValidName(name.Name) || !Normalised(name.Name) || name.Version.IsZero() || !strings.HasPrefix(s, name.Stem) || !safeFilename(s) {
			t.Fatalf("%q is read as %+v", s, name)
		}
		again, err := ParseFilename(s, name.Name)
		if err != nil || again.Name != name.Name {
			t.Fatalf("%q of %s is read as %+v: %v", s, name.Name, again, err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(leastMetadata))
	f.Add([]byte(leastMetadata + "Requires-Dist: a[b]>=1; os_name=='nt'\nProvides-Extra: b\nDescription: a\n b\nDescription-Content-Type: text/markdown\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ParseMetadata(raw)
		if err != nil {
			return
		}
		if !ValidName(m.Name) || CanonicalVersion(m.Version) == "" {
			t.Fatalf("metadata is %+v", m)
		}
		if _, err := json.Marshal(m); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever an upstream sends, what is passed on is sound in both formats, and
// says the same when it is read again.
func FuzzParsePage(f *testing.F) {
	r := Render(fullPage())
	for _, m := range []MediaType{JSON, HTML} {
		var b bytes.Buffer
		r.WriteTo(&b, m, Identity)
		f.Add(uint8(m), b.Bytes())
	}
	base := &url.URL{Scheme: "https", Host: "index.example", Path: "/simple/ours/"}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		page, err := ParsePage(MediaType(kind%3), body, "ours", base, PageLimits{MaxBytes: 1 << 20, MaxFiles: 1000})
		if err != nil {
			return
		}
		for i := range page.Files {
			file := &page.Files[i]
			u, err := url.Parse(file.URL)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || !safeFilename(file.Filename) {
				t.Fatalf("file %q is at %q", file.Filename, file.URL)
			}
		}
		first := Render(page)
		text := plain(t, first, JSON)
		if !json.Valid([]byte(text)) {
			t.Fatalf("not JSON: %s", text)
		}
		again, err := ParsePage(JSON, []byte(text), "ours", base, PageLimits{})
		if err != nil {
			t.Fatalf("cannot be read again: %v\n%s", err, text)
		}
		if got := plain(t, Render(again), JSON); got != text {
			t.Fatalf("changed:\n%s\n%s", text, got)
		}
		if _, err := ParsePage(HTML, form(t, first, HTML, Identity), "ours", base, PageLimits{}); err != nil {
			t.Fatalf("HTML cannot be read again: %v", err)
		}
	})
}

func FuzzNegotiate(f *testing.F) {
	f.Add(Accept, "application/vnd.pypi.simple.v1 json", "gzip;q=0.5, *;q=0.1")
	f.Add("*/*", "", "zstd")
	f.Fuzz(func(t *testing.T, accept, format, encoding string) {
		for _, formats := range [][]string{nil, {format}} {
			m, err := NegotiateType([]string{accept}, formats)
			if err == nil && m > TextHTML {
				t.Fatalf("type %d", m)
			}
		}
		if e := NegotiateEncoding([]string{encoding}); e > Zstd || e == Zstd && !strings.Contains(strings.ToLower(encoding), "zstd") {
			t.Fatalf("%q is answered with %q", encoding, e)
		}
	})
}
