package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key that came in whatever way a client has is in no log: not the site's, not
// the default one, at any level.
func TestNoKeyInLogs(t *testing.T) {
	s := start(t, config{})
	logs := func(name string) string {
		return "output file " + filepath.Join(s.dir, name) + "\nlevel DEBUG\n"
	}
	if err := s.load(config{
		global: "log {\n" + logs("default.log") + "format fairway\n}\nservers {\nlog_credentials\n}",
		body: "log {\n" + logs("access.log") + "format fairway {\nwrap console\n}\n}" + `
			handle /guarded/* {
				fairway_auth package:upload
				error "refused {uri} {header.Authorization} {header.X-Api-Key}" 500
			}
			handle /broken/* {
				reverse_proxy 127.0.0.1:1
			}
			handle {
				fairway
			}`,
	}); err != nil {
		t.Fatal(err)
	}
	s.must("channel", "create", "main")
	secrets := []string{
		s.must("key", "create", "--name", "valid", "--role", "admin"),
		"sk-" + strings.Repeat("Wrong0Key9", 5),
		"pk-" + strings.Repeat("Public0Key", 5),
	}
	for _, key := range secrets {
		for _, path := range []string{"/main/noarch/repodata.json", "/guarded/x", "/broken/x", "/api/v1/api_keys", "/pypi/simple/x/", "/-/nothing"} {
			for _, form := range []func(*http.Request){
				func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) },
				func(r *http.Request) { r.Header.Set("Authorization", "token "+key) },
				func(r *http.Request) { r.Header.Set("authorization", "bearer   "+key+" ") },
				func(r *http.Request) { r.SetBasicAuth("__token__", key) },
				func(r *http.Request) { r.SetBasicAuth(key, "") },
				func(r *http.Request) { r.Header.Set("X-API-Key", key) },
				func(r *http.Request) { r.Header.Set("X_API_Key", key) },
				func(r *http.Request) { r.Header.Set("Cookie", "key="+key) },
				func(r *http.Request) { r.Header.Set("Referer", "http://h/t/"+key+"/main") },
				func(r *http.Request) { r.Header.Set("User-Agent", key) },
				func(r *http.Request) { r.URL.Path = "/t/" + key + r.URL.Path },
				func(r *http.Request) { r.URL.Path = "/t/" + key },
				func(r *http.Request) { r.URL.Path = "/main/t/" + key + "/noarch/x" },
				func(r *http.Request) { r.URL.Opaque = "/t/" + strings.Replace(key, "-", "%2D", 1) + "/main" },
				func(r *http.Request) { r.URL.Opaque = "/t/%73k-" + key[3:] + "/main" },
				func(r *http.Request) { r.URL.Opaque = "/%74/" + percent(key) + "/main" },
				func(r *http.Request) { r.URL.Opaque = "/main/%2573" + key[1:20] + percent(key[20:25]) + key[25:] },
				func(r *http.Request) { r.URL.RawQuery = "x=" + twice(key) },
				func(r *http.Request) { r.Header.Set("Referer", "http://h/"+percent(key)) },
				func(r *http.Request) { r.Header.Set("Forwarded-Authorization", "basic  "+basic("u:"+key)) },
				func(r *http.Request) { r.Header.Set("Cookie", "session="+basic("__token__:"+key)) },
				func(r *http.Request) { r.URL.RawQuery = "token=" + key },
				func(r *http.Request) { r.URL.RawQuery = url.Values{"auth": {"x " + key}}.Encode() },
			} {
				req, err := http.NewRequest(http.MethodGet, s.url(path), nil)
				if err != nil {
					t.Fatal(err)
				}
				form(req)
				s.do(req)
			}
		}
	}
	if err := s.load(config{}); err != nil { // closes the logs
		t.Fatal(err)
	}
	for _, name := range []string{"default.log", "access.log"} {
		raw, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil || len(raw) == 0 {
			t.Errorf("%s: %d bytes, %v: a log is expected", name, len(raw), err)
		}
		text := string(raw)
		for _, key := range secrets {
			body := key[3:]
			for form, needle := range map[string]string{
				"plain": body[25:], "as password": encoded("__token__:" + key), "as user": encoded(key + ":"),
				"with another name": encoded("u:" + key), "percent-encoded": percent(body[7:]), "twice": twice(body[7:]),
			} {
				if at := strings.Index(text, needle); at >= 0 {
					t.Errorf("%s holds a key, %s: …%s", name, form, text[max(0, at-200):at+10])
				}
			}
		}
	}
}

// encoded is the middle of a Basic credential, wherever it begins.
func encoded(text string) string {
	e := basic(text)
	return e[16 : len(e)-4]
}

func basic(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// percent is text with each of its characters percent-encoded.
func percent(text string) string {
	var out strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&out, "%%%02X", text[i])
	}
	return out.String()
}

