package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fairwayhq/fairway/gateway"
)

// WriteJSON answers a document that must not be stored by anybody.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	if h["Content-Type"] == nil {
		h["Content-Type"] = []string{"application/json"}
	}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = noSniff
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // an error here is the client's leaving
}

// MaxJSON bounds a JSON request body, in bytes.
const MaxJSON = 1 << 20

// ReadJSON decodes a request's body strictly: one object of known fields. An
// empty body leaves v as it is.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	dec := json.NewDecoder(SmallBody(w, r, MaxJSON))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if _, refused := gateway.AsError(err); refused {
		return err
	}
	var other *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &other) && other.Field == "": // whose own words name our types
		return gateway.Errorf(http.StatusBadRequest, "the body is a JSON %s: an object is expected", other.Value)
	case errors.As(err, &other):
		return gateway.Errorf(http.StatusBadRequest, "%q is a JSON %s: another type is expected", other.Field, other.Value)
	case err != nil:
		return gateway.Errorf(http.StatusBadRequest, "the body cannot be read as JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	case dec.More():
		return gateway.Errorf(http.StatusBadRequest, "the body has more than one JSON value: one object is expected")
	}
	return nil
}

// DecodeStrict decodes one JSON value of known fields.
func DecodeStrict(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// Time is a stored time, in Unix milliseconds, as RFC 3339 in UTC; "" for none.
func Time(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
