package condaweb

import (
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// Cache-Control of what is served (RFC 9111). Indexes say both words, for libmamba
// reads max-age alone, and never "private", which rattler takes as "do not store".
// A package can be replaced by force, so it is revalidated against its hash.
const (
	cacheIndex       = "no-cache, max-age=0"
	cacheShard       = "private, max-age=31536000, immutable"
	cacheShardOpen   = "public, max-age=31536000, immutable"
	cachePackage     = "private, no-cache"
	cachePackageOpen = "public, no-cache"
)

// target is what a path below a channel names.
type target struct {
	token   string // of a /t/<key>/ path
	channel string
	subdir  string // "" for files of the channel itself
	file    string // "" for a page; "shards/<hash>.msgpack.zst" for a shard
}

// parseTarget reads a path from its end: the channel is whatever stands before. It
// reports false for a path with nothing behind the channel, not even a slash.
func parseTarget(path string) (t target, ok bool) {
	path, t.token = cutToken(path)
	segments := strings.Split(path[1:], "/")
	n := len(segments)
	last := segments[n-1]
	switch {
	case last == "" && n >= 2:
		if n >= 3 && conda.KnownSubdir(segments[n-2]) {
			t.subdir = segments[n-2]
			n--
		}
		n--
	case n >= 2 && (last == "channeldata.json" || last == "notices.json"):
		t.file = last
		n--
	case n >= 4 && segments[n-2] == "shards":
		t.subdir, t.file = segments[n-3], "shards/"+last
		n -= 3
	case n >= 3:
		t.subdir, t.file = segments[n-2], last
		n -= 2
	default:
		t.channel = strings.Join(segments, "/")
		return t, false
	}
	end := len(path)
	for _, behind := range segments[n:] {
		end -= len(behind) + 1
	}
	t.channel = path[min(1, end):end]
	return t, t.channel != ""
}

// cutToken takes a /t/<key> pair out of a path: at its beginning, where clients put
// it, or before the channel's last segment, where conda does. No channel has a
// segment "t".
func cutToken(path string) (rest, token string) {
	i := strings.Index(path, "/t/")
	if i < 0 {
		return path, ""
	}
	token, after, found := strings.Cut(path[i+3:], "/")
	if !found {
		return path[:i] + "/", token
	}
	return path[:i] + "/" + after, token
}

// read answers GET and HEAD.
func (s *Surface) read(w http.ResponseWriter, r *http.Request, t target, ok bool) {
	c, err := s.env.Caller(r, t.token)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	g := s.env.Gateway
	pkg := ""
	if file := strings.TrimSuffix(t.file, sigsSuffix); strings.HasSuffix(file, ".conda") || strings.HasSuffix(file, ".tar.bz2") {
		if parsed, err := conda.ParseFilename(file); err == nil {
			pkg = parsed.Name
		}
	}
	ch, err := g.ReadChannel(c, t.channel, t.subdir, pkg)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	switch {
	case !ok:
		web.RedirectTo(w, http.StatusFound, path.Base(t.channel)+"/") // of people who typed the page's address
	case t.file == "":
		s.page(w, r, ch, t.subdir)
	case pkg != "" && strings.HasSuffix(t.file, sigsSuffix):
		s.attestation(w, r, ch, t)
	case pkg != "":
		s.file(w, r, ch, t)
	case t.file == "notices.json":
		s.notices(w, r, ch)
	default:
		s.index(w, r, ch, t)
	}
}

// index serves a file that is made from the catalog.
func (s *Surface) index(w http.ResponseWriter, r *http.Request, ch *gateway.Channel, t target) {
	f, ok := s.env.Gateway.Index().File(ch.Name, t.subdir, t.file)
	if !ok {
		s.fail(w, r, gateway.Errorf(http.StatusNotFound, "%s is not in %s/%s", t.file, ch.Name, t.subdir))
		return
	}
	content := web.Content{
		Type: f.ContentType, ETag: f.ETag, Modified: f.Modified, Size: f.Size(), Body: f, CacheControl: cacheIndex,
	}
	if f.Immutable {
		content.CacheControl = cacheShard
		if ch.Vis == authz.Open {
			content.CacheControl = cacheShardOpen
		}
	}
	if z := f.Zstd; z != nil {
		content.Vary = "Accept-Encoding"
		if acceptsZstd(r) {
			content.Encoding, content.ETag, content.Size, content.Body = "zstd", z.ETag, z.Size(), z
		}
	}
	s.env.Served("conda", "index")
	web.Serve(w, r, &content)
}

// file serves a package, yanked ones too: lock files name them.
func (s *Surface) file(w http.ResponseWriter, r *http.Request, ch *gateway.Channel, t target) {
	info, err := s.env.Gateway.File(r.Context(), ch, t.subdir, t.file)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	content := web.Content{
		Type: "application/octet-stream", ETag: info.ETag, Modified: time.UnixMilli(info.UploadedAt), Size: info.Size,
		CacheControl: cachePackage,
	}
	if ch.Vis == authz.Open {
		content.CacheControl = cachePackageOpen
	}
	f, err := s.env.Gateway.OpenBlob(info)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer f.Close()
	s.env.Served("conda", "package")
	web.ServeFile(w, r, &content, f)
}

// sigsSuffix is where the attestation of a package is served (draft of CEP 27's
// companion).
const sigsSuffix = ".v0.sigs"

func (s *Surface) attestation(w http.ResponseWriter, r *http.Request, ch *gateway.Channel, t target) {
	raw, err := s.env.Gateway.Attestation(r.Context(), ch, t.subdir, strings.TrimSuffix(t.file, sigsSuffix))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	serveJSON(w, r, raw)
}

// notices serves what an administrator wants users to read (CEP 6).
func (s *Surface) notices(w http.ResponseWriter, r *http.Request, ch *gateway.Channel) {
	raw := []byte(ch.Notices)
	if len(raw) == 0 {
		raw = []byte(`{"notices":[]}`)
	}
	serveJSON(w, r, raw)
}

func serveJSON(w http.ResponseWriter, r *http.Request, raw []byte) {
	web.Serve(w, r, &web.Content{
		Type: "application/json", ETag: web.ETagOf(raw), Size: int64(len(raw)), Body: web.Bytes(raw), CacheControl: cacheIndex,
	})
}

// acceptsZstd reads Accept-Encoding (RFC 9110 §12.5.3) for the one coding that
// repodata.json is kept in.
func acceptsZstd(r *http.Request) bool {
	for _, v := range r.Header["Accept-Encoding"] {
		for part := range strings.SplitSeq(v, ",") {
			coding, params, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "zstd") {
				q := strings.TrimSpace(params)
				return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
			}
		}
	}
	return false
}
