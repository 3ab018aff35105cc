package condaweb

import (
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// upload takes prefix.dev's two forms: the package as the body with its facts in
// the request's headers, and multipart/form-data with them in the part's.
func (s *Surface) upload(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, err := s.env.Caller(r, "")
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	u := &gateway.Upload{Channel: p["channel"], Size: -1}
	if u.Force, err = forced(r); err != nil {
		s.refuse(w, r, err)
		return
	}
	// Whatever the form, nothing of the body is read for a caller who may not
	// upload into this channel at all.
	if err := s.env.Gateway.MayUpload(c, u.Channel); err != nil {
		s.refuse(w, r, err)
		return
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && media == "multipart/form-data" {
		s.uploadForm(w, r, c, u, params["boundary"])
		return
	}
	if err := factsFrom(r.Header, u); err != nil {
		s.refuse(w, r, err)
		return
	}
	u.Size = r.ContentLength
	s.receive(w, r, c, u)
}

// receive takes a package whose bytes are the whole body.
func (s *Surface) receive(w http.ResponseWriter, r *http.Request, c *gateway.Caller, u *gateway.Upload) {
	g := s.env.Gateway
	if err := g.BeginUpload(c, u); err != nil {
		s.refuse(w, r, err)
		return
	}
	staged, err := g.StageUpload(r.Context(), u, web.IdleBody(w, r, s.opts.BodyIdle))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer func() { _ = staged.Cancel() }()
	s.publish(w, r, c, u, staged, nil)
}

// uploadForm takes today's rattler-build and pixi: a part "file", and perhaps a
// part "attestation" behind or before it.
func (s *Surface) uploadForm(w http.ResponseWriter, r *http.Request, c *gateway.Caller, u *gateway.Upload, boundary string) {
	if boundary == "" {
		s.refuse(w, r, gateway.Errorf(http.StatusBadRequest, "the multipart body has no boundary: Content-Type must name it"))
		return
	}
	var (
		g           = s.env.Gateway
		form        = multipart.NewReader(web.IdleBody(w, r, s.opts.BodyIdle), boundary)
		staged      *blob.Staged
		attestation []byte
	)
	defer func() {
		if staged != nil {
			_ = staged.Cancel()
		}
	}()
	for {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.refuse(w, r, web.FormError(err))
			return
		}
		switch part.FormName() {
		case "file":
			if staged != nil {
				s.refuse(w, r, gateway.Errorf(http.StatusBadRequest, "the form has two parts named 'file': one package an upload is expected"))
				return
			}
			h := http.Header(part.Header)
			if h.Get("X-File-Name") == "" {
				h.Set("X-File-Name", part.FileName())
			}
			if err = factsFrom(h, u); err == nil {
				u.Size, err = partSize(h)
			}
			if err == nil {
				err = g.BeginUpload(c, u)
			}
			if err == nil {
				staged, err = g.StageUpload(r.Context(), u, part)
			}
		case "attestation":
			limit := g.Settings().MaxAttestation
			attestation, err = io.ReadAll(io.LimitReader(part, limit+1))
			if err == nil && int64(len(attestation)) > limit {
				err = gateway.Errorf(http.StatusRequestEntityTooLarge, "the attestation has more than %d bytes: no larger one is kept", limit)
			}
		default:
			err = gateway.Errorf(http.StatusBadRequest, "the form has a part %q: 'file' and 'attestation' are expected", part.FormName())
		}
		if err != nil {
			s.refuse(w, r, web.FormError(err))
			return
		}
	}
	if staged == nil {
		s.refuse(w, r, gateway.Errorf(http.StatusBadRequest, "the form has no part named 'file'"))
		return
	}
	if attestation != nil {
		if err := conda.CheckAttestation(attestation); err != nil {
			s.refuse(w, r, err)
			return
		}
	}
	s.publish(w, r, c, u, staged, attestation)
}

// quetzUpload takes POST /api/channels/<c>/upload/<file>?force&sha256.
func (s *Surface) quetzUpload(w http.ResponseWriter, r *http.Request, p web.Params) {
	c, err := s.env.Caller(r, "")
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	u := &gateway.Upload{Channel: p["channel"], Filename: p["file"], Size: r.ContentLength}
	if u.Force, err = forced(r); err == nil {
		u.SHA256, err = parseSHA(r.URL.Query().Get("sha256"))
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.receive(w, r, c, u)
}

// put takes PUT /<channel>/<subdir>/<file>, as Artifactory's uploaders send it.
func (s *Surface) put(w http.ResponseWriter, r *http.Request) {
	c, err := s.env.Caller(r, "")
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	segments := strings.Split(r.URL.Path[1:], "/")
	n := len(segments) // 3 or more: see ServeHTTP
	u := &gateway.Upload{Size: r.ContentLength, Channel: strings.Join(segments[:n-2], "/"), Subdir: segments[n-2], Filename: segments[n-1]}
	if u.Filename == "patch_instructions.json" {
		s.setPatch(w, r, web.Params{"channel": u.Channel, "subdir": u.Subdir})
		return
	}
	if u.Force, err = forced(r); err == nil {
		u.SHA256, err = parseSHA(r.Header.Get("X-Checksum-Sha256"))
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.receive(w, r, c, u)
}

func (s *Surface) publish(w http.ResponseWriter, r *http.Request, c *gateway.Caller, u *gateway.Upload, staged *blob.Staged, attestation []byte) {
	pub, err := s.env.Gateway.PublishConda(r.Context(), c, u, staged, attestation)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	status, outcome := http.StatusCreated, "published"
	if !pub.Created {
		status, outcome = http.StatusOK, "identical"
	}
	s.env.Served("upload", outcome)
	web.WriteJSON(w, status, struct {
		Channel  string `json:"channel"`
		Subdir   string `json:"subdir"`
		File     string `json:"file"`
		SHA256   string `json:"sha256"`
		Created  bool   `json:"created"`
		Revision int64  `json:"revision"`
	}{u.Channel, pub.Subdir, pub.Filename, hex.EncodeToString(pub.SHA256[:]), pub.Created, pub.Rev})
}

// refuse answers an error of a request that may still be sending its body.
func (s *Surface) refuse(w http.ResponseWriter, r *http.Request, err error) {
	web.Drain(w, r)
	s.fail(w, r, err)
}

// factsFrom reads what headers say of a package: of the request, or of its part.
func factsFrom(h http.Header, u *gateway.Upload) (err error) {
	u.Filename = h.Get("X-File-Name")
	if u.Filename == "" {
		return gateway.Errorf(http.StatusBadRequest, "the header X-File-Name is missing: the package's file name is expected in it")
	}
	if path.Base(u.Filename) != u.Filename {
		return gateway.Errorf(http.StatusUnprocessableEntity, "X-File-Name is %q: a bare file name is expected", u.Filename)
	}
	u.SHA256, err = parseSHA(h.Get("X-File-SHA256"))
	return err
}

func parseSHA(text string) (*[32]byte, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != 32 {
		return nil, gateway.Errorf(http.StatusBadRequest, "the SHA-256 is %q: 64 hexadecimal digits are expected", text)
	}
	return (*[32]byte)(raw), nil
}

func partSize(h http.Header) (int64, error) {
	text := h.Get("Content-Length")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, gateway.Errorf(http.StatusBadRequest, "the part's Content-Length is %q: a number of bytes is expected", text)
	}
	return n, nil
}

func forced(r *http.Request) (bool, error) {
	switch v := r.URL.Query().Get("force"); strings.ToLower(v) {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	default:
		return false, gateway.Errorf(http.StatusBadRequest, "force is %q: true or false is expected", v)
	}
}
