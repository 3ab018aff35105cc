package tests

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"mime/multipart"
	"net/textproto"
	"strconv"

	"github.com/fairwayhq/fairway/tests/harness"
)

// part is one part of a multipart body.
type part struct {
	name, file string
	body       []byte
}

// multipartForm is a body as rattler-build sends it: the package's facts are
// headers of its part.
func multipartForm(parts ...part) (contentType string, body []byte) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		disposition := `form-data; name="` + p.name + `"`
		if p.file != "" {
			disposition += `; filename="` + p.file + `"`
			h.Set("Content-Type", "application/octet-stream")
			h.Set("Content-Length", strconv.Itoa(len(p.body)))
			h.Set("X-File-Name", p.file)
			h.Set("X-File-SHA256", sha(p.body))
		}
		h.Set("Content-Disposition", disposition)
		pw, _ := w.CreatePart(h) // a buffer takes everything
		_, _ = pw.Write(p.body)
	}
	_ = w.Close()
	return w.FormDataContentType(), buf.Bytes()
}

func multipartRequest(key, channel string, parts ...part) harness.Request {
	ct, body := multipartForm(parts...)
	return harness.Request{
		Method: "POST", Path: "/api/v1/upload/" + channel, Key: key, Body: body, Header: map[string]string{"Content-Type": ct},
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// noise is n bytes that do not compress, the same each time.
func noise(n int) string {
	buf := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(buf)
	return string(buf)
}
