package pyweb

import (
	"net/http"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/web"
)

// metadataSuffix names the core metadata beside a file (PEP 658).
const metadataSuffix = ".metadata"

// file serves an own file, or its core metadata.
func (s *Surface) file(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, ok := s.caller(w, r, p)
	if !ok {
		return
	}
	name := python.Normalise(p["name"])
	filename, wantsMetadata := strings.CutSuffix(p["file"], metadataSuffix)
	f, err := s.env.Gateway.PyFile(r.Context(), c, name, filename)
	if err == nil && wantsMetadata && f.Metadata == nil {
		err = notFound("%s has no metadata file: only wheels have", filename)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	content := web.Content{CacheControl: cacheFile, Modified: time.UnixMilli(f.UploadedAt)}
	if f.Vis == authz.Open {
		content.CacheControl = cacheFileOpen
	}
	if wantsMetadata {
		content.Type, content.ETag = "text/plain; charset=utf-8", web.ETagOf(f.Metadata)
		content.Size, content.Body = int64(len(f.Metadata)), web.Bytes(f.Metadata)
		s.env.Served("pypi", "metadata")
		web.Serve(w, r, &content)
		return
	}
	content.Type, content.ETag, content.Size = "application/octet-stream", f.ETag, f.Size
	body, err := s.env.Gateway.OpenBlob(f.FileInfo)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer body.Close()
	s.env.Served("pypi", "file")
	web.ServeFile(w, r, &content, body)
}

// provenance serves what came with an own file, or with an upstream's (PEP 740).
func (s *Surface) provenance(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, ok := s.caller(w, r, p)
	if !ok {
		return
	}
	name := python.Normalise(p["name"])
	if !s.env.Gateway.HasPython(name) {
		s.upstreamProvenance(w, r, c, p, name)
		return
	}
	raw, err := s.env.Gateway.PyProvenance(r.Context(), c, name, p["version"], p["file"])
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.env.Served("pypi", "provenance")
	web.Serve(w, r, &web.Content{
		Type: passthrough.ProvenanceType, ETag: web.ETagOf(raw), CacheControl: cachePage,
		Size: int64(len(raw)), Body: web.Bytes(raw),
	})
}
