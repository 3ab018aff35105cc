package openapi

import (
	"maps"
	"strings"

	"github.com/fairwayhq/fairway/gateway"
)

func pythonTable() map[string]operation {
	form := []content{{"multipart/form-data", obj{
		"type": "object", "required": []string{":action", "name", "version", "filetype", "content"},
		"properties": obj{
			":action": obj{"const": "file_upload"}, "protocol_version": obj{"const": "1"}, "name": text, "version": text,
			"filetype": obj{"enum": []string{"bdist_wheel", "sdist"}}, "content": obj{"type": "string", "format": "binary"},
			"sha256_digest": text, "md5_digest": text, "blake2_256_digest": text, "attestations": text,
		},
	}}}
	one := answers(200, "The name.", ref("PythonName"))
	all := map[string]operation{
		"GET /pypi/integrity/{name}/{version}/{file}/provenance":      {tag: tagPython, summary: "The provenance of a file (PEP 740).", open: true, ok: bytesOf("The provenance.", "application/vnd.pypi.integrity.v1+json"), fails: plus(found, 416, 502), shape: plain},
		"DELETE /pypi/files/" + gateway.LocalFiles + "/{name}/{file}": {tag: tagPython, summary: "Deletes an own file for good; its name is never used again.", ok: answers(200, "It is gone.", ref("Deleted")), fails: changing, shape: plain},

		"GET /api/v1/python":                {tag: tagNames, summary: "Lists the own names that the caller may read.", open: true, ok: answers(200, "The names.", list(ref("PythonName"))), fails: guarded, shape: plain},
		"GET /api/v1/python/{name}":         {tag: tagNames, summary: "Shows an own name with its files.", open: true, ok: one, fails: found, shape: plain},
		"PATCH /api/v1/python/{name}":       {tag: tagNames, summary: "Changes a name, moves it to another project, or makes one that has no file yet.", body: jsonOf(ref("PythonSettings")), ok: one, fails: changing, shape: plain},
		"DELETE /api/v1/python/{name}":      {tag: tagNames, summary: "Deletes a name with its files. It stays reserved.", ok: answers(200, "It is gone.", ref("Deleted")), fails: changing, shape: plain},
		"POST /api/v1/python/{name}/yank":   {tag: tagNames, summary: "Marks a file, or all files of a version, as yanked (PEP 592).", body: jsonOf(ref("PythonYank")), ok: answers(200, "How many files are marked.", ref("PythonYanked")), fails: changing, shape: plain},
		"POST /api/v1/python/{name}/unyank": {tag: tagNames, summary: "Takes the mark away.", body: jsonOf(ref("PythonYank")), ok: answers(200, "How many files are no longer marked.", ref("PythonYanked")), fails: changing, shape: plain},
		"GET /api/v1/python/{name}/why":     {tag: tagNames, summary: "Explains what the caller gets for a name, and what is withheld.", open: true, ok: answers(200, "The explanation.", ref("PythonReport")), fails: passing, shape: plain},
		"POST /api/v1/python/{name}/purge":  {tag: tagNames, summary: "Drops what is cached of an upstream's name.", ok: answers(200, "How many files were dropped.", ref("Purged")), fails: changing, shape: plain},
		"GET /api/v1/reserved":              {tag: tagNames, summary: "Lists the names that never go upstream.", ok: answers(200, "The patterns.", list(text)), fails: guarded, shape: plain},
		"PUT /api/v1/reserved/{pattern}":    {tag: tagNames, summary: "Reserves a name.", ok: answers(200, "The pattern, as it is kept.", ref("Reserved")), fails: changing, shape: plain},
		"DELETE /api/v1/reserved/{pattern}": {tag: tagNames, summary: "Ends a reservation.", ok: answers(200, "It is gone.", ref("Deleted")), fails: changing, shape: plain},
	}
	upload := operation{
		tag: tagPython, summary: "Publishes a file, as twine, uv and poetry send it.", body: form,
		ok: answers(200, "Published, or there already with the same bytes.", ref("PythonPublished")), fails: uploading, shape: pypiUpload,
	}
	for _, at := range []string{"/pypi/legacy/", "/pypi/legacy", "/legacy/", "/legacy"} {
		all["POST "+at] = upload
	}
	format := []parameter{{"format", "The media type to answer, before what Accept says.", text}}
	page := append(bytesOf("The page.", "text/html", "application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+json"),
		reply{307, "To the name's normal spelling, or to the upstream.", nil})
	slash := []reply{{307, "To the same path with a slash.", nil}}
	file := bytesOf("The file, or its metadata.", "application/octet-stream", "text/plain")
	for _, mount := range []string{"/pypi", "/v1/accounts/{account}/engines/pypi"} {
		for path, op := range map[string]operation{
			"/simple/":        {summary: "Lists the own names (PEP 503, PEP 691).", query: format, ok: page, fails: passing},
			"/simple":         {summary: "Leads to the list.", ok: slash, fails: passing},
			"/simple/{name}/": {summary: "Lists the files of a name: an own one's, or the upstream's.", query: format, ok: page, fails: passing},
			"/simple/{name}":  {summary: "Leads to the list of files.", ok: slash, fails: passing},
			"/files/" + gateway.LocalFiles + "/{name}/{file}": {summary: "An own file, or with .metadata behind it its metadata (PEP 658).", ok: file, fails: plus(found, 416)},
			"/files/{upstream}/{path...}":                     {summary: "A file of an upstream, or its metadata.", ok: file, fails: passing},
		} {
			op.tag, op.open, op.shape = tagPython, true, plain
			all["GET "+mount+path] = op
		}
	}
	below := map[string]operation{}
	for at, op := range all {
		if path, ok := strings.CutPrefix(at, "GET /pypi/"); ok {
			op.summary = strings.TrimSuffix(op.summary, ".") + "; its key in the path."
			below["GET /t/{key}/pypi/"+path] = op
		}
	}
	maps.Copy(all, below)
	return all
}
