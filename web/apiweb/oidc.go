package apiweb

import (
	"net/http"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// mint exchanges an OIDC token for a key.
func (s *Surface) mint(w http.ResponseWriter, r *http.Request) (*gateway.MintedKey, error) {
	g := s.env.Gateway
	if g.TrustedAudiences() == nil {
		// At once: rattler's uploader tries this on every host before its stored keys.
		return nil, gateway.Errorf(http.StatusNotFound, "no trusted publisher is configured here: use an API key")
	}
	var in struct {
		Token string `json:"token"`
	}
	if err := web.ReadJSON(w, r, &in); err != nil {
		return nil, err
	}
	if in.Token == "" {
		return nil, gateway.Errorf(http.StatusUnprocessableEntity, "the body has no 'token': an OIDC token is expected")
	}
	c := s.env.Nobody(r)
	return g.MintTrusted(r.Context(), c, in.Token)
}

// mintPrefix answers as prefix.dev does: the body is the key, to the byte.
func (s *Surface) mintPrefix(w http.ResponseWriter, r *http.Request, _ web.Params) {
	made, err := s.mint(w, r)
	if err != nil {
		s.fail(w, r, s.text, err)
		return
	}
	s.env.Served("api", "minted")
	h := w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Cache-Control"] = []string{"no-store"}
	_, _ = w.Write([]byte(made.Value))
}

// pypiAudience tells twine and uv what their token must be made for.
func (s *Surface) pypiAudience(w http.ResponseWriter, r *http.Request, _ web.Params) {
	all := s.env.Gateway.TrustedAudiences()
	if all == nil {
		s.fail(w, r, pypi, gateway.Errorf(http.StatusNotFound, "no trusted publisher is configured here: use an API key"))
		return
	}
	web.WriteJSON(w, http.StatusOK, struct {
		Audience string `json:"audience"`
	}{all[0]})
}

// mintPyPI answers as PyPI does.
func (s *Surface) mintPyPI(w http.ResponseWriter, r *http.Request, _ web.Params) {
	made, err := s.mint(w, r)
	if err != nil {
		s.fail(w, r, pypi, err)
		return
	}
	s.env.Served("api", "minted")
	web.WriteJSON(w, http.StatusOK, struct {
		Success bool   `json:"success"`
		Token   string `json:"token"`
		Expires int64  `json:"expires"` // Unix seconds
	}{true, made.Value, made.Key.ExpiresAt / 1000})
}

// pypi is the error of PyPI's mint endpoint.
func pypi(w http.ResponseWriter, _ *http.Request, e *gateway.Error) {
	type item struct {
		Code        string `json:"code"`
		Description string `json:"description"`
	}
	code := "invalid-token"
	if e.Status != http.StatusUnprocessableEntity {
		code = "unavailable"
	}
	web.WriteJSON(w, e.Status, struct {
		Message string `json:"message"`
		Errors  []item `json:"errors"`
	}{"Token request failed", []item{{code, e.Message}}})
}
