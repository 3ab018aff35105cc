package python

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/html"

	"github.com/fairwayhq/fairway/splice"
)

// form is one representation, as it is served.
func form(t testing.TB, r *Rendered, m MediaType, e Encoding) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := r.WriteTo(&b, m, e)
	if err != nil || n != int64(b.Len()) || n != r.Size(m, e) {
		t.Fatalf("%v in %q: wrote %d of %d bytes, size %d: %v", m, e, n, b.Len(), r.Size(m, e), err)
	}
	return b.Bytes()
}

// plain is the identity form, the filler between its segments taken out.
func plain(t testing.TB, r *Rendered, m MediaType) string {
	t.Helper()
	return strings.ReplaceAll(string(form(t, r, m, Identity)), splice.Filler, "")
}

// decode undoes a content coding, and refuses anything behind the one member or
// frame that clients read.
func decode(t testing.TB, packed []byte, e Encoding) []byte {
	t.Helper()
	switch e {
	case Gzip:
		src := bytes.NewReader(packed)
		z, err := stdgzip.NewReader(src)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		raw, err := io.ReadAll(z)
		if err != nil || src.Len() != 0 {
			t.Fatalf("gzip: %v, %d bytes follow", err, src.Len())
		}
		return raw
	case Zstd:
		z, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		raw, err := z.DecodeAll(packed, nil)
		if err != nil {
			t.Fatal(err)
		}
		var h zstd.Header
		if err := h.Decode(packed); err != nil || !h.HasFCS || h.FrameContentSize != uint64(len(raw)) {
			t.Fatalf("zstd: first frame holds %d bytes of %d: %v", h.FrameContentSize, len(raw), err)
		}
		return raw
	default:
		return packed
	}
}

var (
	mediaTypes = [...]MediaType{JSON, HTML, TextHTML}
	encodings  = [...]Encoding{Identity, Gzip, Zstd}
)

// fullPage has everything a page can have, and text that must be escaped.
func fullPage() *Page {
	signed := true
	return &Page{
		Name:   "ours",
		Status: Status{Status: StatusDeprecated, Reason: `use "theirs" <now> & 'then'`},
		Meta:   map[string]json.RawMessage{"_last-serial": json.RawMessage("7")},
		Extra:  map[string]json.RawMessage{"alternate-locations": json.RawMessage(`[]`)},
		Files: []File{
			{
				Filename: "ours-1.0-py3-none-any.whl", URL: "../../files/ab/ours-1.0-py3-none-any.whl?a=1&b=2",
				Hashes:         map[string]string{"sha256": "aa", "md5": "bb"},
				RequiresPython: ">=3.9,<4", Size: 1234,
				UploadTime:   time.Date(2026, 1, 2, 3, 4, 5, 678901999, time.FixedZone("", 3600)),
				Yanked:       true,
				YankedReason: "broken\n\"really\"\u2028\x00",
				CoreMetadata: CoreMetadata{Available: true, Hashes: map[string]string{"sha256": "cc"}},
				Provenance:   "https://gw/integrity/ours/1.0/ours-1.0-py3-none-any.whl/provenance",
				GPGSig:       &signed,
				Extra:        map[string]json.RawMessage{"zeta": json.RawMessage(`{"a":[1]}`), "alpha": json.RawMessage("null")},
			},
			{Filename: "ours-0.9.tar.gz", URL: "../../files/cd/ours-0.9.tar.gz", Hashes: map[string]string{"sha256": "dd"}, Yanked: true,
				CoreMetadata: CoreMetadata{Available: true}},
			{Filename: "ours-10.tar.gz", URL: "../../files/ef/ours-10.tar.gz"},
			{Filename: "ours-1.0.tar.gz", URL: "../../files/gh/ours-1.0.tar.gz", Hashes: map[string]string{"sha512": "ee", "sha1": "ff"}},
		},
	}
}

func TestRenderJSON(t *testing.T) {
	t.Parallel()
	const want = `{"meta":{"api-version":"1.4","_last-serial":7},"name":"ours","project-status":{"status":"deprecated","reason":"use \"theirs\" <now> & 'then'"},"alternate-locations":[],"versions":["0.9","1.0","10"],"files":[
{"filename":"ours-0.9.tar.gz","url":"../../files/cd/ours-0.9.tar.gz","hashes":{"sha256":"dd"},"yanked":true,"core-metadata":true},
{"filename":"ours-1.0-py3-none-any.whl","url":"../../files/ab/ours-1.0-py3-none-any.whl?a=1&b=2","hashes":{"md5":"bb","sha256":"aa"},"requires-python":">=3.9,<4","size":1234,"upload-time":"2026-01-02T02:04:05.678901Z","yanked":"broken\n\"really\"` + "\u2028" + `\u0000","core-metadata":{"sha256":"cc"},"provenance":"https://gw/integrity/ours/1.0/ours-1.0-py3-none-any.whl/provenance","gpg-sig":true,"alpha":null,"zeta":{"a":[1]}},
{"filename":"ours-1.0.tar.gz","url":"../../files/gh/ours-1.0.tar.gz","hashes":{"sha1":"ff","sha512":"ee"},"yanked":false},
{"filename":"ours-10.tar.gz","url":"../../files/ef/ours-10.tar.gz","hashes":{},"yanked":false}
]}
`
	got := plain(t, Render(fullPage()), JSON)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	if !json.Valid([]byte(got)) {
		t.Error("that is no JSON")
	}
}

