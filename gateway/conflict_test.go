package gateway

import (
	"net/http"
	"testing"

	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// Where names of the upstream are refused, they are on every way to own one, but for
// the operator's.
func TestUpstreamNamesAreRefusedOnEveryWay(t *testing.T) {
	t.Parallel()
	up := upstreamtest.New(t)
	up.Add("theirs", upstreamtest.File{Filename: "theirs-1.0-py3-none-any.whl", Content: []byte("x")})
	g := open(t, Config{UpstreamConflict: "refuse", Passthrough: &passthrough.Config{
		Upstreams: []passthrough.Upstream{{Name: "pypi", URL: up.Simple()}},
	}})
	dev := key(t, g, KeyRequest{Policy: "developer"})
	if _, err := uploadPy(g, dev, pythontest.Spec{Name: "theirs", Version: "2"}, nil); status(err) != http.StatusForbidden {
		t.Errorf("by an upload: %v", err)
	}
	if _, err := g.SetPyName(ctx, dev, "theirs", PySettings{}); status(err) != http.StatusForbidden {
		t.Errorf("by its settings: %v", err)
	}
	if owned, _ := g.Owns("theirs"); owned {
		t.Error("the name is taken")
	}
	if _, err := g.SetPyName(ctx, dev, "ours", PySettings{}); err != nil {
		t.Errorf("a name that the upstream has not: %v", err)
	}
	if _, err := g.SetPyName(ctx, local, "theirs", PySettings{}); err != nil {
		t.Errorf("by the operator: %v", err)
	}
	if _, err := uploadPy(g, dev, pythontest.Spec{Name: "theirs", Version: "2"}, nil); err != nil {
		t.Errorf("once it is decided: %v", err)
	}
}
