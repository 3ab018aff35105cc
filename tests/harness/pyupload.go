package harness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// PyUploadRequest is the form that twine posts; more replaces its fields, or with
// "" takes them out.
func PyUploadRequest(key, filename string, data []byte, more map[string]string) Request {
	sum := sha256.Sum256(data)
	fields := map[string]string{
		":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "filetype": "bdist_wheel", "pyversion": "py3",
		"sha256_digest": hex.EncodeToString(sum[:]),
	}
	if strings.HasSuffix(filename, ".tar.gz") {
		fields["filetype"], fields["pyversion"] = "sdist", "source"
	}
	if f, err := python.ParseFilename(filename, ""); err == nil {
		fields["name"], fields["version"] = f.Name, f.Version.String()
	}
	maps.Copy(fields, more)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] != "" {
			_ = form.WriteField(name, fields[name])
		}
	}
	part, _ := form.CreateFormFile("content", filename)
	_, _ = part.Write(data)
	_ = form.Close()
	return Request{
		Method: http.MethodPost, Path: "/pypi/legacy/", Key: key, Body: body.Bytes(), Header: map[string]string{"Content-Type": form.FormDataContentType()},
	}
}

// PublishPython builds a wheel and uploads it; it fails the test unless it is taken.
func (g *Gateway) PublishPython(key string, s pythontest.Spec) (filename string, data []byte) {
	g.t.Helper()
	filename, data = pythontest.Wheel(s)
	g.Expect(g.t, http.StatusOK, PyUploadRequest(key, filename, data, nil))
	return filename, data
}

// PyFilePath is where a file that was uploaded here is served.
func PyFilePath(name, filename string) string { return "/pypi/files/local/" + name + "/" + filename }
