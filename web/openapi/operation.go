package openapi

import (
	"net/http"
	"slices"
	"strconv"
)

// operation is what the table says of a route beyond its method, path and
// permissions.
type operation struct {
	tag     string // the part of the API that it belongs to
	summary string // one sentence
	open    bool   // answers nobody, too, where what is asked for is open
	query   []parameter
	body    []content // "" for none; more than one: any of them
	ok      []reply
	fails   []int // statuses of refusals
	shape   string
}

// parameter is a query parameter. Its schema is a JSON Schema in short.
type parameter struct {
	name, text string
	schema     obj
}

// content is one media type with its schema.
type content struct {
	media  string
	schema obj
}

// reply is what an operation answers when it does what was asked.
type reply struct {
	status  int
	text    string
	content []content
}

// obj is a JSON object.
type obj = map[string]any

// The statuses of refusals, by what an operation does. Every operation may fail by
// itself (500), while the gateway closes (503), and for a path that is not in its
// plain form (404, for those whose path has variables).
var (
	withKey   = []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusTooManyRequests}
	guarded   = plus(withKey, http.StatusForbidden)
	found     = plus(guarded, http.StatusNotFound)
	withBody  = plus(guarded, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	changing  = plus(withBody, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusInsufficientStorage)
	uploading = plus(changing, http.StatusGone)
	passing   = plus(found, http.StatusNotAcceptable, http.StatusRequestedRangeNotSatisfiable, http.StatusBadGateway)
)

func plus(to []int, more ...int) []int {
	out := append(slices.Clone(to), more...)
	slices.Sort(out)
	return slices.Compact(out)
}

// ref points to a schema of the document.
func ref(name string) obj { return obj{"$ref": "#/components/schemas/" + name} }

func list(of obj) obj { return obj{"type": "array", "items": of} }

func jsonOf(schema obj) []content { return []content{{"application/json", schema}} }

// answers is a reply of JSON.
func answers(status int, text string, schema obj) []reply {
	return []reply{{status, text, jsonOf(schema)}}
}

// bytesOf is a file, in any of some media types, that can be asked for in part and
// be unchanged.
func bytesOf(text string, media ...string) []reply {
	var all []content
	for _, m := range media {
		all = append(all, content{media: m})
	}
	return []reply{
		{http.StatusOK, text, all},
		{http.StatusPartialContent, "A part of it, as Range asked.", all},
		{http.StatusNotModified, "Unchanged since the client's copy.", nil},
	}
}

// The shapes of refusals.
const (
	plain      = "text"  // one sentence
	composable = "Error" // Composable Prompts', and our own APIs'
	catena     = "StatusError"
	keygen     = "JSONAPIErrors"
	pypiMint   = "MintError"
	graphql    = "GraphQLErrors"
	pypiUpload = "UploadError"
)

// refusal is a refusal's content in a shape.
func refusal(shape string) obj {
	text := obj{"text/plain": obj{"schema": obj{"type": "string", "maxLength": 600}}}
	switch shape {
	case plain:
		return text
	case pypiUpload: // JSON for who accepts it
		text["application/json"] = obj{"schema": ref(shape)}
		return text
	case keygen:
		text["application/vnd.api+json"] = obj{"schema": ref(shape)}
		return text
	}
	text["application/json"] = obj{"schema": ref(shape)} // plain text while the gateway closes
	return text
}

// refusals are the responses for statuses.
func refusals(statuses []int, shape string) obj {
	out := obj{}
	for _, status := range statuses {
		response := obj{"description": meaning[status], "content": refusal(shape)}
		switch status {
		case http.StatusUnauthorized:
			response["headers"] = obj{"WWW-Authenticate": obj{"required": true, "schema": obj{"type": "string"}}}
		case http.StatusTooManyRequests:
			response["headers"] = obj{"Retry-After": obj{"required": true, "schema": obj{"type": "string"}}}
		}
		out[strconv.Itoa(status)] = response
	}
	return out
}

var meaning = map[int]string{
	http.StatusBadRequest:                   "The request cannot be read or contradicts itself, or it carries two different credentials, or one in its query.",
	http.StatusUnauthorized:                 "There is no key, or it is wrong, expired, disabled or replaced.",
	http.StatusForbidden:                    "The key may not do this, or a web page of another origin would change something.",
	http.StatusNotFound:                     "It is not there, or not for this key.",
	http.StatusMethodNotAllowed:             "The method is not served here.",
	http.StatusNotAcceptable:                "None of the accepted media types can be answered.",
	http.StatusRequestTimeout:               "The body stalled.",
	http.StatusConflict:                     "A name is taken, or something is in the way.",
	http.StatusGone:                         "The action is no longer supported.",
	http.StatusRequestEntityTooLarge:        "The body is larger than a limit.",
	http.StatusUnsupportedMediaType:         "The body's media type is not supported.",
	http.StatusRequestedRangeNotSatisfiable: "The range is not within the file.",
	http.StatusUnprocessableEntity:          "A name, an archive or a token is not valid.",
	http.StatusTooManyRequests:              "Too many wrong keys came from this address. A valid key is never refused so.",
	http.StatusInternalServerError:          "Something that nobody foresaw; the gateway's log has it.",
	http.StatusBadGateway:                   "The upstream index answers nonsense.",
	http.StatusServiceUnavailable:           "The gateway is not ready, is closing, or is out of file handles or memory, or what it needs does not answer.",
	http.StatusInsufficientStorage:          "The gateway's disk is full.",
}
