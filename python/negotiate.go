package python

import (
	"errors"
	"strconv"
	"strings"
)

// MediaType is one of the types a page is served as.
type MediaType uint8

// The media types of the simple repository API (PEP 691).
const (
	JSON     MediaType = iota // application/vnd.pypi.simple.v1+json
	HTML                      // application/vnd.pypi.simple.v1+html
	TextHTML                  // text/html, the oldest name of the same bytes
)

var mediaNames = [...]string{
	JSON:     "application/vnd.pypi.simple.v1+json",
	HTML:     "application/vnd.pypi.simple.v1+html",
	TextHTML: "text/html",
}

// String is the name of the type, without parameters.
func (t MediaType) String() string { return mediaNames[t] }

// ContentType is the value of the Content-Type header.
func (t MediaType) ContentType() string {
	if t == TextHTML {
		return "text/html; charset=utf-8"
	}
	return mediaNames[t]
}

// Accept is the value to ask an upstream index with: JSON first.
const Accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

// ErrNotAcceptable says that nothing we can render was asked for (406).
var ErrNotAcceptable = errors.New("no acceptable media type: expected application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html or text/html")

// NegotiateType picks the type to answer with, from the values of the Accept
// header fields and of the query parameter "format" (PEP 691). The parameter
// beats the header; it names exactly one type, and a '+' that form decoding
// turned into a space is understood. "latest" types are answered with the
// concrete version. No Accept at all means anything, which is text/html, as
// on PyPI. The only error is ErrNotAcceptable.
func NegotiateType(accept, format []string) (MediaType, error) {
	if len(format) > 0 {
		if len(format) == 1 {
			if t, ok := mediaType(strings.ReplaceAll(format[0], " ", "+")); ok {
				return t, nil
			}
		}
		return 0, ErrNotAcceptable
	}
	var (
		q     [3]int // of each type, in thousandths; -1 not mentioned
		level [3]int // how exact the range was that set q
		any   bool
	)
	for _, field := range accept {
		for item := range strings.SplitSeq(field, ",") {
			rng, weight, ok := acceptItem(item)
			if !ok {
				continue
			}
			any = true
			set := func(t MediaType, exactness int) {
				if exactness > level[t] || exactness == level[t] && weight > q[t] {
					q[t], level[t] = weight, exactness
				}
			}
			switch rng {
			case "*/*":
				set(JSON, 1)
				set(HTML, 1)
				set(TextHTML, 1)
			case "application/*":
				set(JSON, 2)
				set(HTML, 2)
			case "text/*":
				set(TextHTML, 2)
			default:
				if t, ok := mediaType(rng); ok {
					set(t, 3)
				}
			}
		}
	}
	if !any {
		return TextHTML, nil
	}
	// Equal weights: a type that was named beats one a wildcard covers; of the
	// named, JSON says most; of the covered, text/html is what PyPI gives.
	best, found := TextHTML, q[TextHTML] > 0
	for _, t := range [...]MediaType{HTML, JSON} {
		if q[t] == 0 {
			continue
		}
		if !found || q[t] > q[best] || q[t] == q[best] && level[t] >= level[best] && level[t] == 3 {
			best, found = t, true
		}
	}
	if !found {
		return 0, ErrNotAcceptable
	}
	return best, nil
}

// ParseMediaType reads a Content-Type header: the type a page has, or false
// when it is no type of the simple repository API.
func ParseMediaType(contentType string) (MediaType, bool) {
	name, _, _ := strings.Cut(contentType, ";")
	return mediaType(strings.TrimSpace(name))
}

func mediaType(name string) (MediaType, bool) {
	switch strings.ToLower(name) {
	case mediaNames[JSON], "application/vnd.pypi.simple.latest+json":
		return JSON, true
	case mediaNames[HTML], "application/vnd.pypi.simple.latest+html":
		return HTML, true
	case mediaNames[TextHTML]:
		return TextHTML, true
	}
	return 0, false
}

// Encoding is a content coding that pages are stored in.
type Encoding uint8

// The content codings of pages.
const (
	Identity Encoding = iota
	Gzip
	Zstd
)

// String is the name in Content-Encoding; empty for Identity.
func (e Encoding) String() string {
	switch e {
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	default:
		return ""
	}
}

// NegotiateEncoding picks the coding from the values of the Accept-Encoding
// header fields (RFC 9110 §12.5.3): zstd before gzip before none where the
// weights are equal. When everything is refused it answers Identity, which
// every client can read.
func NegotiateEncoding(accept []string) Encoding {
	const unset = -1
	q := [3]int{unset, unset, unset}
	star := unset
	for _, field := range accept {
		for item := range strings.SplitSeq(field, ",") {
			name, weight, ok := acceptItem(item)
			if !ok {
				continue
			}
			switch name {
			case "zstd":
				q[Zstd] = weight
			case "gzip", "x-gzip":
				q[Gzip] = weight
			case "identity":
				q[Identity] = weight
			case "*":
				star = weight
			}
		}
	}
	// Whoever says "anything" can surely read gzip; zstd must be asked for.
	if q[Gzip] == unset {
		q[Gzip] = star
	}
	// Identity that is not mentioned is acceptable, but less than what is.
	best := Gzip
	if q[Zstd] >= q[Gzip] {
		best = Zstd
	}
	if q[best] <= 0 || q[Identity] > q[best] {
		return Identity
	}
	return best
}

// acceptItem reads one element of an Accept or Accept-Encoding list. Weights
// are thousandths; one that is malformed counts as 0, so that nobody is sent
// what they may have tried to refuse.
func acceptItem(item string) (name string, weight int, ok bool) {
	name, params, _ := strings.Cut(item, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return "", 0, false
	}
	weight = 1000
	for p := range strings.SplitSeq(params, ";") {
		k, v, found := strings.Cut(p, "=")
		if !found || !strings.EqualFold(strings.TrimSpace(k), "q") {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil || !(f >= 0 && f <= 1) {
			return name, 0, true
		}
		weight = int(f*1000 + 0.5)
	}
	return name, weight, true
}
