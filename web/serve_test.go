package web_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/web"
)

// What changes within one second is not told apart by its time: while that is still to
// come nobody is told it, or unchanged.
func TestATimeToComeIsNotTold(t *testing.T) {
	t.Parallel()
	for modified, want := range map[time.Time]bool{time.Now().Add(-time.Hour): true, time.Now().Add(time.Hour): false} {
		content := web.Content{Type: "text/plain", ETag: `"tag"`, Modified: modified, Size: 1, Body: web.Bytes("x")}
		for _, headers := range []map[string]string{{}, {"Range": "bytes=0-0"}} {
			r := httptest.NewRequest("GET", "/", nil)
			for name, value := range headers {
				r.Header.Set(name, value)
			}
			rec := httptest.NewRecorder()
			web.Serve(rec, r, &content)
			if told := rec.Header().Get("Last-Modified") != ""; told != want {
				t.Errorf("%s, %v: Last-Modified is %q", modified, headers, rec.Header().Get("Last-Modified"))
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("If-Modified-Since", modified.UTC().Format(http.TimeFormat))
		rec := httptest.NewRecorder()
		web.Serve(rec, r, &content)
		if unchanged := rec.Code == http.StatusNotModified; unchanged != want {
			t.Errorf("%s: %d", modified, rec.Code)
		}
	}
}

// A representation in memory and a file on disk answer alike, as RFC 9110 has it.
func TestConditionsAndRanges(t *testing.T) {
	t.Parallel()
	const text, etag = "0123456789", `"tag"`
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	modified := time.Date(2016, 11, 1, 12, 0, 0, 0, time.UTC)
	before, after := modified.Add(-time.Hour).Format(http.TimeFormat), modified.Add(time.Hour).Format(http.TimeFormat)
	content := web.Content{
		Type: "application/octet-stream", ETag: etag, CacheControl: "no-cache", Modified: modified,
		Size: int64(len(text)), Body: web.Bytes(text),
	}
	serve := map[string]func(http.ResponseWriter, *http.Request){
		"memory": func(w http.ResponseWriter, r *http.Request) { web.Serve(w, r, &content) },
		"file": func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			web.ServeFile(w, r, &content, f)
		},
	}
	type headers map[string]string
	for _, tt := range []struct {
		method  string
		headers headers
		status  int
		body    string
		spans   string // Content-Range
	}{
		{"GET", nil, 200, text, ""},
		{"HEAD", nil, 200, "", ""},
		{"GET", headers{"If-None-Match": etag}, 304, "", ""},
		{"GET", headers{"If-None-Match": `W/"tag", "x"`}, 304, "", ""},
		{"GET", headers{"If-None-Match": "*"}, 304, "", ""},
		{"GET", headers{"If-None-Match": `"x"`, "If-Modified-Since": after}, 200, text, ""}, // the tag wins
		{"GET", headers{"If-None-Match": etag, "If-Modified-Since": before}, 304, "", ""},
		{"GET", headers{"If-Modified-Since": after}, 304, "", ""},
		{"GET", headers{"If-Modified-Since": before}, 200, text, ""},
		{"GET", headers{"If-Match": `"x"`}, 412, "", ""},
		{"GET", headers{"If-Match": `"x"`, "If-None-Match": etag}, 412, "", ""}, // what must hold comes first
		{"GET", headers{"If-Match": etag, "If-None-Match": etag}, 304, "", ""},
		{"GET", headers{"If-Unmodified-Since": before}, 412, "", ""},
		{"GET", headers{"Range": "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{"GET", headers{"Range": "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"GET", headers{"Range": "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"GET", headers{"Range": "bytes=-65536"}, 206, text, "bytes 0-9/10"}, // a shorter file is no error
		{"GET", headers{"Range": "bytes=7-99"}, 206, "789", "bytes 7-9/10"},
		{"GET", headers{"Range": "bytes=10-"}, 416, "", "bytes */10"},
		{"GET", headers{"Range": "lines=1-2"}, 200, text, ""},
		{"HEAD", headers{"Range": "bytes=2-4"}, 200, "", ""},
		{"GET", headers{"Range": "bytes=7-", "If-Range": etag}, 206, "789", "bytes 7-9/10"},
		{"GET", headers{"Range": "bytes=7-", "If-Range": `"x"`}, 200, text, ""},
		{"GET", headers{"Range": "bytes=7-", "If-Range": `W/"tag"`}, 200, text, ""},
		{"GET", headers{"Range": "bytes=7-", "If-None-Match": etag}, 304, "", ""},
	} {
		for where, fn := range serve {
			r := httptest.NewRequest(tt.method, "/", nil)
			for name, value := range tt.headers {
				r.Header.Set(name, value)
			}
			rec := httptest.NewRecorder()
			fn(rec, r)
			h := rec.Header()
			if tt.status == 416 {
				rec.Body.Reset()
			}
			if rec.Code != tt.status || rec.Body.String() != tt.body || h.Get("Content-Range") != tt.spans {
				t.Errorf("%s: %s %v: %d %q %q, want %d %q %q", where, tt.method, tt.headers,
					rec.Code, rec.Body, h.Get("Content-Range"), tt.status, tt.body, tt.spans)
			}
			if tt.status == 304 && h.Get("ETag") != etag {
				t.Errorf("%s: %v: a 304 with the tag %q", where, tt.headers, h.Get("ETag"))
			}
			if tt.status == 200 && h.Get("Content-Length") != "10" {
				t.Errorf("%s: %s %v: length %q", where, tt.method, tt.headers, h.Get("Content-Length"))
			}
		}
	}
}
