package tests

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// Keygen's Python engine answers each requester for each visibility as Keygen does:
// listings filter, pages refuse, and only true absence leaves for the upstream.
func TestKeygenPythonEngine(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	for _, name := range []string{"app-open", "app-licensed", "app-closed", "public"} {
		up.Add(name, wheelFile(name, "9.0"))
	}
	g := behind(t, up, "failures_per_minute 100000")
	g.MustCLI("project", "create", "product")
	g.MustCLI("project", "create", "another")
	admin := g.Key("admin")
	visibilities := []string{"open", "licensed", "closed"}
	for _, vis := range visibilities {
		name := "app-" + vis
		g.MustCLI("python", "set", name, "--visibility", vis, "--project", "product")
		g.PublishPython(admin, pythontest.Spec{Name: name, Version: "1.0"})
	}
	type requester struct {
		name string
		auth string // Authorization
		// of the pages open, licensed and closed, and of a name that is nowhere here
		want    [3]int
		unknown int
	}
	licence, elsewhere := g.Key("executor", "--project", "product"), g.Key("executor", "--project", "another")
	scoped, developer := g.Key("executor", "--package", "other-*"), g.Key("developer", "--project", "product")
	public := g.Key("executor", "--type", "pk")
	requesters := []requester{
		{"nobody", "", [3]int{200, 401, 401}, 401},
		{"entitled, licence", "License " + licence, [3]int{200, 200, 403}, 307},
		{"entitled, Basic license:", basic("license", licence), [3]int{200, 200, 403}, 307},
		{"entitled, Basic token:", basic("token", licence), [3]int{200, 200, 403}, 307},
		{"entitled, as user", basic(licence, ""), [3]int{200, 200, 403}, 307},
		{"entitled, Bearer", "Bearer " + licence, [3]int{200, 200, 403}, 307},
		{"entitled, Token", "Token " + licence, [3]int{200, 200, 403}, 307},
		{"not entitled: another product's", basic("license", elsewhere), [3]int{200, 403, 403}, 307},
		{"not entitled: out of scope", basic("license", scoped), [3]int{200, 403, 403}, 403},
		{"product", basic("token", developer), [3]int{200, 200, 200}, 307},
		{"admin", basic("token", admin), [3]int{200, 200, 200}, 307},
		{"public key", basic("token", public), [3]int{200, 403, 403}, 403},
		{"a wrong licence", basic("license", "fw_sk_wrong"), [3]int{401, 401, 401}, 401},
	}
	for _, r := range requesters {
		up.Forget()
		header := map[string]string{}
		if r.auth != "" {
			header["Authorization"] = r.auth
		}
		for i, vis := range visibilities {
			name := "app-" + vis
			for _, path := range []string{"/simple/" + name + "/", strings.TrimPrefix(harness.PyFilePath(name, "app_"+vis+"-1.0-py3-none-any.whl"), "/pypi")} {
				got := g.Expect(t, r.want[i], harness.Request{Path: keygenIndex + path, Header: header})
				if got.Status == 401 {
					checkChallenge(t, got)
				}
			}
		}
		if n := len(up.Requests()); n > 0 {
			t.Errorf("%s: the upstream was asked %d times", r.name, n)
		}
		got := g.Expect(t, r.unknown, harness.Request{Path: keygenIndex + "/simple/public/", Header: header})
		if to := got.Header.Get("Location"); r.unknown == 307 && (to != up.Simple()+"public/" || got.Header.Get("Cache-Control") != "no-store") || r.unknown != 307 && to != "" {
			t.Errorf("%s: an unknown name is answered with Location %q", r.name, to)
		}
		index := g.Do(harness.Request{Path: keygenIndex + "/simple/", Header: header})
		switch {
		case r.name == "a wrong licence" && index.Status != 401:
			t.Errorf("%s: the index is %d", r.name, index.Status)
		case r.name != "a wrong licence":
			for i, vis := range visibilities {
				if listed := strings.Contains(index.Text(), "app-"+vis+"/"); index.Status != 200 || listed != (r.want[i] == 200) {
					t.Errorf("%s: the index is %d and lists app-%s: %t", r.name, index.Status, vis, listed)
				}
			}
		}
	}

	// The account's id is as good as its slug, and another account is not there.
	page := g.Expect(t, 200, harness.Request{Path: keygenIndex + "/simple/app-open/"})
	if !strings.Contains(page.Text(), "../../files/local/app-open/") {
		t.Errorf("the page's links are %s", page.Text())
	}
	g.Expect(t, 404, harness.Request{Path: "/v1/accounts/nobodys/engines/pypi/simple/app-open/"})
	head := g.Expect(t, 200, harness.Request{Path: keygenIndex + "/simple/app-open/", Header: map[string]string{"Accept": acceptJSON}})
	g.Expect(t, 304, harness.Request{Path: keygenIndex + "/simple/app-open/", Header: map[string]string{"Accept": acceptJSON, "If-None-Match": head.Header.Get("ETag")}})

	// pip and uv, with a licence in the URL, get both.
	s := harness.NewSandbox(t)
	for _, who := range []string{"license:" + licence, licence} {
		index := strings.Replace(g.URL, "http://", "http://"+who+"@", 1) + keygenIndex + "/simple/"
		takes(t, s, index, "app-licensed", "app-licensed", "1.0")
		takes(t, s, index, "public", "public", "9.0")
		takes(t, s, index, "app-closed", "app-closed", "")
	}
	if up.Count("/simple/app") > 0 {
		t.Error("the upstream was asked for a name of the house")
	}
	for _, r := range up.Requests() {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("a client took its credential to the upstream with %s", r.Path)
		}
	}
}

