package tests

import (
	"archive/tar"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// condaOf puts entries into a .conda file named x-1.0-0.conda.
func condaOf(info, pkg []*condatest.Entry) []byte {
	return condatest.Conda("x-1.0-0", condatest.Zstd(condatest.Tar(info...)), condatest.Zstd(condatest.Tar(pkg...)))
}

// withInfo is a package whose metadata has more entries.
func withInfo(more ...*condatest.Entry) []byte {
	info, pkg := condatest.Spec{Name: "x"}.Members()
	return condaOf(append(info, more...), pkg)
}

// withContent is a package whose content has more entries.
func withContent(more ...*condatest.Entry) []byte {
	info, pkg := condatest.Spec{Name: "x"}.Members()
	return condaOf(info, append(pkg, more...))
}

// index is a package whose index.json differs from a good one in these keys.
func index(keys map[string]any) []byte {
	_, data := condatest.Build(condatest.Spec{Name: "x", Index: keys})
	return data
}

// What an attacker or a broken builder may send, as x-1.0-0.conda: refused with a
// sentence, whatever it is, and nothing of it is kept.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{App: "max_upload 64MiB"})
	key := g.Key("admin")
	g.Channel("team")
	zeros := strings.Repeat("\x00", 32<<20)
	info, pkg := condatest.Spec{Name: "x"}.Members()
	good := condaOf(info, pkg)
	infoZst, pkgZst := condatest.Zstd(condatest.Tar(info...)), condatest.Zstd(condatest.Tar(pkg...))
	meta := condatest.Member{Name: "metadata.json", Data: []byte(`{"conda_pkg_format_version": 2}`)}
	infoMember := condatest.Member{Name: "info-x-1.0-0.tar.zst", Data: infoZst}
	pkgMember := condatest.Member{Name: "pkg-x-1.0-0.tar.zst", Data: pkgZst}
	bomb := make([]*condatest.Entry, 0, 5)
	for i := range cap(bomb) {
		bomb = append(bomb, condatest.File("share/zero"+strconv.Itoa(i), zeros))
	}
	many := make([]*condatest.Entry, 0, 210_000)
	for i := range cap(many) {
		many = append(many, condatest.File("f"+strconv.Itoa(i), ""))
	}
	future := time.Now().Add(48 * time.Hour).UnixMilli()

	cases := map[string][]byte{
		"empty":                        {},
		"cut short":                    good[:len(good)-30],
		"cut short by half":            good[:len(good)/2],
		"no zip":                       []byte(strings.Repeat("x", 4096)),
		"a tar.bz2":                    condatest.Bzip2(condatest.Tar(append(info, pkg...)...)),
		"no metadata.json":             condatest.Zip(pkgMember, infoMember),
		"no info":                      condatest.Zip(meta, pkgMember),
		"no pkg":                       condatest.Zip(meta, infoMember),
		"two infos":                    condatest.Zip(meta, pkgMember, infoMember, infoMember),
		"info of another package":      condatest.Zip(meta, pkgMember, condatest.Member{Name: "info-y-1.0-0.tar.zst", Data: infoZst}),
		"a member out of the way":      condatest.Zip(meta, pkgMember, infoMember, condatest.Member{Name: "../evil", Data: []byte("x")}),
		"format version 3":             condatest.Zip(condatest.Member{Name: meta.Name, Data: []byte(`{"conda_pkg_format_version": 3}`)}, pkgMember, infoMember),
		"info that is no zstd":         condatest.Zip(meta, pkgMember, condatest.Member{Name: infoMember.Name, Data: []byte("no zstd")}),
		"bytes behind the zip":         append(append([]byte{}, good...), make([]byte, 70000)...),
		"traversal in the content":     withContent(condatest.File("../../evil", "x")),
		"absolute path in the content": withContent(condatest.File("/etc/evil", "x")),
		"backslashes in the content":   withContent(condatest.File(`..\..\evil`, "x")),
		"a link out of the tree":       withContent(condatest.Link(tar.TypeSymlink, "lib/evil", "../../../etc/passwd")),
		"an absolute link":             withContent(condatest.Link(tar.TypeSymlink, "lib/evil", "/etc/passwd")),
		"a hard link out of the tree":  withContent(condatest.Link(tar.TypeLink, "lib/evil", "../../etc/passwd")),
		"a file below a link":          withContent(condatest.Link(tar.TypeSymlink, "lib", "share"), condatest.File("lib/evil", "x")),
		"a device":                     withContent(condatest.Link(tar.TypeChar, "dev/null", "")),
		"a fifo":                       withContent(condatest.Link(tar.TypeFifo, "fifo", "")),
		"a file twice":                 withContent(condatest.File("a", "1"), condatest.File("a", "2")),
		"an index.json twice":          withInfo(condatest.File("info/index.json", `{"name":"evil"}`)),
		"an index.json that is a link": condaOf([]*condatest.Entry{condatest.Link(tar.TypeSymlink, "info/index.json", "paths.json")}, pkg),
		"no index.json":                condaOf([]*condatest.Entry{condatest.File("info/paths.json", "{}")}, pkg),
		"a bomb":                       withContent(bomb...),
		"a bomb in the metadata":       withInfo(condatest.File("info/about.json", `{"x":"`+strings.Repeat("a", 32<<20)+`"}`)),
		"too many entries":             withContent(many...),
		"a window of gigabytes":        condatest.Zip(meta, pkgMember, condatest.Member{Name: infoMember.Name, Data: hugeWindow()}),
		"index.json of megabytes":      index(map[string]any{"license": strings.Repeat("a", 2<<20)}),
		"index.json that is a list":    indexText(`[]`),
		"index.json cut short":         indexText(`{"name":"x"`),
		"index.json with a key twice":  indexText(`{"name":"x","name":"x","version":"1.0","build":"0","build_number":0,"depends":[],"subdir":"noarch","noarch":"generic"}`),
		"index.json of great depth":    indexText(strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000)),
		"link.json out of the tree":    withInfo(condatest.File("info/link.json", `{"noarch":{"type":"python","entry_points":["../../../evil = x:y"]},"package_metadata_version":1}`)),
		"paths.json out of the tree":   condaOf(replaceEntry(info, "info/paths.json", `{"paths":[{"_path":"../../evil","path_type":"hardlink"}],"paths_version":1}`), pkg),
		"another name":                 index(map[string]any{"name": "y"}),
		"another version":              index(map[string]any{"version": "2.0"}),
		"another build":                index(map[string]any{"build": "1"}),
		"a name with a slash":          index(map[string]any{"name": "../x"}),
		"a subdir with a slash":        index(map[string]any{"subdir": "../../noarch"}),
		"a subdir that is none":        index(map[string]any{"subdir": ".."}),
		"a build number of text":       index(map[string]any{"build_number": "0"}),
		"a build number below zero":    index(map[string]any{"build_number": -1}),
		"depends that is text":         index(map[string]any{"depends": "python"}),
		"depends that is no spec":      index(map[string]any{"depends": []string{"python >=3,,<<4"}}),
		"depends of numbers":           index(map[string]any{"depends": []int{1}}),
		"constrains that is no spec":   index(map[string]any{"constrains": []string{"=== !!"}}),
		"a time in the future":         index(map[string]any{"timestamp": future}),
		"a time of text":               index(map[string]any{"timestamp": "now"}),
		"run_exports of numbers":       runExports(map[string]any{"weak": []int{1}}),
	}
	start := time.Now()
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			r := g.Expect(t, http.StatusUnprocessableEntity, harness.UploadRequest(key, "team", "x-1.0-0.conda", data))
			checkSentence(t, r)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("refusing it took %s", took)
			}
		})
	}
	t.Logf("%d archives refused in %s", len(cases), time.Since(start).Round(time.Millisecond))
	listed(t, g.Subdir(key, "team", "noarch"))
	if peak := peakMemory(t, g); peak > 600<<20 {
		t.Errorf("the gateway took %d MiB at its peak", peak>>20)
	}
	// After all this an honest package goes in.
	g.Expect(t, 201, harness.UploadRequest(key, "team", "x-1.0-0.conda", good))
	listed(t, g.Subdir(key, "team", "noarch"), "x-1.0-0.conda")
}

