// Command upstream is a public Python index for the benchmarks: any name exists.
//
//	upstream -listen 127.0.0.1:9000
//
// /simple/p<N>-<anything>/ is a page of N wheels, as JSON or HTML; wheel-<anything>
// has one wheel of -wheel bytes. Every answer waits -latency, and files are sent at
// -rate bytes a second. /count?prefix=P tells how many requests had that prefix.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"log"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const typeJSON = "application/vnd.pypi.simple.v1+json"

type upstream struct {
	latency time.Duration
	rate    int // bytes a second, 0 for no limit
	wheel   []byte
	digest  string // of wheel

	mu   sync.Mutex
	seen []string // paths
}

// file is a file as a page shows it (PEP 691).
type file struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython string            `json:"requires-python"`
	Size           int               `json:"size"`
	UploadTime     string            `json:"upload-time"`
	Yanked         bool              `json:"yanked"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address to listen at")
	latency := flag.Duration("latency", 10*time.Millisecond, "wait before each answer")
	rate := flag.Int("rate", 0, "bytes of a file sent each second, 0 for no limit")
	size := flag.Int("wheel", 20<<20, "bytes of a wheel")
	flag.Parse()
	u := &upstream{latency: *latency, rate: *rate, wheel: make([]byte, *size)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(u.wheel) // never fails
	sum := sha256.Sum256(u.wheel)
	u.digest = hex.EncodeToString(sum[:])
	server := http.Server{Addr: *listen, Handler: u, ReadHeaderTimeout: time.Minute}
	log.Fatal(server.ListenAndServe())
}

// ServeHTTP implements [http.Handler].
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/count" {
		fmt.Fprint(w, u.count(r.URL.Query().Get("prefix")))
		return
	}
	u.mu.Lock()
	u.seen = append(u.seen, r.URL.Path)
	u.mu.Unlock()
	time.Sleep(u.latency)
	switch name, isPage := strings.CutPrefix(r.URL.Path, "/simple/"); {
	case isPage && name == "":
		u.list(w, r)
	case isPage:
		u.page(w, r, strings.TrimSuffix(name, "/"))
	case strings.HasSuffix(r.URL.Path, ".whl"):
		u.file(w)
	default:
		http.NotFound(w, r)
	}
}

func (u *upstream) count(prefix string) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, path := range u.seen {
		if strings.HasPrefix(path, prefix) {
			n++
		}
	}
	return n
}

// list is the list of all names: some indexes refuse what is not on it, so it has
// the names that the benchmarks ask for.
func (u *upstream) list(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, kind := range []string{"p200", "p3000", "wheel"} {
		for _, use := range []string{"cold", "hot", "crowd", "big"} {
			for i := range 40 {
				names = append(names, fmt.Sprintf("%s-%s-%d", kind, use, i))
			}
		}
	}
	if strings.Contains(r.Header.Get("Accept"), typeJSON) {
		type project struct {
			Name string `json:"name"`
		}
		projects := make([]project, len(names))
		for i, n := range names {
			projects[i].Name = n
		}
		sendJSON(w, map[string]any{"meta": map[string]string{"api-version": "1.1"}, "projects": projects})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	for _, n := range names {
		fmt.Fprintf(w, "<a href=\"%s/\">%s</a><br>\n", n, n)
	}
}

func (u *upstream) page(w http.ResponseWriter, r *http.Request, name string) {
	files := u.files(name)
	h := w.Header()
	h.Set("Cache-Control", "max-age=600, public")
	h.Set("Vary", "Accept")
	h.Set("ETag", `"`+name+`"`)
	if strings.Contains(r.Header.Get("Accept"), typeJSON) {
		sendJSON(w, map[string]any{"meta": map[string]string{"api-version": "1.1"}, "name": name, "files": files, "versions": []string{"1.0"}})
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	var b strings.Builder
	b.WriteString("<!DOCTYPE html><html><head><meta name=\"pypi:repository-version\" content=\"1.1\"></head><body>\n")
	for _, f := range files {
		fmt.Fprintf(&b, "<a href=\"%s#sha256=%s\" data-requires-python=\"%s\">%s</a><br>\n",
			f.URL, f.Hashes["sha256"], html.EscapeString(f.RequiresPython), f.Filename)
	}
	b.WriteString("</body></html>\n")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write([]byte(b.String()))
}

func sendJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // of values that marshal
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// files of p<N>-<anything> are 25 wheels a version; wheel-<anything> has one.
func (u *upstream) files(name string) []file {
	n, prefix := 1, strings.ReplaceAll(name, "-", "_")
	if count, _, ok := strings.Cut(strings.TrimPrefix(name, "p"), "-"); ok {
		if c, err := strconv.Atoi(count); err == nil {
			n = c
		}
	}
	files := make([]file, n)
	for i := range files {
		digest := u.digest
		if n > 1 {
			sum := sha256.Sum256(fmt.Append(nil, name, i))
			digest = hex.EncodeToString(sum[:])
		}
		filename := fmt.Sprintf("%s-1.%d.0-%d_bench-py3-none-any.whl", prefix, i/25, i%25)
		files[i] = file{
			Filename: filename, URL: "/packages/" + digest[:2] + "/" + digest[2:4] + "/" + digest[4:] + "/" + filename,
			Hashes: map[string]string{"sha256": digest}, RequiresPython: ">=3.9", Size: len(u.wheel),
			UploadTime: time.Date(2024, 1, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339),
		}
	}
	return files
}

// file sends the wheel, whichever it is called, a hundredth of a second at a time.
func (u *upstream) file(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(u.wheel)))
	if u.rate == 0 {
		_, _ = w.Write(u.wheel)
		return
	}
	for rest, next := u.wheel, time.Now(); len(rest) > 0; {
		n := min(u.rate/100, len(rest))
		if _, err := w.Write(rest[:n]); err != nil {
			return
		}
		rest, next = rest[n:], next.Add(10*time.Millisecond)
		time.Sleep(time.Until(next))
	}
}