// twice is text with each of its characters percent-encoded, and that again.
func twice(text string) string { return percent(percent(text)) }

func TestRedact(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("aB3dE", 10)
	key := "sk-" + body
	b64 := func(s string) string { return strings.TrimRight(basic(s), "=") }
	for in, want := range map[string]string{
		"":                            "",
		"basic training":              "basic training",
		"Basic " + body + "==":        "Basic ****",
		`["bAsIc ` + body + `+/"]`:    `["bAsIc ****"]`,
		"nothing here":                "nothing here",
		"sk-" + body:                  "sk-aB3dEaB****",
		"x pk-" + body + " y":         "x pk-aB3dEaB**** y",
		"SK-" + body + "more":         "SK-aB3dEaB****",
		"sk%2D" + body + "/":          "sk%2DaB3dEaB****/",
		"sk%2d" + body:                "sk%2daB3dEaB****",
		"sk-short":                    "sk-short",
		"task-" + body[:20]:           "task-" + body[:20],
		`{"uri":"/t/anything/x/"}`:    `{"uri":"/t/****/x/"}`,
		`{"uri":"/t/anything"}`:       `{"uri":"/t/****"}`,
		`/t/abc/x`:                    `/t/abc/x`,
		`"/x?token=pfx_abc%20d&y=1"`:  `"/x?token=****&y=1"`,
		`/x?y=1&AUTH=other-secret z`:  `/x?y=1&AUTH=**** z`,
		`/x?tokens=abcdefgh&token=ab`: `/x?tokens=abcdefgh&token=ab`,
		`"/t/` + "sk-" + body + `"`:   `"/t/****"`,
		`sk-` + body + ` sk-` + body:  `sk-aB3dEaB**** sk-aB3dEaB****`,

		// Percent-encoded, here and there, and more than once.
		"%73k-" + body:                                "%73k-aB3dEaB****",
		"s%6B-" + body + "/":                          "s%6B-aB3dEaB****/",
		"%2573%256b%252D" + body:                      "%2573%256b%252DaB3dEaB****",
		"sk-aB3d%45aB" + body[7:]:                     "sk-aB3d%45aB****",
		"sk-" + body[:30] + "%2561" + body[31:] + "?": "sk-aB3dEaB****?",
		"%25%37%33k-" + body:                          "%25%37%33k-aB3dEaB****",
		"%sk-" + body:                                 "%sk-aB3dEaB****",
		"%25sk-" + body:                               "%25sk-aB3dEaB****",
		"%25%2525%":                                   "%25%2525%",
		`{"uri":"/%74/anything/x/"}`:                  `{"uri":"/%74/****/x/"}`,
		`{"uri":"/t%2fanything"}`:                     `{"uri":"/t%2f****"}`,
		`/x?%74oken=pfx_abc%20d z`:                    `/x?%74oken=**** z`,
		`/x?%2561uth=other-secret`:                    `/x?%2561uth=****`,
		`"Basic%20` + body + `+%3D" "x`:               `"Basic%20****" "x`,

		// In base64 wherever it stands, behind whatever word.
		`["Basic   ` + body + `=="]`:                      `["Basic   ****"]`,
		`["basic\t` + b64(key) + `"]`:                     `["basic\t****"]`,
		`"key ` + b64("~~>"+key+":") + `"`:                `"key fn4+****"`,
		`\u001f` + b64(key):                               `\u001f****`,
		`?x=` + b64("a:"+key) + `&y`:                      `?x=****&y`,
		`?x=` + b64("ab:"+key) + `&y`:                     `?x=****&y`,
		`/a/b` + b64(key+key) + `==`:                      `/a/****==`,
		`x` + b64(":" + key)[1:]:                          `****`,
		`%61` + b64("?" + key)[1:] + `%3D%3D`:             `****%3D%3D`,
		"sha512 " + strings.Repeat("0123456789abcdef", 8): "sha512 " + strings.Repeat("0123456789abcdef", 8),
	} {
		if got := string(redact([]byte(in))); got != want {
			t.Errorf("%s: %s: %s is expected", in, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("/t/", "x", "/y")
	f.Fuzz(func(t *testing.T, before, between, after string) {
		key := "sk-" + strings.Repeat("aB3dE", 10)
		for _, form := range []string{key, percent(key), twice(key), "=" + basic(key), "=" + basic("a"+key), "=" + basic("ab"+key)} {
			text := before + form + between + form + after
			if got := string(redact([]byte(text))); strings.Contains(got, form) {
				t.Errorf("%q", got)
			}
			line, _ := json.Marshal(text)
			if got := redact(line); !json.Valid(got) {
				t.Errorf("%s is no JSON any more: %s", line, got)
			}
		}
	})
}
