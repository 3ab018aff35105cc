package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/google/go-cmp/cmp"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

var update = flag.Bool("update", false, "write what the Caddyfiles adapt to into testdata")

// adapt turns a Caddyfile into indented JSON.
func adapt(caddyfile string) (string, error) {
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "\t"); err != nil {
		return "", err
	}
	return out.String(), nil
}

// Each file of testdata holds a Caddyfile and the JSON, or the error, that it
// adapts to.
func TestCaddyfileAdapts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	const line = "\n----------\n"
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, _ := strings.Cut(string(data), line)
			got, err := adapt(caddyfile + "\n")
			if err != nil {
				got = err.Error()
			}
			if *update {
				if err := os.WriteFile(path, []byte(caddyfile+line+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What JSON can say a Caddyfile can say too, under the same name.
func TestEverySettingHasAnOption(t *testing.T) {
	t.Parallel()
	app, pypi, upstream := new(App), new(PyPI), new(Upstream)
	limits, pyLimits, publisher := new(Limits), new(PythonLimits), new(TrustedPublisher)
	for _, c := range []struct {
		config any
		opts   options
		except []string // that have a syntax of their own
	}{
		{*app, app.options(), []string{"pypi", "trusted_publishers"}},
		{*pypi, pypi.options(), []string{"upstreams"}},
		{*upstream, upstream.options(), []string{"name", "url"}},
		{*limits, limits.options(), nil},
		{*pyLimits, pyLimits.options(), nil},
		{*publisher, publisher.options(), []string{"name"}},
	} {
		typ := reflect.TypeOf(c.config)
		want := append([]string(nil), c.except...)
		for name := range c.opts {
			want = append(want, name)
		}
		var got []string
		for i := range typ.NumField() {
			if name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); name != "" {
				got = append(got, name)
			}
		}
		if diff := cmp.Diff(set(want), set(got)); diff != "" {
			t.Errorf("%s: options and JSON fields differ: %s", typ.Name(), diff)
		}
	}
}

func set(list []string) map[string]bool {
	out := make(map[string]bool)
	for _, s := range list {
		out[s] = true
	}
	return out
}

// The example that everybody starts from adapts without a warning.
func TestExampleAdapts(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	out, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(raw, map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("warning: %+v", w)
	}
	var cfg struct {
		Admin struct{ Listen string }
		Apps  struct {
			Fairway json.RawMessage
			HTTP    struct {
				Servers map[string]struct{ Listen []string }
			}
		}
	}
	if err := json.Unmarshal(out, &cfg); err != nil {
		t.Fatal(err)
	}
	app := new(App)
	if err := caddy.StrictUnmarshalJSON(cfg.Apps.Fairway, app); err != nil {
		t.Fatal(err)
	}
	if cfg.Admin.Listen != "127.0.0.1:2019" || cfg.Apps.HTTP.Servers["srv0"].Listen[0] != "fairway/127.0.0.1:8080" || app.Data != "./data" {
		t.Errorf("defaults differ: admin %s, listen %v, data %s", cfg.Admin.Listen, cfg.Apps.HTTP.Servers["srv0"].Listen, app.Data)
	}
	if want := []Upstream{{Name: "pypi"}}; !reflect.DeepEqual(app.PyPI.Upstreams, want) || app.PyPI.Mode != "proxy" {
		t.Errorf("pass-through differs: %+v", app.PyPI)
	}
}

func TestListenAddressIsSplit(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string][2]string{
		"127.0.0.1:8080": {"127.0.0.1", "8080"},
		":8080":          {"0.0.0.0", "8080"},
		"[::1]:9":        {"::1", "9"},
		"localhost:0":    {"localhost", "0"},
	} {
		host, port, err := splitListen(addr)
		if err != nil || host != want[0] || port != want[1] {
			t.Errorf("%s: %q, %q, %v: %v expected", addr, host, port, err, want)
		}
	}
	for _, addr := range []string{"8080", "host", "host:http", "host:70000", "::1:80", "host:"} {
		if _, _, err := splitListen(addr); err == nil || !strings.Contains(err.Error(), "FAIRWAY_LISTEN") {
			t.Errorf("%s: %v: a refusal that names the variable is expected", addr, err)
		}
	}
}
