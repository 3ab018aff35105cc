package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// uploadPy publishes a wheel as a surface does, after change had its way with the form.
func uploadPy(g *Gateway, c *Caller, s pythontest.Spec, change func(*PyUpload)) (*PyPublished, error) {
	filename, data := pythontest.Wheel(s)
	sum := sha256.Sum256(data)
	u := &PyUpload{Name: s.Name, Version: s.Version, Filename: filename, FileType: "bdist_wheel", SHA256: hex.EncodeToString(sum[:])}
	if change != nil {
		change(u)
	}
	staged, err := g.StagePython(ctx, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer func() { _ = staged.Cancel() }()
	return g.PublishPython(ctx, c, u, staged)
}

func mustUploadPy(t testing.TB, g *Gateway, s pythontest.Spec) *PyPublished {
	t.Helper()
	pub, err := uploadPy(g, local, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// page reads an own page as a client gets it.
func page(t testing.TB, g *Gateway, c *Caller, name string) string {
	t.Helper()
	p, _, ok, err := g.PyPageOf(ctx, c, name)
	if err != nil || !ok {
		t.Fatalf("page of %s: %v, %v", name, ok, err)
	}
	raw, err := io.ReadAll(p.NewReader(python.JSON, python.Identity))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestPythonUploadIsShownAtOnceAndOnce(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	spec := pythontest.Spec{Name: "Our.Pkg", Version: "1.0", RequiresPython: ">=3.9"}
	pub := mustUploadPy(t, g, spec)
	if !pub.Created || pub.Name != "our-pkg" {
		t.Errorf("%+v", pub)
	}
	if doc := page(t, g, local, "our-pkg"); !strings.Contains(doc, `"our_pkg-1.0-py3-none-any.whl"`) || !strings.Contains(doc, `"requires-python":">=3.9"`) {
		t.Error(doc)
	}
	mustUploadPy(t, g, pythontest.Spec{Name: "our-pkg", Version: "2.0"}) // changes a page that was made
	if doc := page(t, g, local, "our-pkg"); !strings.Contains(doc, "our_pkg-2.0") {
		t.Error(doc)
	}
	if again := mustUploadPy(t, g, spec); again.Created {
		t.Error("identical bytes were published again")
	}
	spec.Description = "other bytes"
	if _, err := uploadPy(g, local, spec, nil); status(err) != http.StatusBadRequest || !strings.HasPrefix(err.Error(), "File already exists") {
		t.Errorf("other bytes: %v", err)
	}
	if err := g.DeletePyFile(ctx, local, "our-pkg", "our_pkg-1.0-py3-none-any.whl"); err != nil {
		t.Fatal(err)
	}
	if doc := page(t, g, local, "our-pkg"); strings.Contains(doc, "our_pkg-1.0") {
		t.Errorf("deleted, and shown in %s", doc)
	}
	if _, err := uploadPy(g, local, spec, nil); status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), "already been used") {
		t.Errorf("a deleted file's name: %v", err)
	}
}

func TestPythonFormMustAgreeWithArchive(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	for name, change := range map[string]func(*PyUpload){
		"name":            func(u *PyUpload) { u.Name = "other" },
		"version":         func(u *PyUpload) { u.Version = "2.0" },
		"file type":       func(u *PyUpload) { u.FileType = "sdist" },
		"file name":       func(u *PyUpload) { u.Filename = "other-1.0-py3-none-any.whl" },
		"digest":          func(u *PyUpload) { u.SHA256 = strings.Repeat("0", 64) },
		"no digest":       func(u *PyUpload) { u.SHA256 = "" },
		"requires-python": func(u *PyUpload) { u.RequiresPython = ">=3.12" },
		"attestations":    func(u *PyUpload) { u.Attestations = []byte(`[{"version":2}]`) },
	} {
		if _, err := uploadPy(g, local, pythontest.Spec{Name: "pkg", Version: "1.0"}, change); status(err) != http.StatusBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if owned, _ := g.Owns("pkg"); owned {
		t.Error("a refused upload made the name")
	}
	if _, err := uploadPy(g, local, pythontest.Spec{Name: "pkg", Version: "1.0"}, func(u *PyUpload) { u.Version = "1.0.0" }); err != nil {
		t.Errorf("the same version in another spelling: %v", err)
	}
}

// A name is owned whatever its state: then nothing of it may go upstream.
func TestOwnedInEveryState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := open(t, Config{Dir: dir})
	if _, err := g.SetPyName(ctx, local, "Empty_Name", PySettings{}); err != nil {
		t.Fatal(err)
	}
	closed, quarantined := "closed", python.StatusQuarantined
	mustUploadPy(t, g, pythontest.Spec{Name: "hidden", Version: "1"})
	if _, err := g.SetPyName(ctx, local, "hidden", PySettings{Visibility: &closed}); err != nil {
		t.Fatal(err)
	}
	mustUploadPy(t, g, pythontest.Spec{Name: "bad", Version: "1"})
	if _, err := g.SetPyName(ctx, local, "bad", PySettings{Status: &quarantined}); err != nil {
		t.Fatal(err)
	}
	mustUploadPy(t, g, pythontest.Spec{Name: "gone", Version: "1"})
	if err := g.DeletePyName(ctx, local, "gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Reserve(ctx, local, "acme-*"); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for name, want := range map[string]bool{
			"empty-name": true, "EMPTY.NAME": true, "empty__name": true, "hidden": true, "bad": true, "gone": true, "Gone": true,
			"acme-x": true, "acme": true, "Acme_Foo": true, "six": false, "acmecorp": false,
		} {
			if got, err := g.Owns(name); err != nil || got != want {
				t.Errorf("%s: owns(%q) is %v, %v", when, name, got, err)
			}
		}
	}
	check("running")
	if _, err := g.PyFile(ctx, local, "bad", "bad-1-py3-none-any.whl"); status(err) != http.StatusForbidden {
		t.Errorf("a file of a quarantined project: %v", err)
	}
	if doc := page(t, g, local, "bad"); !strings.Contains(doc, `"status":"quarantined"`) || strings.Contains(doc, "bad-1") {
		t.Errorf("the page of a quarantined project: %s", doc)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if owned, err := g.Owns("six"); err == nil {
		t.Errorf("a closed gateway says owned %v of a name", owned)
	}
	g = open(t, Config{Dir: dir})
	check("restarted")
	if err := g.Unreserve(ctx, local, "gone"); err != nil {
		t.Fatal(err)
	}
	if owned, _ := g.Owns("gone"); owned {
		t.Error("freed by the operator, and owned")
	}
}

func TestPythonVisibility(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	for _, name := range []string{"open", "licensed", "closed"} {
		mustUploadPy(t, g, pythontest.Spec{Name: name + "-pkg", Version: "1"})
		if _, err := g.SetPyName(ctx, local, name+"-pkg", PySettings{Visibility: &name}); err != nil {
			t.Fatal(err)
		}
	}
	callers := map[string]*Caller{
		"nobody": caller(""), "wrong": caller("sk-" + strings.Repeat("a", 50)),
		"reader": key(t, g, KeyRequest{Policy: "reader"}), "developer": key(t, g, KeyRequest{Policy: "developer"}),
	}
	for who, want := range map[string][3]int{
		"nobody": {200, 401, 401}, "wrong": {401, 401, 401}, "reader": {200, 200, 403}, "developer": {200, 200, 200},
	} {
		for i, name := range []string{"open-pkg", "licensed-pkg", "closed-pkg"} {
			c := *callers[who]
			if _, _, _, err := g.PyPageOf(ctx, &c, name); status(err) != want[i] {
				t.Errorf("%s reads %s: %v, want %d", who, name, err, want[i])
			}
			c = *callers[who]
			if _, err := g.PyFile(ctx, &c, name, strings.ReplaceAll(name, "-", "_")+"-1-py3-none-any.whl"); status(err) != want[i] {
				t.Errorf("%s reads a file of %s: %v, want %d", who, name, err, want[i])
			}
		}
	}
	for who, want := range map[string]int{"nobody": 1, "reader": 2, "developer": 3} {
		c := *callers[who]
		if _, n, err := g.PyIndex(&c); n != want || err != nil {
			t.Errorf("%s sees %d names, %v, want %d", who, n, err, want)
		}
	}
}

// A page that was changed a file at a time is the page made anew, to the byte.
func TestPageAfterChangesIsPageMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := open(t, Config{Dir: dir})
	mustUploadPy(t, g, pythontest.Spec{Name: "pkg", Version: "0.0"})
	page(t, g, local, "pkg")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 6 {
				if _, err := uploadPy(g, local, pythontest.Spec{Name: "pkg", Version: fmt.Sprintf("%d.%d", i+1, j)}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := g.YankPyVersion(ctx, local, "pkg", "1.0.0", true, "broken"); err != nil {
		t.Fatal(err)
	}
	if err := g.DeletePyFile(ctx, local, "pkg", "pkg-2.3-py3-none-any.whl"); err != nil {
		t.Fatal(err)
	}
	deprecated := python.StatusDeprecated
	if _, err := g.SetPyName(ctx, local, "pkg", PySettings{Status: &deprecated}); err != nil {
		t.Fatal(err)
	}
	changed := page(t, g, local, "pkg")
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = open(t, Config{Dir: dir})
	if fresh := page(t, g, local, "pkg"); fresh != changed || !strings.Contains(fresh, `"broken"`) || !strings.Contains(fresh, python.StatusDeprecated) {
		t.Errorf("changed:\n%s\nmade anew:\n%s", changed, fresh)
	}
}

func TestArchivedProjectTakesNoUploads(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	mustUploadPy(t, g, pythontest.Spec{Name: "pkg", Version: "1"})
	archived := python.StatusArchived
	if _, err := g.SetPyName(ctx, local, "pkg", PySettings{Status: &archived}); err != nil {
		t.Fatal(err)
	}
	if _, err := uploadPy(g, local, pythontest.Spec{Name: "pkg", Version: "2"}, nil); status(err) != http.StatusForbidden {
		t.Errorf("%v", err)
	}
}

func TestProvenanceIsServedAndAdvertised(t *testing.T) {
	t.Parallel()
	g := open(t, Config{PublicURL: "https://packages.example.com"})
	spec := pythontest.Spec{Name: "pkg", Version: "1"}
	_, err := uploadPy(g, local, spec, func(u *PyUpload) {
		u.Attestations = []byte(`[{"version":1,"verification_material":{},"envelope":{}}]`)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "https://packages.example.com/pypi/integrity/pkg/1/pkg-1-py3-none-any.whl/provenance"
	if doc := page(t, g, local, "pkg"); !strings.Contains(doc, want) {
		t.Errorf("%s is not in %s", want, doc)
	}
	raw, err := g.PyProvenance(ctx, local, "pkg", "1.0", "pkg-1-py3-none-any.whl")
	if err != nil || !strings.Contains(string(raw), `"attestation_bundles"`) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestPythonUploadIntoScopeAlone(t *testing.T) {
	t.Parallel()
	g := open(t, Config{})
	scope := authz.Scope{}
	scope.Packages, _ = authz.ParseNames([]string{"team-*"})
	c := key(t, g, KeyRequest{Policy: "developer", Scope: scope})
	if _, err := uploadPy(g, c, pythontest.Spec{Name: "Team_One", Version: "1"}, nil); err != nil {
		t.Errorf("in scope: %v", err)
	}
	if _, err := uploadPy(g, c, pythontest.Spec{Name: "other", Version: "1"}, nil); status(err) != http.StatusForbidden {
		t.Errorf("out of scope: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(g.Settings().Dir, "blobs", "tmp", "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
