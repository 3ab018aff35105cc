package python

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var upstreamBase = &url.URL{Scheme: "https", Host: "index.example", Path: "/simple/theirs/"}

// wantFull is what both forms of one page say.
func wantFull() File {
	signed := false
	return File{
		Filename: "theirs-1.0-py3-none-any.whl", URL: "https://files.example/packages/ab/theirs-1.0-py3-none-any.whl",
		Hashes: map[string]string{"sha256": strings.Repeat("ab", 32)}, RequiresPython: ">=3.9,<4",
		Yanked: true, YankedReason: `a "reason" & more`, GPGSig: &signed, Version: "1.0",
		CoreMetadata: CoreMetadata{Available: true, Hashes: map[string]string{"sha256": strings.Repeat("cd", 32)}},
		Provenance:   "https://index.example/integrity/theirs/provenance",
	}
}

func TestParseJSONPage(t *testing.T) {
	t.Parallel()
	body := `{"meta":{"api-version":"1.4","_last-serial":12,"tracks":["https://x"]}, "name":"Theirs", "x-new": {"a": [1, 2]},
	"project-status":{"status":"archived","reason":"done"},"versions":["1.0","0.9"],
	"files":[{"filename":"theirs-1.0-py3-none-any.whl","url":"https://files.example/packages/ab/theirs-1.0-py3-none-any.whl#sha256=` + strings.Repeat("00", 32) + `",
	"hashes":{"sha256":"` + strings.Repeat("AB", 32) + `"},"requires-python":">=3.9,<4","size":1234,"upload-time":"2026-01-02T03:04:05.678901Z",
	"yanked":"a \"reason\" & more","core-metadata":{"sha256":"` + strings.Repeat("cd", 32) + `"},"dist-info-metadata":false,
	"provenance":"../../integrity/theirs/provenance","gpg-sig":false,"variant": { "of" : "things" }},
	{"filename":"theirs-0.9.tar.gz","url":"../../files/theirs-0.9.tar.gz","hashes":{},"requires-python":null,"yanked":false}]}`
	page, err := ParsePage(JSON, []byte(body), "theirs", upstreamBase, PageLimits{})
	if err != nil {
		t.Fatal(err)
	}
	first := wantFull()
	first.Size, first.UploadTime = 1234, time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	first.Extra = map[string]json.RawMessage{"variant": json.RawMessage(`{"of":"things"}`)}
	want := &Page{
		Name: "theirs", Status: Status{Status: "archived", Reason: "done"}, Versions: []string{"1.0", "0.9"},
		Files: []File{first, {Filename: "theirs-0.9.tar.gz", URL: "https://index.example/files/theirs-0.9.tar.gz", Version: "0.9"}},
		Meta:  map[string]json.RawMessage{"_last-serial": json.RawMessage("12"), "tracks": json.RawMessage(`["https://x"]`)},
		Extra: map[string]json.RawMessage{"x-new": json.RawMessage(`{"a":[1,2]}`)},
	}
	if diff := cmp.Diff(want, page, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestParseHTMLPage(t *testing.T) {
	t.Parallel()
	body := `<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3">
	<meta name="pypi:project-status" content="archived"><meta name="pypi:project-status-reason" content="done">
	<title>Links for theirs</title></head><body><!-- <a href="theirs-6.tar.gz"> --><h1>Links for theirs</h1><script>"<a href='theirs-7.tar.gz'>"</script>
	<A HREF="https://files.example/packages/ab/theirs-1.0-py3-none-any.whl#egg=deadbeef&amp;sha256=` + strings.Repeat("AB", 32) + `"
	 data-requires-python="&gt;=3.9,&lt;4" data-yanked='a "reason" &amp; more' data-core-metadata="sha256=` + strings.Repeat("cd", 32) + `" data-dist-info-metadata="false"
	 data-provenance="/integrity/theirs/provenance" data-gpg-sig="false">anything</A>
	<a href="../../files/theirs-0.9.tar.gz" href="second" data-dist-info-metadata>theirs</a><a name=x><a href="../">up</a></body></html>`
	page, err := ParsePage(TextHTML, []byte(body), "theirs", upstreamBase, PageLimits{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Page{
		Name: "theirs", Status: Status{Status: "archived", Reason: "done"},
		Files: []File{wantFull(), {Filename: "theirs-0.9.tar.gz", URL: "https://index.example/files/theirs-0.9.tar.gz", Version: "0.9",
			CoreMetadata: CoreMetadata{Available: true}}},
	}
	if diff := cmp.Diff(want, page, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

// Both spellings of the availability of metadata, PEP 714: the newer one wins.
func TestCoreMetadataSpellings(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0a", 32)
	yes, hashed := CoreMetadata{Available: true}, CoreMetadata{Available: true, Hashes: map[string]string{"sha256": digest}}
	for keys, want := range map[string]CoreMetadata{
		``:                                {},
		`"core-metadata":false`:           {},
		`"core-metadata":null`:            {},
		`"core-metadata":"true"`:          {},
		`"core-metadata":true`:            yes,
		`"core-metadata":{}`:              yes,
		`"core-metadata":{"sha256":"xy"}`: yes,
		`"core-metadata":{"sha256":"` + digest + `"}`:                               hashed,
		`"dist-info-metadata":true`:                                                 yes,
		`"dist-info-metadata":{"sha256":"` + digest + `"}`:                          hashed,
		`"core-metadata":false,"dist-info-metadata":true`:                           {},
		`"dist-info-metadata":true,"core-metadata":false`:                           {},
		`"dist-info-metadata":true,"core-metadata":{"sha256":"` + digest + `"}`:     hashed,
		`"core-metadata":{"sha256":"` + digest + `"},"dist-info-metadata":false`:    hashed,
		`"core-metadata":true,"dist-info-metadata":{"sha256":"` + digest + `"}`:     yes,
		`"data-dist-info-metadata":{"sha256":"` + digest + `"},"core-metadata":[1]`: {},
	} {
		page := `{"files":[{"filename":"theirs-1.tar.gz","url":"x"` + strings.TrimSuffix(","+keys, ",") + `}]}`
		got, err := ParsePage(JSON, []byte(page), "theirs", upstreamBase, PageLimits{})
		if err != nil || len(got.Files) != 1 {
			t.Errorf("%s: %v", keys, err)
			continue
		}
		if diff := cmp.Diff(want, got.Files[0].CoreMetadata); diff != "" {
			t.Errorf("%s (-want +got):\n%s", keys, diff)
		}
		if out := plain(t, Render(got), JSON); strings.Contains(out, `"dist-info-metadata"`) {
			t.Errorf("%s: JSON has the older key: %s", keys, out)
		}
	}
}

// Files that nobody could install, or that are another project's, are not passed
// on; the page around them is.
func TestFilesLeftOut(t *testing.T) {
	t.Parallel()
	const ok = "https://h/theirs-1.tar.gz"
	tests := []struct {
		filename, url string
		kept          bool
	}{
		{"theirs-1.tar.gz", ok, true},
		{"theirs-1.tar.gz", "http://h:8080/a/../theirs-1.tar.gz?x=y", true},
		{"Theirs-1.zip", "//h/x", true},
		{"theirs-1.tar.gz", "", true}, // the page itself: of no use, and no harm
		{"theirs-1.tar.gz", "file:///etc/passwd", false},
		{"theirs-1.tar.gz", "ftp://h/theirs-1.tar.gz", false},
		{"theirs-1.tar.gz", "javascript:alert(1)", false},
		{"theirs-1.tar.gz", "data:text/plain,x", false},
		{"theirs-1.tar.gz", "https:theirs-1.tar.gz", false},
		{"theirs-1.tar.gz", "https:///theirs-1.tar.gz", false},
		{"theirs-1.tar.gz", "https://user:pw@h/theirs-1.tar.gz", false},
		{"theirs-1.tar.gz", "https://h/\x01", false},
		{"theirs-1.tar.gz", "https://h:port/x", false},
		{"theirs-1.tar.gz", "https://[::1/x", false},
		{"", ok, false},
		{"..", ok, false},
		{"../theirs-1.tar.gz", ok, false},
		{"theirs-1/x.tar.gz", ok, false},
		{`theirs-1\x.tar.gz`, ok, false},
		{"theirs-1.tar.gz\x00", ok, false},
		{"theirs-" + strings.Repeat("1", 300) + ".tar.gz", ok, false},
		// Whose it is.
		{"ours-1.tar.gz", ok, false},
		{"ours-1-py3-none-any.whl", ok, false},
		{"theirs_more-1-py3-none-any.whl", ok, false},
		{"theirs-more-1.tar.gz", ok, false},
		{"theirs-more-1.0rc1.zip", ok, false},
		{"theirs-1.0-1.tar.gz", ok, true},
		{"theirs-2004d.tar.gz", ok, true},
		{"theirs-1.0-py2.7.egg", ok, true},
		{"theirs-1.0.win32-py2.7.exe", ok, true},
		{"theirs-1.0.tar.bz2", ok, true},
		{"ours-1.0-py2.7.egg", ok, false},
		{"theirs.tar.gz", ok, false},
	}
	for _, test := range tests {
		name, _ := json.Marshal(test.filename)
		ref, _ := json.Marshal(test.url)
		body := fmt.Sprintf(`{"files":[{"filename":%s,"url":%s},{"filename":"theirs-9.tar.gz","url":"y"},7,null,[],{}]}`, name, ref)
		page, err := ParsePage(JSON, []byte(body), "theirs", upstreamBase, PageLimits{})
		if err != nil {
			t.Errorf("%q at %q: %v", test.filename, test.url, err)
			continue
		}
		if kept := len(page.Files) == 2; kept != test.kept || len(page.Files) == 0 {
			t.Errorf("%q at %q: %d files are left", test.filename, test.url, len(page.Files))
		}
	}
}

func TestHashesOfFiles(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0f", 32)
	for in, want := range map[string]map[string]string{
		`"hashes":{"sha256":"` + sum + `","blake2b_256":"00"}`:   {"sha256": sum, "blake2b_256": "00"},
		`"hashes":{"sha256":"0f"}`:                               nil, // of no such length
		`"hashes":{"sha256":"` + strings.Repeat("zz", 32) + `"}`: nil,
		`"hashes":{"sha256":5,"SHA256":"00","":"00"}`:            nil,
		`"hashes":null`:                nil,
		`"url":"x#sha256=` + sum + `"`: {"sha256": sum},
		`"url":"x#md5=` + strings.Repeat("0f", 16) + `&egg=ff"`: {"md5": strings.Repeat("0f", 16)},
		`"url":"x#egg=ff"`: nil,
		`"url":"x#sha256=` + sum + `","hashes":{"sha1":"0f"}`:        {"sha256": sum},
		`"url":"x#sha256=` + sum + `","hashes":{"blake2b_256":"00"}`: {"blake2b_256": "00"},
	} {
		body := `{"files":[{"filename":"theirs-1.tar.gz","url":"x",` + in + `}]}`
		page, err := ParsePage(JSON, []byte(body), "theirs", upstreamBase, PageLimits{})
		if err != nil || len(page.Files) != 1 {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, page.Files[0].Hashes, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
		if strings.Contains(page.Files[0].URL, "#") {
			t.Errorf("%s: the URL keeps its fragment: %s", in, page.Files[0].URL)
		}
	}
}

// What is no page is an error, by which a cache goes on with what it has; it is
// never a project without files.
func TestBadPages(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)
	tests := []struct {
		name string
		t    MediaType
		body string
	}{
		{"empty", JSON, ""},
		{"HTML for JSON", JSON, "<html></html>"},
		{"truncated", JSON, `{"files":[{"filename":"theirs-1.tar.gz"`},
		{"followed by something", JSON, `{"files":[]} {}`},
		{"array", JSON, `[]`},
		{"string", JSON, `"files"`},
		{"no files", JSON, `{"meta":{"api-version":"1.0"},"name":"theirs"}`},
		{"files null", JSON, `{"files":null}`},
		{"an error in JSON", JSON, `{"message":"Not found"}`},
		{"other project", JSON, `{"name":"ours","files":[]}`},
		{"no name", JSON, `{"name":null,"files":[]}`},
		{"major version", JSON, `{"meta":{"api-version":"2.0"},"files":[]}`},
		{"odd version", JSON, `{"meta":{"api-version":"one"},"files":[]}`},
		{"deep", JSON, `{"files":[],"x":` + deep + `}`},
		{"too deep for most parsers", JSON, strings.Repeat("[", 2_000_000)},
		{"empty", HTML, ""},
		{"login page", HTML, `<html><body><form action="/login"><a href="/help">help</a></form></body></html>`},
		{"maintenance page", TextHTML, "<h1>We will be back soon</h1>"},
		{"JSON for HTML", HTML, `{"files":[]}`},
		{"truncated", HTML, `<html><body>Links for theirs<a href="theirs-1.tar.gz">x</a>`},
		{"major version", HTML, `<html><meta name="pypi:repository-version" content="2.0"></html>`},
		{"tag without end", HTML, `<html><a href="` + strings.Repeat("x", 2<<20)},
		{"only other projects' files", HTML, `<html><a href="ours-1.tar.gz">x</a></html>`},
	}
	for _, test := range tests {
		page, err := ParsePage(test.t, []byte(test.body), "theirs", upstreamBase, PageLimits{})
		if !errors.Is(err, ErrBadPage) {
			t.Errorf("%s %v: %+v, %v", test.name, test.t, page, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("%s: the error has %d bytes", test.name, len(err.Error()))
		}
	}
}

func TestEmptyPagesAreGood(t *testing.T) {
	t.Parallel()
	for body, m := range map[string]MediaType{
		`{"meta":{"api-version":"1.0"},"name":"theirs","files":[]}`:               JSON,
		`<!DOCTYPE html><title>Links for theirs</title><h1>Links for theirs</h1>`: HTML,
		`<html><meta name="pypi:repository-version" content="1.0"></html>`:        HTML,
	} {
		if page, err := ParsePage(m, []byte(body), "theirs", upstreamBase, PageLimits{}); err != nil || len(page.Files) != 0 {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestPageLimits(t *testing.T) {
	t.Parallel()
	r := Render(largePage(20))
	for _, m := range mediaTypes {
		body := form(t, r, m, Identity)
		base := upstreamBase.JoinPath("../ours/")
		for _, lim := range []PageLimits{{MaxBytes: len(body) - 1}, {MaxFiles: 19}} {
			if _, err := ParsePage(m, body, "ours", base, lim); !errors.Is(err, ErrBadPage) {
				t.Errorf("%v within %+v: %v", m, lim, err)
			}
		}
		page, err := ParsePage(m, body, "ours", base, PageLimits{MaxBytes: len(body), MaxFiles: 20})
		if err != nil || len(page.Files) != 20 {
			t.Errorf("%v at its limits: %v", m, err)
		}
	}
}

// A page that we render is read as the page it was, by ourselves at least.
func TestPageRoundTrip(t *testing.T) {
	t.Parallel()
	page := fullPage()
	for i := range page.Files {
		f := &page.Files[i]
		f.Hashes = map[string]string{"sha256": pseudoHash(uint64(i))}
		f.URL = "https://h/" + f.Filename
		if f.CoreMetadata.Hashes != nil {
			f.CoreMetadata.Hashes = map[string]string{"sha256": pseudoHash(9)}
		}
	}
	first := Render(page)
	again, err := ParsePage(JSON, form(t, first, JSON, Identity), "ours", upstreamBase, PageLimits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(t, first, JSON), plain(t, Render(again), JSON)); diff != "" {
		t.Errorf("JSON (-first +again):\n%s", diff)
	}
	if again, err = ParsePage(HTML, form(t, first, HTML, Identity), "ours", upstreamBase, PageLimits{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(plain(t, first, HTML), "\x00", "\ufffd"), plain(t, Render(again), HTML)); diff != "" {
		t.Errorf("HTML (-first +again):\n%s", diff)
	}
}

func TestHTMLBase(t *testing.T) {
	t.Parallel()
	body := `<html><base href="https://other.example/a/"><base href="https://third/"><a href="theirs-1.zip#x">1</a></html>`
	page, err := ParsePage(HTML, []byte(body), "theirs", upstreamBase, PageLimits{})
	if err != nil || page.Files[0].URL != "https://other.example/a/theirs-1.zip" {
		t.Errorf("%+v, %v", page, err)
	}
}