// A link that stays inside its tree is what real packages have.
func TestHonestLinksAreTaken(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	data := withContent(condatest.File("lib/libx.so.1", "elf"), condatest.Link(tar.TypeSymlink, "lib/libx.so", "libx.so.1"), condatest.Link(tar.TypeSymlink, "bin/x", "../lib/libx.so.1"))
	g.Expect(t, 201, harness.UploadRequest(key, "team", "x-1.0-0.conda", data))
}

func indexText(text string) []byte {
	info, pkg := condatest.Spec{Name: "x"}.Members()
	return condaOf(replaceEntry(info, "info/index.json", text), pkg)
}

func runExports(v any) []byte {
	_, data := condatest.Build(condatest.Spec{Name: "x", RunExports: v})
	return data
}

func replaceEntry(entries []*condatest.Entry, name, content string) []*condatest.Entry {
	out := make([]*condatest.Entry, 0, len(entries))
	for _, e := range entries {
		if e.Name == name {
			e = condatest.File(name, content)
		}
		out = append(out, e)
	}
	return out
}

// hugeWindow is a zstd frame that asks its reader for 2 GiB.
func hugeWindow() []byte {
	frame := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	frame = append(frame, 0x00, 21<<3) // window descriptor: 2^(10+21)
	return append(frame, 0x01, 0x00, 0x00)
}