func TestRenderHTML(t *testing.T) {
	t.Parallel()
	const want = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="1.4">
<meta name="pypi:project-status" content="deprecated">
<meta name="pypi:project-status-reason" content="use &#34;theirs&#34; &lt;now&gt; &amp; &#39;then&#39;">
<title>Links for ours</title>
</head>
<body>
<h1>Links for ours</h1>
<a href="../../files/cd/ours-0.9.tar.gz#sha256=dd" data-yanked="" data-core-metadata="true" data-dist-info-metadata="true">ours-0.9.tar.gz</a><br>
<a href="../../files/ab/ours-1.0-py3-none-any.whl?a=1&amp;b=2#sha256=aa" data-requires-python="&gt;=3.9,&lt;4" data-yanked="broken
&#34;really&#34;` + "\u2028\ufffd" + `" data-core-metadata="sha256=cc" data-dist-info-metadata="sha256=cc" data-provenance="https://gw/integrity/ours/1.0/ours-1.0-py3-none-any.whl/provenance" data-gpg-sig="true">ours-1.0-py3-none-any.whl</a><br>
<a href="../../files/gh/ours-1.0.tar.gz#sha512=ee">ours-1.0.tar.gz</a><br>
<a href="../../files/ef/ours-10.tar.gz">ours-10.tar.gz</a><br>
</body>
</html>
`
	r := Render(fullPage())
	if diff := cmp.Diff(want, plain(t, r, HTML)); diff != "" {
		t.Errorf("HTML (-want +got):\n%s", diff)
	}
	if !bytes.Equal(form(t, r, HTML, Gzip), form(t, r, TextHTML, Gzip)) {
		t.Error("text/html has other bytes")
	}
}

// Whatever is in the fields, markup stays what it is: a parser sees one anchor,
// with the very values.
func TestHTMLCannotBeBrokenOutOf(t *testing.T) {
	t.Parallel()
	const evil = `"'><script>alert(1)</script><a href="x">&amp;` + "\u00a0\U0001f40d"
	page := &Page{Name: "ours", Status: Status{Status: evil, Reason: evil}, Files: []File{{
		Filename: "ours-1.0.tar.gz", URL: "x", RequiresPython: evil, Yanked: true, YankedReason: evil, Provenance: evil,
		Hashes: map[string]string{"sha256": evil},
	}}}
	doc, err := html.Parse(bytes.NewReader(form(t, Render(page), HTML, Identity)))
	if err != nil {
		t.Fatal(err)
	}
	anchors := 0
	for n := range doc.Descendants() {
		switch n.Data {
		case "script":
			t.Error("a script got in")
		case "a":
			anchors++
			for _, a := range n.Attr {
				if a.Val != evil && a.Key != "href" || a.Key == "href" && a.Val != "x#sha256="+evil {
					t.Errorf("%s is %q", a.Key, a.Val)
				}
			}
		}
	}
	if anchors != 1 {
		t.Errorf("%d anchors", anchors)
	}
}

func TestCodingsDecodeToIdentity(t *testing.T) {
	t.Parallel()
	pages := map[string]*Rendered{
		"full": Render(fullPage()), "empty": Render(&Page{Name: "ours"}), "large": Render(largePage(700)),
		"index": RenderIndex([]string{"a", "b-c"}), "empty index": RenderIndex(nil),
	}
	for name, r := range pages {
		tags := map[string]bool{}
		for _, m := range mediaTypes {
			want := form(t, r, m, Identity)
			for _, e := range encodings {
				if got := decode(t, form(t, r, m, e), e); !bytes.Equal(got, want) {
					t.Errorf("%s: %v in %q decodes to something else", name, m, e)
				}
				tag := r.ETag(m, e)
				if tags[tag] || len(tag) < 18 || tag[0] != '"' || tag[len(tag)-1] != '"' {
					t.Errorf("%s: %v in %q has the tag %s, which is not its own", name, m, e, tag)
				}
				tags[tag] = true
			}
		}
		if !json.Valid(form(t, r, JSON, Identity)) {
			t.Errorf("%s is no JSON", name)
		}
	}
}

