package openapi

import "maps"

// The parts of the API.
const (
	tagChannels = "Channels"
	tagManage   = "Channel management"
	tagPython   = "Python index"
	tagNames    = "Python management"
	tagKeys     = "Keys"
	tagCatena   = "Keys and policies"
	tagEngines  = "Engines"
	tagAccount  = "Projects and audit"
	tagPrefix   = "GraphQL"
	tagTrusted  = "Trusted publishing"
	tagSelf     = "The gateway itself"
)

var tags = []obj{
	{"name": tagChannels, "description": "What conda, mamba and pixi read, and a way to write that Artifactory's uploaders know."},
	{"name": tagManage, "description": "Uploads as prefix.dev and quetz take them, and everything else about channels."},
	{"name": tagPython, "description": "What pip, uv, poetry and twine speak: the simple index, files and uploads."},
	{"name": tagNames, "description": "Names, files and reservations of the Python index."},
	{"name": tagKeys, "description": "API keys, after Composable Prompts."},
	{"name": tagCatena, "description": "API keys and their policies, after Catena."},
	{"name": tagEngines, "description": "Package engines, after Keygen."},
	{"name": tagAccount, "description": "Projects, and the trail of what was done and refused."},
	{"name": tagPrefix, "description": "GraphQL after prefix.dev; its schema is at /-/schema.graphql."},
	{"name": tagTrusted, "description": "Keys for CI jobs, in exchange for the OIDC token that proves which job it is."},
	{"name": tagSelf, "description": "Health, figures, pages for people, and this description."},
}

// table describes every route, by its method and pattern.
var table = func() map[string]operation {
	all := map[string]operation{}
	for _, part := range []map[string]operation{channelTable(), pythonTable(), keyTable(), accountTable(), selfTable()} {
		maps.Copy(all, part)
	}
	return all
}()

// Short JSON schemas.
var (
	text = obj{"type": "string"}
)

func number(from, to int) obj { return obj{"type": "integer", "minimum": from, "maximum": to} }