// peakMemory is the most that the process has had resident.
func peakMemory(t *testing.T, g *harness.Gateway) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.PID()))
	if err != nil {
		t.Log("no /proc here: memory is not looked at")
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			must(t, err)
			return kib << 10
		}
	}
	return 0
}

// Memory is flat in a package's size.
func TestLargeUploadIsStreamed(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	g.Publish(key, "team", condatest.Spec{Name: "warm"})
	before := peakMemory(t, g)
	file, data := condatest.Build(condatest.Spec{Name: "large", Files: map[string]string{"data": noise(160 << 20)}})
	g.Expect(t, 201, harness.UploadRequest(key, "team", file, data))
	r := g.Get("/team/noarch/"+file, key)
	if sha(r.Body) != sha(data) {
		t.Error("what comes back is not what was sent")
	}
	if grown := peakMemory(t, g) - before; grown > 96<<20 {
		t.Errorf("a package of %d MiB took %d MiB of memory", len(data)>>20, grown>>20)
	}
}

// Bodies that stall, end early or lie about their length store nothing and do not
// hold the connection.
func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{App: "body_idle 1s"})
	key := g.Key("admin")
	g.Channel("team")
	file, data := condatest.Build(condatest.Spec{Name: "app"})
	head := func(more ...string) []byte {
		return []byte("POST /api/v1/upload/team HTTP/1.1\r\nHost: " + g.Listen + "\r\nAuthorization: Bearer " + key + "\r\nX-File-Name: " + file +
			"\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n" + strings.Join(more, "\r\n") + "\r\n\r\n")
	}
	length := func(n int) string { return "Content-Length: " + strconv.Itoa(n) }
	for name, c := range map[string]struct {
		request  []byte
		cut      bool // the client closes its side
		statuses string
	}{
		"stalls":                     {append(head(length(len(data))), data[:100]...), false, "408"},
		"ends early":                 {append(head(length(len(data))), data[:100]...), true, "400"},
		"promises one byte more":     {append(head(length(len(data)+1)), data...), true, "400"},
		"promises one byte less":     {append(head(length(len(data)-1)), data...), false, "422"},
		"chunked, ends early":        {append(head("Transfer-Encoding: chunked"), "ff\r\nabc"...), true, "400"},
		"chunked, no chunk size":     {append(head("Transfer-Encoding: chunked"), "xyz\r\nabc\r\n"...), false, "400"},
		"two lengths":                {append(head(length(len(data)), length(5)), data...), false, "400"},
		"a length below zero":        {head("Content-Length: -1"), false, "400"},
		"a length that is no number": {head("Content-Length: 0x10"), false, "400"},
		"a length and chunks":        {append(head(length(4), "Transfer-Encoding: chunked"), "0\r\n\r\n"...), false, "400 422"},
		"an unknown coding":          {append(head("Transfer-Encoding: gzip"), data...), false, "400 501"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			answer := send(t, g, c.request, c.cut)
			status := ""
			if f := strings.Fields(answer); len(f) > 1 {
				status = f[1]
			}
			if !strings.Contains(c.statuses, status) || status == "" {
				t.Errorf("answered %q: %s is expected", answer[:min(len(answer), 200)], c.statuses)
			}
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Cleanup(func() {
		listed(t, g.Subdir(key, "team", "noarch"))
		noTemporaryFiles(t, g.Data)
		g.Expect(t, 201, harness.UploadRequest(key, "team", file, data))
	})
}

// send writes a request as it is, perhaps closes its own side, and reads the
// answer.
func send(t *testing.T, g *harness.Gateway, request []byte, cut bool) string {
	t.Helper()
	conn, err := net.Dial("tcp", g.Listen)
	must(t, err)
	defer conn.Close()
	_, err = conn.Write(request)
	must(t, err)
	if cut {
		must(t, conn.(*net.TCPConn).CloseWrite())
	}
	_ = conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	var answer strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		answer.Write(buf[:n])
		if err != nil {
			return answer.String()
		}
	}
}

