package python

// RenderIndex renders the page of all projects (PEP 503, PEP 691), one of
// which each name is, normalised and in the order given.
func RenderIndex(names []string) *Rendered {
	var j, h []byte
	for i, name := range names {
		if i > 0 {
			j = append(j, ',')
		}
		j = append(appendString(append(j, "\n{\"name\":"...), name), '}')
		h = appendEscaped(append(h, "\n<a href=\""...), name)
		h = appendEscaped(append(h, "/\">"...), name)
		h = append(h, "</a><br>"...)
	}
	return &Rendered{
		json: newDocument([]*segment{indexJSON, newSegment(j), tailJSON}),
		html: newDocument([]*segment{indexHTML, newSegment(h), tailHTML}),
	}
}

var (
	indexJSON = newMark(`{"meta":{"api-version":"` + APIVersion + `"},"projects":[`)
	indexHTML = newMark("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"pypi:repository-version\" content=\"" + APIVersion + "\">\n" +
		"<title>Simple index</title>\n</head>\n<body>")
)
