package openapi

func accountTable() map[string]operation {
	jsonAPI := func(schema obj) []content { return []content{{"application/vnd.api+json", schema}} }
	instant := obj{"type": "string", "format": "date-time"}
	mint := plus(nil, 400, 404, 408, 413, 422, 429, 507)
	return map[string]operation{
		"GET /v1/accounts/{account}/engines": {
			tag: tagEngines, summary: "Lists the engines that have packages which the caller may see, newest first.", open: true,
			query: []parameter{
				{"limit", "How many at most; 10 otherwise.", number(1, 100)},
				{"page[size]", "How many a page; goes with page[number].", number(1, 100)}, {"page[number]", "Which page, from 1.", number(1, 1<<30)},
			},
			ok: []reply{{200, "The engines.", jsonAPI(ref("Engines"))}}, fails: found, shape: keygen,
		},
		"GET /v1/accounts/{account}/engines/{engine}": {tag: tagEngines, summary: "Shows an engine.", open: true, ok: []reply{{200, "The engine.", jsonAPI(ref("EngineDocument"))}}, fails: found, shape: keygen},

		"GET /api/v1/projects":              {tag: tagAccount, summary: "Lists the projects; for a key that is bound to one, that one.", ok: answers(200, "The projects.", list(ref("Project"))), fails: guarded, shape: composable},
		"POST /api/v1/projects":             {tag: tagAccount, summary: "Makes a project.", body: jsonOf(ref("ProjectInput")), ok: answers(201, "The project.", ref("Project")), fails: changing, shape: composable},
		"PATCH /api/v1/projects/{project}":  {tag: tagAccount, summary: "Gives a project another name.", body: jsonOf(ref("ProjectInput")), ok: answers(200, "The project.", ref("Project")), fails: changing, shape: composable},
		"DELETE /api/v1/projects/{project}": {tag: tagAccount, summary: "Deletes a project that owns nothing.", ok: answers(200, "It is gone.", ref("Deleted")), fails: changing, shape: composable},
		"GET /api/v1/audit": {
			tag: tagAccount, summary: "Reads the audit trail, newest first.",
			query: []parameter{
				{"actor", "Rows of a key, by id or name.", text}, {"action", "Rows of an action, as key.create.", text},
				{"kind", "Rows about a kind of thing, as key.", text}, {"target", "Rows about one thing.", text},
				{"since", "Rows from this instant on.", instant}, {"until", "Rows before this instant.", instant},
				{"before", "Rows behind this id: next of the page before.", obj{"type": "integer", "minimum": 1, "maximum": 1<<63 - 1}}, {"limit", "Rows a page; 100 otherwise.", number(1, 1000)},
			},
			ok: answers(200, "A page of rows.", ref("AuditPage")), fails: guarded, shape: composable,
		},

		"POST /api/graphql": {tag: tagPrefix, summary: "Answers a GraphQL request; refusals of fields are in its errors.", open: true, body: jsonOf(ref("GraphQLRequest")), ok: answers(200, "The answer.", ref("GraphQLAnswer")), fails: plus(withKey, 408, 413, 415), shape: graphql},

		"POST /api/oidc/mint_token": {tag: tagTrusted, summary: "Exchanges an OIDC token for a short-lived key, as prefix.dev does.", body: jsonOf(ref("MintInput")), ok: []reply{{200, "The key, to the byte.", []content{{"text/plain", text}}}}, fails: mint, shape: plain},
		"POST /_/oidc/mint-token":   {tag: tagTrusted, summary: "Exchanges an OIDC token for a short-lived key, as PyPI does.", body: jsonOf(ref("MintInput")), ok: answers(200, "The key.", ref("Minted")), fails: mint, shape: pypiMint},
		"GET /_/oidc/audience":      {tag: tagTrusted, summary: "Says what an OIDC token must be made for.", ok: answers(200, "The audience.", ref("Audience")), fails: []int{404}, shape: pypiMint},
	}
}

func selfTable() map[string]operation {
	status := ref("Status")
	page := func(text, media string) []reply {
		return []reply{{200, text, []content{{media: media}}}, {304, "Unchanged since the client's copy.", nil}}
	}
	return map[string]operation{
		"GET /-/healthz":        {tag: tagSelf, summary: "Answers as long as the process does.", ok: answers(200, "It is alive.", status), shape: plain},
		"GET /-/readyz":         {tag: tagSelf, summary: "Says whether every index can be served.", ok: answers(200, "They can.", status), shape: plain},
		"GET /-/metrics":        {tag: tagSelf, summary: "The gateway's figures, for Prometheus.", ok: []reply{{200, "The figures.", []content{{media: "text/plain"}, {media: "application/openmetrics-text"}}}}, fails: found, shape: plain},
		"GET /-/":               {tag: tagSelf, summary: "A page for people.", open: true, ok: page("The page.", "text/html"), fails: plus(guarded, 412, 416), shape: plain},
		"GET /-/login":          {tag: tagSelf, summary: "Has a browser ask for a key.", ok: []reply{{303, "To the page.", nil}}, fails: guarded, shape: plain},
		"GET /":                 {tag: tagSelf, summary: "Leads to the page for people.", ok: []reply{{302, "To /-/.", nil}}, shape: plain},
		"GET /-/openapi.json":   {tag: tagSelf, summary: "This document.", ok: page("The document.", "application/json"), shape: plain},
		"GET /-/api":            {tag: tagSelf, summary: "This document, for people.", ok: page("The page.", "text/html"), shape: plain},
		"GET /-/schema.graphql": {tag: tagSelf, summary: "The schema of the GraphQL API.", ok: page("The schema.", "text/plain"), shape: plain},
	}
}
