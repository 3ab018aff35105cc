package openapi

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/fairwayhq/fairway/web"
)

//go:embed schemas.json
var schemaSource []byte

// variables says what the variables of paths are.
var variables = map[string]string{
	"account":  "The account's id or slug.",
	"channel":  "A channel's name, which may have several segments.",
	"engine":   "An engine's id or key: conda or pypi.",
	"file":     "A file name.",
	"id":       "An id, or a name.",
	"key":      "An API key, for clients that have no other place for it.",
	"name":     "A Python name, in any spelling.",
	"path":     "The path of a file at the upstream, of any number of segments.",
	"pattern":  "A Python name, or a beginning of names with a trailing *.",
	"project":  "A project's name or id.",
	"shard":    "The hash of a shard, with .msgpack.zst behind it.",
	"subdir":   "A subdir, as noarch or linux-64.",
	"upstream": "The name of an upstream, as in the gateway's configuration.",
	"version":  "A version.",
}

// Build makes the document of routes below publicURL, "" for the root of whatever host
// the document is read from. It errs for a route that the table does not describe, and
// for a description of a route that there is none of.
func Build(routes []web.Route, publicURL string) ([]byte, error) {
	schemas := obj{}
	if err := json.Unmarshal(schemaSource, &schemas); err != nil {
		return nil, fmt.Errorf("reading the schemas: %w", err)
	}
	takeNull(schemas)
	paths, seen := obj{}, map[string]bool{}
	for i := range routes {
		r := &routes[i]
		at := r.Method + " " + r.Pattern
		op, known := table[at]
		if !known {
			return nil, fmt.Errorf("route %s is not described", at)
		}
		if seen[at] {
			return nil, fmt.Errorf("route %s is served twice", at)
		}
		seen[at] = true
		path := plainPath(r.Pattern)
		item, _ := paths[path].(obj)
		if item == nil {
			item = obj{}
			paths[path] = item
		}
		item[strings.ToLower(r.Method)] = describe(r, &op)
	}
	for at := range table {
		if !seen[at] {
			return nil, fmt.Errorf("%s is described, and there is no such route", at)
		}
	}
	doc := obj{
		"openapi": "3.1.0",
		"info": obj{
			"title":       "Fairway",
			"version":     "1",
			"summary":     "Private conda channels, a private Python index, its pass-through, and the keys in front of them.",
			"description": about,
			"license":     obj{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":  []obj{{"url": cmp.Or(strings.TrimRight(publicURL, "/"), "/")}},
		"tags":     tags,
		"paths":    paths,
		"security": keyNeeded,
		"components": obj{"schemas": schemas, "securitySchemes": obj{
			"bearer": obj{"type": "http", "scheme": "bearer", "description": "The key. The schemes token and License mean the same."},
			"basic":  obj{"type": "http", "scheme": "basic", "description": "The key as password of any user, or as user with an empty password."},
			"header": obj{"type": "apiKey", "in": "header", "name": "X-API-Key"},
		}},
	}
	return json.MarshalIndent(doc, "", " ")
}

// sent names the schemas of what clients send.
var sent = [...]string{
	"KeyInput", "KeyChange", "Rotation", "CatenaKeyChange", "PolicyInput", "PolicyChange", "GraphQLRequest",
	"ChannelInput", "ChannelSettings", "YankInput", "PythonSettings", "PythonYank",
}

// takeNull lets fields that may be absent from what clients send be null, which means
// the same: many write every field that they know of.
func takeNull(schemas obj) {
	for _, name := range sent {
		schema := schemas[name].(obj)
		needed, _ := schema["required"].([]any)
		properties := schema["properties"].(obj)
		for field, p := range properties {
			if !slices.Contains(needed, any(field)) && len(p.(obj)) > 0 {
				properties[field] = obj{"anyOf": []any{p, obj{"type": "null"}}}
			}
		}
	}
}

const about = "A GET route serves HEAD, too. Every route takes the key in any of the forms below; two different ones in a " +
	"request are refused, and so is one in the query. A wrong key is refused also where none is needed, if keys are looked at. " +
	"x-permissions lists what a key needs: the first always, the others for some requests."

var (
	keyNeeded   = []obj{{"bearer": []any{}}, {"basic": []any{}}, {"header": []any{}}}
	keyOptional = append([]obj{{}}, keyNeeded...)
	keyNowhere  = []obj{}
)

// describe makes an operation object.
func describe(r *web.Route, op *operation) obj {
	statuses := plus(op.fails, http.StatusInternalServerError, http.StatusServiceUnavailable)
	var parameters []obj
	for _, name := range names(r.Pattern) {
		parameters = append(parameters, obj{
			"name": name, "in": "path", "required": true, "description": variables[name], "schema": obj{"type": "string", "minLength": 1},
		})
	}
	if len(parameters) > 0 {
		statuses = plus(statuses, http.StatusNotFound)
	}
	if r.Method != http.MethodGet {
		statuses = plus(statuses, http.StatusForbidden) // to pages of other origins
	}
	for _, q := range op.query {
		parameters = append(parameters, obj{"name": q.name, "in": "query", "description": q.text, "schema": q.schema})
	}
	responses := refusals(statuses, op.shape)
	for _, ok := range op.ok {
		response := obj{"description": ok.text}
		if len(ok.content) > 0 {
			response["content"] = contents(ok.content)
		}
		responses[strconv.Itoa(ok.status)] = response
	}
	out := obj{
		"operationId": operationID(r), "tags": []string{op.tag}, "summary": op.summary, "responses": responses, "security": keyNeeded,
	}
	if all := r.Permissions(); len(all) > 0 {
		out["x-permissions"] = all
	}
	switch {
	case op.open:
		out["security"] = keyOptional
	case !slices.Contains(op.fails, http.StatusUnauthorized):
		out["security"] = keyNowhere
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	if op.body != nil {
		out["requestBody"] = obj{"content": contents(op.body)}
	}
	return out
}

func contents(all []content) obj {
	out := obj{}
	for _, c := range all {
		media := obj{}
		if c.schema != nil {
			media["schema"] = c.schema
		}
		out[c.media] = media
	}
	return out
}

// plainPath is a pattern as OpenAPI writes paths, which knows no variables of many
// segments.
func plainPath(pattern string) string { return strings.ReplaceAll(pattern, "...}", "}") }

// names lists the variables of a pattern.
func names(pattern string) []string {
	var all []string
	for _, segment := range strings.Split(plainPath(pattern), "/") {
		if strings.HasPrefix(segment, "{") {
			all = append(all, strings.Trim(segment, "{}"))
		}
	}
	return all
}

// operationID is unique, for generators of clients: the method with the path's words.
func operationID(r *web.Route) string {
	words := strings.FieldsFunc(plainPath(r.Pattern), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	})
	id := strings.ToLower(r.Method) + "_" + strings.Join(words, "_")
	switch {
	case r.Pattern == "/":
		id += "root"
	case strings.HasSuffix(r.Pattern, "/"):
		id += "_index"
	}
	if strings.HasPrefix(r.Pattern, "/api/v1/api_keys") {
		id += "_catena"
	}
	return id
}