// Paths that try to leave the tree, by a socket that sends them as they are: none
// is served, none is a server's fault.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	file, _ := g.Publish(key, "team", condatest.Spec{Name: "app"})
	secret := "/team/noarch/" + file
	prefixes := []string{"", "/team", "/team/noarch", "/team/noarch/shards", "/t/" + key, "/api/v1/upload", "/-", "/pypi/files", "/v1/accounts"}
	tails := []string{
		"/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cetc/passwd", `/..\..\etc\passwd`,
		"//etc/passwd", "/./team/noarch/" + file, "/%2e/x", "/x/..", "/x/../" + file, "/%00", "/a%00b", "/%c0%ae%c0%ae/etc/passwd",
		"/..;/etc/passwd", "/%252e%252e/etc/passwd", "/catalog.db", "/../catalog.db", "/../root.key", "/…/x", "/%u002e%u002e/x", "/a%0d%0aSet-Cookie:x",
		"/" + strings.Repeat("a", 3000), "/" + strings.Repeat("a/", 2000),
	}
	for _, prefix := range prefixes {
		for _, tail := range tails {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				request := method + " " + prefix + tail + " HTTP/1.1\r\nHost: " + g.Listen + "\r\nAuthorization: Bearer " + key + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
				answer := send(t, g, []byte(request), false)
				f := strings.Fields(answer)
				if len(f) < 2 || f[1] < "400" || f[1] >= "500" {
					t.Errorf("%s %s: %q", method, prefix+tail, answer[:min(len(answer), 150)])
				}
				for _, bad := range []string{"root:", "SQLite format", "Set-Cookie"} {
					if strings.Contains(answer, bad) {
						t.Errorf("%s %s: the answer has %q", method, prefix+tail, bad)
					}
				}
			}
		}
	}
	g.Expect(t, 200, harness.Request{Path: secret, Key: key})
}

// File names that would be something else on disk, in a header or in a URL.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{})
	key := g.Key("admin")
	g.Channel("team")
	_, data := condatest.Build(condatest.Spec{Name: "x"})
	for _, name := range []string{
		"../x-1.0-0.conda", "/x-1.0-0.conda", `..\x-1.0-0.conda`, "x-1.0-0.conda/..", ".conda", "-1.0-0.conda", "x--0.conda", "x-1.0-.conda", "x.conda",
		"x-1.0-0.conda%20", "x-1.0-0.conda.exe", "X-1.0-0.conda", "x\u200b-1.0-0.conda", "x-1.0-0．conda", "x\u2215y-1.0-0.conda", "\u202ex-1.0-0.conda",
		"x-1.0-0\".conda", "x-1.0-0;.conda", "x-1.0-0.tar.bz2", "x-1.0-0.CONDA", strings.Repeat("x", 300) + "-1.0-0.conda", "con-1.0-0.conda", "x-1..0-0.conda",
	} {
		q := harness.UploadRequest(key, "team", name, data)
		if r := g.Do(q); r.Status != 422 && r.Status != 400 {
			t.Errorf("%q: %d %s", name, r.Status, r.Text())
		}
	}
	for _, name := range []string{"", "t", "api", "-", "../x", "a//b", "a/../b", "A", "noarch", "a/noarch", "a b", "x\x00y", strings.Repeat("a", 400), "a/t/b", "pypi", "v1", ".", "..", "/a", "a/"} {
		body, err := json.Marshal(map[string]string{"name": name})
		must(t, err)
		if r := g.Do(harness.Request{Method: "POST", Path: "/api/v1/channels", Key: key, Body: body, Header: map[string]string{"Content-Type": "application/json"}}); r.Status != 422 && r.Status != 400 {
			t.Errorf("a channel named %q: %d %s", name, r.Status, r.Text())
		}
	}
	listed(t, g.Subdir(key, "team", "noarch"))
}

// Someone who tries keys is slowed down; someone who has one is not.
func TestGuessingKeys(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{App: "failures_per_minute 10"})
	key := g.Key("reader")
	g.Channel("team")
	statuses := map[int]int{}
	for i := range 60 {
		r := g.Get("/team/noarch/repodata.json", "sk-"+strings.Repeat(string(rune('a'+i%26)), 50))
		statuses[r.Status]++
		if r.Status == 429 && r.Header.Get("Retry-After") == "" {
			t.Error("a 429 without Retry-After")
		}
	}
	if statuses[429] < 30 || statuses[401] == 0 || statuses[401]+statuses[429] != 60 {
		t.Errorf("60 wrong keys were answered %v", statuses)
	}
	g.Expect(t, 200, harness.Request{Path: "/team/noarch/repodata.json", Key: key})
}
