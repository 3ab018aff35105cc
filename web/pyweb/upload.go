package pyweb

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"

	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// maxFields bounds how many fields the form of an upload may have: a project with
// hundreds of dependencies sends hundreds.
const maxFields = 4096

// upload takes the form that twine, uv, poetry, pdm, hatch and flit send: metadata
// in fields, the file in a part named "content", in any order.
func (s *Surface) upload(w http.ResponseWriter, r *http.Request, _ web.Params) {
	c, err := s.env.Caller(r, "")
	if err == nil {
		// Nothing of the body is read for a caller who may not upload at all.
		err = s.env.Gateway.MayUploadPython(c)
	}
	if err != nil {
		s.refuseUpload(w, r, err)
		return
	}
	f, err := s.readForm(w, r)
	if f != nil && f.staged != nil {
		defer func() { _ = f.staged.Cancel() }()
	}
	if err == nil {
		err = f.check()
	}
	var pub *gateway.PyPublished
	if err == nil {
		pub, err = s.env.Gateway.PublishPython(r.Context(), c, &f.upload, f.staged)
	}
	if err != nil {
		s.refuseUpload(w, r, err)
		return
	}
	outcome := "published"
	if !pub.Created {
		outcome = "identical"
	}
	s.env.Served("upload", outcome)
	if pub.Warning != "" {
		w.Header().Set("X-Fairway-Warning", pub.Warning)
	}
	web.WriteJSON(w, http.StatusOK, struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		File    string `json:"file"`
		Created bool   `json:"created"`
		Warning string `json:"warning,omitempty"`
	}{pub.Name, pub.Version, f.upload.Filename, pub.Created, pub.Warning})
}

// form is an upload as it was read.
type form struct {
	action, protocol string
	upload           gateway.PyUpload
	staged           *blob.Staged
}

// readForm reads every part once, the file straight to disk.
func (s *Surface) readForm(w http.ResponseWriter, r *http.Request) (*form, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, gateway.Errorf(http.StatusBadRequest, "the body is no multipart form: Content-Type is %.80q, multipart/form-data with a boundary is expected", r.Header.Get("Content-Type"))
	}
	f := new(form)
	parts := multipart.NewReader(web.IdleBody(w, r, s.opts.BodyIdle), params["boundary"])
	for fields := 0; ; fields++ {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return f, web.FormError(err)
		}
		if fields >= maxFields {
			return f, gateway.Errorf(http.StatusBadRequest, "the form has more than %d fields", maxFields)
		}
		if err := s.readPart(r, f, part); err != nil {
			return f, web.FormError(err)
		}
	}
}

func (s *Surface) readPart(r *http.Request, f *form, part *multipart.Part) error {
	name := part.FormName()
	if name == "content" {
		if f.staged != nil {
			return gateway.Errorf(http.StatusBadRequest, "the form has two parts named 'content': one file an upload is expected")
		}
		f.upload.Filename = rawFileName(part)
		if err := checkFileName(f.upload.Filename); err != nil {
			return err
		}
		var err error
		f.staged, err = s.env.Gateway.StagePython(r.Context(), part)
		return err
	}
	limit := s.opts.MaxField
	if name == "attestations" {
		limit = s.env.Gateway.Settings().MaxAttestation
	}
	raw, err := io.ReadAll(io.LimitReader(part, limit+1))
	if err != nil {
		return err
	}
	if int64(len(raw)) > limit {
		return gateway.Errorf(http.StatusRequestEntityTooLarge, "the field %.40q has more than %d bytes", name, limit)
	}
	value := strings.TrimSpace(string(raw))
	if value == "UNKNOWN" {
		value = "" // what old build tools wrote for nothing
	}
	for field, to := range map[string]*string{
		":action": &f.action, "protocol_version": &f.protocol, "name": &f.upload.Name, "version": &f.upload.Version,
		"filetype": &f.upload.FileType, "md5_digest": &f.upload.MD5, "sha256_digest": &f.upload.SHA256,
		"blake2_256_digest": &f.upload.Blake2b, "requires_python": &f.upload.RequiresPython,
	} {
		if name == field {
			if *to != "" && *to != value {
				return gateway.Errorf(http.StatusBadRequest, "the form has the field %q twice, with different values", name)
			}
			*to = value
			return nil
		}
	}
	if name == "attestations" {
		f.upload.Attestations = raw
	}
	return nil // the rest is read from the archive itself
}

// rawFileName is the file name as it was sent: the standard library's accessor cuts
// what stands before a slash, which must be refused instead.
func rawFileName(part *multipart.Part) string {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	return params["filename"]
}

func checkFileName(name string) error {
	if name == "" {
		return gateway.Errorf(http.StatusBadRequest, "the part 'content' has no file name")
	}
	if path.Base(name) != name || strings.ContainsAny(name, "/\\\x00\r\n") {
		return gateway.Errorf(http.StatusBadRequest, "the file name is %.100q: a bare file name is expected", name)
	}
	return nil
}

// check says what the form lacks.
func (f *form) check() error {
	switch {
	case f.action == "":
		return gateway.Errorf(http.StatusBadRequest, "the form has no field ':action': file_upload is expected")
	case f.action == "submit", f.action == "submit_pkg_info", f.action == "doc_upload": // PyPI had them once
		return gateway.Errorf(http.StatusGone, ":action is %q: only file_upload is supported", f.action)
	case f.action != "file_upload":
		return gateway.Errorf(http.StatusBadRequest, ":action is %.40q: file_upload is expected", f.action)
	case f.protocol != "" && f.protocol != "1":
		return gateway.Errorf(http.StatusBadRequest, "protocol_version is %.40q: 1 is expected", f.protocol)
	case f.upload.Name == "":
		return gateway.Errorf(http.StatusBadRequest, "the form has no field 'name'")
	case f.upload.Version == "":
		return gateway.Errorf(http.StatusBadRequest, "the form has no field 'version'")
	case f.upload.FileType == "":
		return gateway.Errorf(http.StatusBadRequest, "the form has no field 'filetype': bdist_wheel or sdist is expected")
	case f.staged == nil:
		return gateway.Errorf(http.StatusBadRequest, "the form has no part named 'content' with the file")
	}
	return nil
}

// refuseUpload answers in the shape a client prints: uv reads PyPI's JSON, twine
// and its kin print text.
func (s *Surface) refuseUpload(w http.ResponseWriter, r *http.Request, err error) {
	web.Drain(w, r)
	if !strings.Contains(r.Header.Get("Accept"), "application/json") {
		s.fail(w, r, err)
		return
	}
	fault := s.env.Fault(r, err)
	s.env.Served("pypi", web.Outcome(fault.Status))
	web.ErrorHeaders(w.Header(), fault.Status)
	web.WriteJSON(w, fault.Status, struct {
		Message string `json:"message"`
		Code    string `json:"code"`
		Title   string `json:"title"`
	}{fault.Message, fault.Message, http.StatusText(fault.Status)})
}
