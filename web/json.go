package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

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

// ReadJSON decodes a request's body strictly: one object of known fields, in UTF-8
// (RFC 8259 §8.1), for what is not would be stored as other text than was sent. An
// empty body leaves v as it is. Its errors are refusals.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	raw, err := io.ReadAll(SmallBody(w, r, MaxJSON))
	switch {
	case err != nil:
		return err
	case len(bytes.TrimSpace(raw)) == 0:
		return nil
	case !utf8.Valid(raw):
		return gateway.Errorf(http.StatusBadRequest, "the body has bytes that are no UTF-8: JSON in UTF-8 is expected")
	}
	if string(bytes.TrimSpace(raw)) == "null" { // which would decode as no field at all
		return gateway.Errorf(http.StatusBadRequest, "the body is a JSON null: an object is expected")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	var other *json.UnmarshalTypeError
	switch {
	case errors.As(err, &other) && other.Field == "": // whose own words name our types
		return gateway.Errorf(http.StatusBadRequest, "the body is a JSON %s: an object is expected", other.Value)
	case errors.As(err, &other):
		return gateway.Errorf(http.StatusBadRequest, "%q is a JSON %s: %s is expected", other.Field, other.Value, typeName(other.Type))
	case err != nil:
		return gateway.Errorf(http.StatusBadRequest, "the body cannot be read as JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return gateway.Errorf(http.StatusBadRequest, "the body has more than one JSON value: one object is expected")
	}
	return nil
}

// typeName is what people call the JSON that a Go type is read from.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a whole number"
	}
}

// Time is a stored time, in Unix milliseconds, as RFC 3339 in UTC; "" for none.
func Time(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
