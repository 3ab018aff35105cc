package python

import (
	"errors"
	"testing"
)

func TestNegotiateType(t *testing.T) {
	t.Parallel()
	const (
		j    = "application/vnd.pypi.simple.v1+json"
		h    = "application/vnd.pypi.simple.v1+html"
		none = MediaType(99)
	)
	tests := []struct {
		name   string
		accept []string
		format []string
		want   MediaType
	}{
		{"no header", nil, nil, TextHTML},
		{"empty header", []string{""}, nil, TextHTML},
		{"anything, as curl and requests ask", []string{"*/*"}, nil, TextHTML},
		{"pip", []string{j + ", " + h + "; q=0.1, text/html; q=0.01"}, nil, JSON},
		{"uv", []string{j + ", " + h + ";q=0.2, text/html;q=0.01"}, nil, JSON},
		{"order does not matter", []string{"text/html;q=0.01," + h + ";q=0.2," + j}, nil, JSON},
		{"several fields", []string{"text/html;q=0.5", h, j + ";q=0.9"}, nil, HTML},
		{"latest is answered with the concrete version", []string{"application/vnd.pypi.simple.latest+json"}, nil, JSON},
		{"latest html", []string{"application/vnd.pypi.simple.latest+html"}, nil, HTML},
		{"old pip", []string{"text/html"}, nil, TextHTML},
		{"a browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, nil, TextHTML},
		{"named beats wildcard of equal weight", []string{j + ", */*"}, nil, JSON},
		{"heavier wildcard wins", []string{j + ";q=0.3, */*"}, nil, TextHTML},
		{"application/*", []string{"application/*"}, nil, HTML},
		{"text/*", []string{"text/*, " + j + ";q=0.9"}, nil, TextHTML},
		{"zero refuses", []string{j + ";q=0, " + h + ";q=0.5"}, nil, HTML},
		{"zero refuses in spite of a wildcard", []string{"text/html;q=0, " + h + ";q=0, */*"}, nil, JSON},
		{"everything refused", []string{"*/*;q=0"}, nil, none},
		{"malformed weight refuses", []string{j + ";q=x, " + h}, nil, HTML},
		{"weight out of range refuses", []string{j + ";q=2, " + h + ";q=0.1"}, nil, HTML},
		{"case and other parameters", []string{"Application/VND.pypi.simple.V1+JSON; charset=utf-8; Q=0.9"}, nil, JSON},
		{"unknown only", []string{"image/png"}, nil, none},
		{"a version to come", []string{"application/vnd.pypi.simple.v2+json"}, nil, none},
		{"a version to come, with a fallback", []string{"application/vnd.pypi.simple.v2+json, " + j + ";q=0.1"}, nil, JSON},
		{"plain JSON is no type of the API", []string{"application/json"}, nil, none},

		{"format beats the header", []string{"text/html"}, []string{j}, JSON},
		{"format with a decoded plus", []string{"text/html"}, []string{"application/vnd.pypi.simple.v1 json"}, JSON},
		{"format latest", nil, []string{"application/vnd.pypi.simple.latest html"}, HTML},
		{"format text/html", []string{j}, []string{"text/html"}, TextHTML},
		{"format unknown", []string{j}, []string{"json"}, none},
		{"format empty", []string{j}, []string{""}, none},
		{"format twice", nil, []string{j, j}, none},
		{"format with several", nil, []string{j + "," + h}, none},
		{"format wildcard", nil, []string{"*/*"}, none},
		{"format with weight", nil, []string{j + ";q=1"}, none},
	}
	for _, test := range tests {
		got, err := NegotiateType(test.accept, test.format)
		if test.want == none {
			if !errors.Is(err, ErrNotAcceptable) {
				t.Errorf("%s: got %v, %v", test.name, got, err)
			}
		} else if err != nil || got != test.want {
			t.Errorf("%s: got %v, %v; expected %v", test.name, got, err, test.want)
		}
	}
}

func TestNegotiateEncoding(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accept []string
		want   Encoding
	}{
		{nil, Identity},
		{[]string{""}, Identity},
		{[]string{"identity"}, Identity},
		{[]string{"gzip, deflate"}, Gzip},
		{[]string{"gzip", "zstd"}, Zstd},
		{[]string{"gzip, deflate, br, zstd"}, Zstd},
		{[]string{"GZip;Q=0.5, zstd;q=0.4"}, Gzip},
		{[]string{"gzip;q=0, zstd;q=0"}, Identity},
		{[]string{"gzip;q=0"}, Identity},
		{[]string{"gzip;q=0.5, identity"}, Identity},
		{[]string{"x-gzip"}, Gzip},
		{[]string{"br, deflate"}, Identity},
		{[]string{"*"}, Gzip},
		{[]string{"gzip;q=0, *"}, Identity},
		{[]string{"*;q=0"}, Identity},
		{[]string{"identity;q=0"}, Identity},
		{[]string{"zstd;q=nan"}, Identity},
	}
	for _, test := range tests {
		if got := NegotiateEncoding(test.accept); got != test.want {
			t.Errorf("%q: got %q, expected %q", test.accept, got, test.want)
		}
	}
}

// What is sent can be read back by the parser of upstream answers.
func TestContentTypes(t *testing.T) {
	t.Parallel()
	for _, m := range mediaTypes {
		if got, ok := ParseMediaType(m.ContentType()); !ok || got != m {
			t.Errorf("%s is read as %v, %t", m.ContentType(), got, ok)
		}
		if got, err := NegotiateType([]string{m.String()}, nil); err != nil || got != m {
			t.Errorf("%s is answered with %v, %v", m, got, err)
		}
	}
	for _, other := range []string{"", "application/json", "text/plain", "text/htmlx", "application/problem+json"} {
		if got, ok := ParseMediaType(other); ok {
			t.Errorf("%q is read as %v", other, got)
		}
	}
}