// NewReader serves ranges: any offset, any size of read.
func TestReaderReadsAndSeeks(t *testing.T) {
	t.Parallel()
	r := Render(largePage(200))
	for _, e := range encodings {
		want := form(t, r, JSON, e)
		if err := iotest.TestReader(r.NewReader(JSON, e), want); err != nil {
			t.Errorf("%q: %v", e, err)
		}
	}
}

func TestQuarantinedProjectOffersNoFiles(t *testing.T) {
	t.Parallel()
	page := fullPage()
	page.Status = Status{Status: StatusQuarantined}
	r := Render(page)
	var got struct {
		Status   Status `json:"project-status"`
		Versions []string
		Files    []any
	}
	if err := json.Unmarshal(form(t, r, JSON, Identity), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status.Status != "quarantined" || len(got.Files) != 0 || len(got.Versions) != 0 {
		t.Errorf("page says %+v", got)
	}
	if strings.Contains(plain(t, r, HTML), "<a ") {
		t.Error("HTML offers files")
	}
	// Freed, it has its files again.
	active := &Status{Status: StatusActive}
	page.Status = *active
	if got := r.With(Update{Status: active}); plain(t, got, JSON) != plain(t, Render(page), JSON) {
		t.Error("the files did not come back")
	}
}

// PEP 700: versions are unique and cover every file, whatever the upstream said.
func TestVersionsAreUniqueAndCoverTheFiles(t *testing.T) {
	t.Parallel()
	files := func() []File {
		return []File{{Filename: "ours-1.0.tar.gz"}, {Filename: "ours-1.0-py3-none-any.whl"}, {Filename: "ours-2.0rc1.zip"}, {Filename: "ours-latest.tar.gz"}}
	}
	for _, test := range []struct {
		given []string
		want  string
	}{
		{nil, `["1.0","2.0rc1"]`},
		{[]string{}, `["1.0","2.0rc1"]`},
		{[]string{"2.0rc1", "1.0", "1.0", "0.5", "2004d"}, `["2.0rc1","1.0","0.5","2004d"]`},
		{[]string{"v1.0", "0.5"}, `["v1.0","0.5","2.0rc1"]`},
	} {
		page := &Page{Name: "ours", Versions: test.given, Files: files()}
		if got := plain(t, Render(page), JSON); !strings.Contains(got, `"versions":`+test.want) {
			t.Errorf("given %q: %s", test.given, got)
		}
	}
}

// The same holds after a change.
func TestWithCoversNewFiles(t *testing.T) {
	t.Parallel()
	r := Render(&Page{Name: "ours", Versions: []string{"0.5"}}).With(Update{Put: []File{{Filename: "ours-1.0.tar.gz"}}})
	if got := plain(t, r, JSON); !strings.Contains(got, `"versions":["0.5","1.0"]`) {
		t.Errorf("page is %s", got)
	}
}

func TestFilterDropsVersionsWithoutFiles(t *testing.T) {
	t.Parallel()
	page := &Page{Name: "ours", Versions: []string{"0.5", "1.0", "v2.0", "3.0"}, Files: []File{
		{Filename: "ours-1.0.tar.gz", Version: "1.0"}, {Filename: "ours-2.0.tar.gz", Version: "2.0"},
		{Filename: "ours-3.0.tar.gz", Version: "3.0"}, {Filename: "ours-3.0.zip", Version: "3.0"},
	}}
	got := page.Filter(func(f *File) bool { return f.Version == "1.0" || strings.HasSuffix(f.Filename, ".zip") })
	if diff := cmp.Diff([]string{"0.5", "1.0", "3.0"}, got.Versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if len(got.Files) != 2 || len(page.Files) != 4 || len(page.Versions) != 4 {
		t.Errorf("%d files of %d are left", len(got.Files), len(page.Files))
	}
	if got.File("ours-3.0.zip") == nil || got.File("ours-2.0.tar.gz") != nil {
		t.Error("the wrong files are left")
	}
}

func TestRenderIndexGolden(t *testing.T) {
	t.Parallel()
	r := RenderIndex([]string{"a", "b-c"})
	if got, want := plain(t, r, JSON), "{\"meta\":{\"api-version\":\"1.4\"},\"projects\":[\n{\"name\":\"a\"},\n{\"name\":\"b-c\"}\n]}\n"; got != want {
		t.Errorf("JSON is %s", got)
	}
	want := "<a href=\"a/\">a</a><br>\n<a href=\"b-c/\">b-c</a><br>\n</body>"
	if got := plain(t, r, HTML); !strings.Contains(got, want) || !strings.Contains(got, `content="1.4"`) {
		t.Errorf("HTML is %s", got)
	}
}
