package condaweb

import (
	"net/http"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// Options are the limits of the surface; zero fields take the defaults.
type Options struct {
	BodyIdle time.Duration // longest pause in an upload's body; 30 s
	MaxPatch int64         // largest patch_instructions.json, bytes; 64 MiB
}

// Defaults of [Options].
const (
	DefaultBodyIdle = 30 * time.Second
	DefaultMaxPatch = 64 << 20
)

// Surface is the conda side of the gateway, an http.Handler.
type Surface struct {
	env    *web.Env
	opts   Options
	router *web.Router
}

// New makes the surface.
func New(env *web.Env, o Options) *Surface {
	if o.BodyIdle == 0 {
		o.BodyIdle = DefaultBodyIdle
	}
	if o.MaxPatch == 0 {
		o.MaxPatch = DefaultMaxPatch
	}
	s := &Surface{env: env, opts: o}
	s.router = web.NewRouter(s.routes(), s.deny)
	return s
}

// Routes is the table of the surface. The paths of the channels themselves are in it,
// too, although no router finds them: a channel's name may have any number of
// segments, so they are read from their end.
func (s *Surface) Routes() []web.Route { return append(s.channelPaths(), s.router.Routes()...) }

func (s *Surface) channelPaths() []web.Route {
	reads := []string{"/{channel...}/", "/{channel...}/{subdir}/", "/{channel...}/channeldata.json", "/{channel...}/notices.json",
		"/{channel...}/{subdir}/{file}", "/{channel...}/{subdir}/shards/{shard}"}
	var routes []web.Route
	for _, mount := range []string{"", "/t/{key}"} {
		for _, path := range reads {
			routes = append(routes, web.Route{
				Method: "GET", Pattern: mount + path, Permission: "channel:read", Further: []string{"package:read", "package:read-closed"},
				Handler: func(w http.ResponseWriter, r *http.Request, _ web.Params) { s.ServeHTTP(w, r) },
			})
		}
	}
	return append(routes, web.Route{
		Method: "PUT", Pattern: "/{channel...}/{subdir}/{file}", Permission: "package:upload", Further: []string{"package:overwrite", "channel:update"},
		Handler: func(w http.ResponseWriter, r *http.Request, _ web.Params) { s.put(w, r) },
	})
}

func (s *Surface) routes() []web.Route {
	overwrite := []string{"package:overwrite"}
	return []web.Route{
		{Method: "POST", Pattern: "/api/v1/upload/{channel...}", Permission: "package:upload", Further: overwrite, Handler: s.upload},
		{Method: "DELETE", Pattern: "/api/v1/delete/{channel...}/{subdir}/{file}", Permission: "package:delete", Handler: s.delete},
		{Method: "POST", Pattern: "/api/v1/reindex/{channel...}/{subdir}", Permission: "channel:reindex", Handler: s.reindex},
		{Method: "POST", Pattern: "/api/v1/yank/{channel...}/{subdir}/{file}", Permission: "package:yank", Handler: s.yank},
		{Method: "POST", Pattern: "/api/v1/unyank/{channel...}/{subdir}/{file}", Permission: "package:yank", Handler: s.unyank},
		{Method: "PUT", Pattern: "/api/v1/patch/{channel...}/{subdir}", Permission: "channel:update", Handler: s.setPatch},
		{Method: "DELETE", Pattern: "/api/v1/patch/{channel...}/{subdir}", Permission: "channel:update", Handler: s.removePatch},
		{Method: "GET", Pattern: "/api/v1/channels", Permission: "channel:read", Handler: s.listChannels},
		{Method: "POST", Pattern: "/api/v1/channels", Permission: "channel:create", Handler: s.createChannel},
		{Method: "GET", Pattern: "/api/v1/channels/{channel...}", Permission: "channel:read", Handler: s.getChannel},
		{Method: "PATCH", Pattern: "/api/v1/channels/{channel...}", Permission: "channel:update", Handler: s.updateChannel},
		{Method: "DELETE", Pattern: "/api/v1/channels/{channel...}", Permission: "channel:delete", Handler: s.deleteChannel},
		{Method: "POST", Pattern: "/api/channels/{channel...}/upload/{file}", Permission: "package:upload", Further: overwrite, Handler: s.quetzUpload},
	}
}

// ServeHTTP answers whatever is below a channel or in the table. The path is in its
// plain form: see [web.Canonical].
func (s *Surface) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") && s.router.Serve(w, r) {
		return
	}
	t, ok := parseTarget(r.URL.Path)
	takes := ok && t.token == "" && t.subdir != "" && t.file != "" && !strings.HasPrefix(t.file, "shards/")
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		s.read(w, r, t, ok)
	case r.Method == http.MethodPut && takes:
		s.put(w, r)
	default:
		allowed := "GET, HEAD"
		if takes {
			allowed += ", PUT"
		}
		w.Header().Set("Allow", allowed)
		web.Drain(w, r)
		s.deny(w, r, http.StatusMethodNotAllowed, "method "+r.Method+" is not served here: "+allowed+" is expected")
	}
}

// ServeRoute answers a request of the table alone; false when none matches.
func (s *Surface) ServeRoute(w http.ResponseWriter, r *http.Request) bool {
	return s.router.Serve(w, r)
}

func (s *Surface) fail(w http.ResponseWriter, r *http.Request, err error) {
	fault, _ := gateway.AsError(err)
	s.env.Served("conda", web.Outcome(fault.Status))
	s.env.WriteText(w, r, err)
}

func (s *Surface) deny(w http.ResponseWriter, r *http.Request, status int, message string) {
	s.fail(w, r, &gateway.Error{Status: status, Message: message})
}

var _ http.Handler = (*Surface)(nil)
