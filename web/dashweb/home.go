package dashweb

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

//go:embed home.html
var homeSource string

var homeTemplate = template.Must(template.New("home").Parse(homeSource))

// shown bounds how many channels and projects the page lists.
const shown = 200

// homeData is what the page shows.
type homeData struct {
	Who               string // name of the caller's key, "" for nobody
	Channels          []*gateway.Channel
	Projects          []*gateway.PyProject
	More              bool
	Shown             int
	URL, Scheme, Host string // of the gateway, as clients find it
	Hostname          string // which pixi keeps logins by, whatever port and folder
}

// home is what a person sees first: what they may read, and how to use it.
func (s *Surface) home(w http.ResponseWriter, r *http.Request, _ web.Params) {
	c, err := s.env.Caller(r, "")
	if err != nil {
		s.env.WriteText(w, r, err)
		return
	}
	data := homeData{Shown: shown, URL: s.env.Gateway.Settings().PublicURL}
	if data.URL == "" {
		data.URL = "https://HOST" // never the request's Host: who sends that is not who reads this
	}
	scheme, host, _ := strings.Cut(data.URL, "://")
	data.Scheme, data.Host, data.Hostname = scheme+"://", host, host
	if u, err := url.Parse(data.URL); err == nil {
		data.Hostname = u.Hostname()
	}
	if data.Channels, err = s.env.Gateway.Channels(c); err == nil {
		data.Projects, err = s.env.Gateway.PyNames(c)
	}
	if err != nil {
		s.env.WriteText(w, r, err)
		return
	}
	if k := c.Key(); k != nil {
		data.Who = k.Name
	}
	data.More = len(data.Channels) > shown || len(data.Projects) > shown
	data.Channels, data.Projects = data.Channels[:min(shown, len(data.Channels))], data.Projects[:min(shown, len(data.Projects))]
	var buf bytes.Buffer
	if err := homeTemplate.Execute(&buf, &data); err != nil {
		s.env.WriteText(w, r, err)
		return
	}
	web.HTMLHeaders(w.Header())
	web.Serve(w, r, &web.Content{
		Type: "text/html; charset=utf-8", ETag: web.ETagOf(buf.Bytes()), Size: int64(buf.Len()), Body: web.Bytes(buf.Bytes()),
		CacheControl: "private, no-cache",
	})
}

// login has a browser ask for a key, and then shows what it opens.
func (s *Surface) login(w http.ResponseWriter, r *http.Request, _ web.Params) {
	c, err := s.env.Caller(r, "")
	if err == nil {
		err = s.env.Gateway.Identify(c)
	}
	if err == nil && c.Grant() == nil {
		err = gateway.Errorf(http.StatusUnauthorized, "a key is expected as password, of any user name")
	}
	if err != nil {
		s.env.WriteText(w, r, err)
		return
	}
	web.RedirectTo(w, http.StatusSeeOther, "./")
}