// Attestations that come with an upload are served as the file's provenance, and
// advertised where the gateway knows its public URL (PEP 740).
func TestPythonAttestations(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	theirs := wheelFile("theirs", "1.0")
	theirs.Provenance = []byte(`{"version":1,"attestation_bundles":[{"publisher":{"kind":"Test"},"attestations":[]}]}`)
	up.Add("theirs", theirs)
	g := harness.Start(t, harness.Options{App: upstreamLines(up, "public_url https://packages.example.com")})
	plain := harness.Start(t, harness.Options{App: "account default"})
	const attestation = `{"version":1,"verification_material":{"certificate":"AA==","transparency_entries":[{}]},"envelope":{"statement":"e30=","signature":"AA=="}}`
	wheel, data := pythontest.Wheel(pythontest.Spec{Name: "signed", Version: "1.0"})
	bare, bareData := pythontest.Wheel(pythontest.Spec{Name: "signed", Version: "2.0"})
	for _, gw := range []*harness.Gateway{g, plain} {
		key, reader := gw.Key("developer"), gw.Key("executor")
		for name, bad := range map[string]string{"no JSON": "{", "no list": attestation, "no attestation": "[{}]", "another version": strings.Replace("["+attestation+"]", `"version":1`, `"version":2`, 1)} {
			r := gw.Expect(t, 400, harness.PyUploadRequest(key, wheel, data, map[string]string{"attestations": bad}))
			if !strings.Contains(r.Text(), "attestation") {
				t.Errorf("%s is refused as %q", name, r.Text())
			}
		}
		gw.Expect(t, 200, harness.PyUploadRequest(key, wheel, data, map[string]string{"attestations": "[" + attestation + "]"}))
		gw.Expect(t, 200, harness.PyUploadRequest(key, bare, bareData, nil))
		at := "/pypi/integrity/signed/1.0/" + wheel + "/provenance"
		r := gw.Expect(t, 200, harness.Request{Path: at, Key: reader})
		if ct := r.Header.Get("Content-Type"); ct != "application/vnd.pypi.integrity.v1+json" || !strings.Contains(r.Text(), `"attestation_bundles":[{`) || !strings.Contains(r.Text(), attestation) {
			t.Errorf("the provenance is %s as %s", r.Text(), ct)
		}
		if cc := r.Header.Get("Cache-Control"); strings.Contains(cc, "immutable") {
			t.Errorf("the provenance, which may change, is %s", cc)
		}
		gw.Expect(t, 401, harness.Request{Path: at})
		gw.Expect(t, 404, harness.Request{Path: "/pypi/integrity/signed/2.0/" + bare + "/provenance", Key: reader})
		gw.Expect(t, 404, harness.Request{Path: "/pypi/integrity/signed/2.0/" + wheel + "/provenance", Key: reader})
		page, _ := simplePage(t, gw, reader, "signed")
		html := gw.Expect(t, 200, harness.Request{Path: "/pypi/simple/signed/?format=text/html", Key: reader}).Text()
		want := ""
		if gw == g {
			want = "https://packages.example.com" + at
		}
		for _, f := range page.Files {
			if f.Filename == wheel && f.Provenance != want || f.Filename == bare && f.Provenance != "" {
				t.Errorf("%s advertises its provenance at %q", f.Filename, f.Provenance)
			}
		}
		if strings.Contains(html, `data-provenance="`) != (want != "") || !strings.Contains(html, want) {
			t.Errorf("the page in HTML is %s", html)
		}
		gw.Restart()
		gw.Expect(t, 200, harness.Request{Path: at, Key: reader})
	}

	// An upstream's provenance comes through the gateway as well, for machines that
	// reach nothing else.
	key := g.Key("executor")
	page, _ := simplePage(t, g, key, "theirs")
	at := "/pypi/integrity/theirs/1.0/" + theirs.Filename + "/provenance"
	if got := page.Files[0].Provenance; got != "https://packages.example.com"+at {
		t.Errorf("theirs advertises its provenance at %q", got)
	}
	up.On("/integrity/", upstreamtest.Status(403))
	g.Expect(t, 502, harness.Request{Path: at, Key: key})
	up.Heal()
	var description struct {
		Paths map[string]map[string]struct{ Responses map[string]any }
	}
	if err := json.Unmarshal([]byte(g.Expect(t, 200, harness.Request{Path: "/-/openapi.json"}).Text()), &description); err != nil {
		t.Fatal(err)
	}
	if _, told := description.Paths["/pypi/integrity/{name}/{version}/{file}/provenance"]["get"].Responses["502"]; !told {
		t.Error("the description does not tell that an upstream's provenance may be a 502")
	}
	if r := g.Expect(t, 200, harness.Request{Path: at, Key: key}); r.Text() != string(theirs.Provenance) {
		t.Errorf("the upstream's provenance is %s", r.Text())
	}
	g.Expect(t, 401, harness.Request{Path: at})
	g.Expect(t, 403, harness.Request{Path: at, Key: g.Key("reader")})
	g.Expect(t, 404, harness.Request{Path: "/pypi/integrity/theirs/9.9/theirs-9.9-py3-none-any.whl/provenance", Key: key})
}
