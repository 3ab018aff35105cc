package site

import "strings"

func conda(method, pattern, path, need string, allowed int) row {
	return row{method: method, pattern: pattern, path: path, kind: object, need: need, engine: "conda", named: true, allowed: allowed}
}

func pypi(method, pattern, path, need string, allowed int) row {
	return row{method: method, pattern: pattern, path: path, kind: object, need: need, engine: "pypi", named: true, allowed: allowed}
}

func unnamed(r row) row { r.named = false; return r }

func about(k kind, method, pattern, path, need string, allowed int) row {
	return row{method: method, pattern: pattern, path: path, kind: k, need: need, allowed: allowed}
}

func (r row) with(body string, headers ...string) row {
	r.body, r.headers = body, headers
	return r
}

func (r row) all() row { r.large = true; return r }

func matrixRows() []row {
	const none = "/00000000-0000-0000-0000-000000000000"
	rows := []row{
		about(free, "GET", "/", "/", "", 302),
		about(free, "GET", "/-/healthz", "/-/healthz", "", 200),
		about(free, "GET", "/-/readyz", "/-/readyz", "", 200),
		about(free, "GET", "/-/openapi.json", "/-/openapi.json", "", 200),
		about(free, "GET", "/-/api", "/-/api", "", 200),
		about(free, "GET", "/-/schema.graphql", "/-/schema.graphql", "", 200),
		about(lists, "GET", "/-/", "/-/", "", 200),
		about(login, "GET", "/-/login", "/-/login", "", 303),
		about(shared, "GET", "/-/metrics", "/-/metrics", "metrics:read", 200),

		conda("POST", "/api/v1/upload/{channel...}", "/api/v1/upload/lic", "package:upload", 422).with("not a package", "X-File-Name", "a-9-0.conda"),
		conda("POST", "/api/v1/upload/{channel...}", "/api/v1/upload/mine", "package:upload", 422).with("not a package", "X-File-Name", "a-9-0.conda").of("p", ""),
		conda("POST", "/api/v1/upload/{channel...}", "/api/v1/upload/shut", "package:upload", 422).with("not a package", "X-File-Name", "a-9-0.conda").of("", "closed"),
		conda("POST", "/api/v1/upload/{channel...}", "/api/v1/upload/free", "package:upload", 422).with("not a package", "X-File-Name", "a-9-0.conda").of("", "open"),
		conda("DELETE", "/api/v1/delete/{channel...}/{subdir}/{file}", "/api/v1/delete/lic/noarch/b-1-0.conda", "package:delete", 404),
		conda("DELETE", "/api/v1/delete/{channel...}/{subdir}/{file}", "/api/v1/delete/mine/noarch/b-1-0.conda", "package:delete", 404).of("p", ""),
		conda("POST", "/api/v1/reindex/{channel...}/{subdir}", "/api/v1/reindex/lic/noarch", "channel:reindex", 200).all(),
		conda("POST", "/api/v1/yank/{channel...}/{subdir}/{file}", "/api/v1/yank/lic/noarch/b-1-0.conda", "package:yank", 404).with(`{"reason":"x"}`),
		conda("POST", "/api/v1/unyank/{channel...}/{subdir}/{file}", "/api/v1/unyank/lic/noarch/b-1-0.conda", "package:yank", 404),
		conda("PUT", "/api/v1/patch/{channel...}/{subdir}", "/api/v1/patch/lic/noarch", "channel:update", 422).with("no patch").all(),
		conda("DELETE", "/api/v1/patch/{channel...}/{subdir}", "/api/v1/patch/lic/noarch", "channel:update", 200).all(),
		about(lists, "GET", "/api/v1/channels", "/api/v1/channels", "channel:read", 200),
		{method: "POST", pattern: "/api/v1/channels", path: "/api/v1/channels", body: `{"name":"BIG"}`, kind: anew, need: "channel:create", engine: "conda", named: true, large: true, allowed: 422},
		conda("GET", "/api/v1/channels/{channel...}", "/api/v1/channels/lic", "channel:read", 200),
		conda("GET", "/api/v1/channels/{channel...}", "/api/v1/channels/free", "channel:read", 200).of("", "open"),
		conda("GET", "/api/v1/channels/{channel...}", "/api/v1/channels/mine", "channel:read", 200).of("p", ""),
		conda("GET", "/api/v1/channels/{channel...}", "/api/v1/channels/shut", "channel:read", 200).of("", "closed"),
		conda("PATCH", "/api/v1/channels/{channel...}", "/api/v1/channels/lic", "channel:update", 400).with(`{"visibility":"dim"}`).all(),
		conda("PATCH", "/api/v1/channels/{channel...}", "/api/v1/channels/mine", "channel:update", 400).with(`{"visibility":"dim"}`).all().of("p", ""),
		conda("DELETE", "/api/v1/channels/{channel...}", "/api/v1/channels/lic", "channel:delete", 409).all(),
		conda("POST", "/api/channels/{channel...}/upload/{file}", "/api/channels/lic/upload/a-9-0.conda", "package:upload", 422).with("not a package"),
		conda("PUT", "/{channel...}/{subdir}/{file}", "/lic/noarch/a-9-0.conda", "package:upload", 422).with("not a package"),
		conda("PUT", "/{channel...}/{subdir}/{file}", "/lic/noarch/patch_instructions.json", "channel:update", 422).with("no patch").all(),

		pypi("GET", "/pypi/integrity/{name}/{version}/{file}/provenance", "/pypi/integrity/ours/1.0/"+wheelName+"/provenance", "package:read", 404),
		pypi("DELETE", "/pypi/files/local/{name}/{file}", "/pypi/files/local/ours/none-1-py3-none-any.whl", "package:delete", 404),
		about(lists, "GET", "/api/v1/python", "/api/v1/python", "package:read", 200),
		pypi("GET", "/api/v1/python/{name}", "/api/v1/python/ours", "package:read", 200),
		pypi("GET", "/api/v1/python/{name}", "/api/v1/python/py-mine", "package:read", 200).of("p", ""),
		pypi("GET", "/api/v1/python/{name}", "/api/v1/python/py-shut", "package:read", 200).of("", "closed"),
		pypi("GET", "/api/v1/python/{name}", "/api/v1/python/py-free", "package:read", 200).of("", "open"),
		pypi("PATCH", "/api/v1/python/{name}", "/api/v1/python/ours", "channel:update", 400).with(`{"visibility":"dim"}`).all(),
		pypi("DELETE", "/api/v1/python/{name}", "/api/v1/python/nothing", "package:delete", 404),
		pypi("POST", "/api/v1/python/{name}/yank", "/api/v1/python/ours/yank", "package:yank", 404).with(`{"file":"none-1-py3-none-any.whl"}`),
		pypi("POST", "/api/v1/python/{name}/unyank", "/api/v1/python/ours/unyank", "package:yank", 404).with(`{"version":"7"}`),
		pypi("GET", "/api/v1/python/{name}/why", "/api/v1/python/ours/why", "package:read", 200),
		about(shared, "POST", "/api/v1/python/{name}/purge", "/api/v1/python/ours/purge", "cache:purge", 404),
		unnamed(pypi("GET", "/api/v1/reserved", "/api/v1/reserved", "channel:read", 200)),
		about(shared, "PUT", "/api/v1/reserved/{pattern}", "/api/v1/reserved/-bad-", "project:update", 400),
		about(shared, "DELETE", "/api/v1/reserved/{pattern}", "/api/v1/reserved/nothing", "project:update", 404),

		about(keys, "GET", "/api/v1/apikeys/pk", "/api/v1/apikeys/pk", "key:request-public", 200),
		about(keys, "GET", "/api/v1/pk", "/api/v1/pk", "key:request-public", 200),
		about(keys, "GET", "/api/v1/apikeys/{id}", "/api/v1/apikeys"+none, "key:read", 404),
		about(keys, "PUT", "/api/v1/apikeys/{id}", "/api/v1/apikeys"+none, "key:update", 404).with(`{"enabled":false}`),
		about(keys, "DELETE", "/api/v1/apikeys/{id}", "/api/v1/apikeys"+none, "key:delete", 404),
		about(keys, "POST", "/api/v1/apikeys/{id}/rotate", "/api/v1/apikeys"+none+"/rotate", "key:rotate", 404),
		about(keys, "GET", "/api/v1/api_keys", "/api/v1/api_keys", "key:read", 200),
		about(keys, "POST", "/api/v1/api_keys", "/api/v1/api_keys", "key:create", 400).with(`{"name":"x"}`),
		about(keys, "GET", "/api/v1/api_keys/{id}", "/api/v1/api_keys"+none, "key:read", 404),
		about(keys, "PATCH", "/api/v1/api_keys/{id}", "/api/v1/api_keys"+none, "key:update", 404).with(`{"policyId":"reader"}`),
		about(keys, "DELETE", "/api/v1/api_keys/{id}", "/api/v1/api_keys"+none, "key:delete", 404),
		about(whole, "GET", "/api/v1/permissions", "/api/v1/permissions", "policy:read", 200),
		about(whole, "GET", "/api/v1/api_keys/permissions", "/api/v1/api_keys/permissions", "policy:read", 200),

		about(ours, "GET", "/api/v1/projects", "/api/v1/projects", "channel:read", 200),
		about(shared, "POST", "/api/v1/projects", "/api/v1/projects", "project:update", 422).with(`{"name":"BAD NAME"}`),
		about(shared, "PATCH", "/api/v1/projects/{project}", "/api/v1/projects/nothing", "project:update", 404).with(`{"name":"x"}`),
		about(shared, "DELETE", "/api/v1/projects/{project}", "/api/v1/projects/nothing", "project:update", 404),
		about(shared, "GET", "/api/v1/audit", "/api/v1/audit?limit=1", "audit:read", 200),

		about(lists, "GET", "/v1/accounts/{account}/engines", "/v1/accounts/default/engines", "engine:read", 200),
		about(lists, "GET", "/v1/accounts/{account}/engines/{engine}", "/v1/accounts/default/engines/pypi", "engine:read", 200),
		about(free, "POST", "/api/oidc/mint_token", "/api/oidc/mint_token", "", 404).with(`{"token":"x"}`),
		about(free, "POST", "/_/oidc/mint-token", "/_/oidc/mint-token", "", 404).with(`{"token":"x"}`),
		about(free, "GET", "/_/oidc/audience", "/_/oidc/audience", "", 404),
		about(viewer, "POST", "/api/graphql", "/api/graphql", "", 200).with(`{"query":"{ viewer { login } }"}`),
	}
	for _, at := range []string{"/api/v1/apikeys", "/api/v1/apikeys/"} {
		rows = append(rows,
			about(keys, "GET", at, at, "key:read", 200),
			about(keys, "POST", at, at, "key:create", 400).with(`{"name":"x","role":"king"}`))
	}
	for _, at := range []string{"/api/v1/policies", "/api/v1/api_keys/policies"} {
		rows = append(rows,
			about(whole, "GET", at, at, "policy:read", 200),
			about(shared, "POST", at, at, "policy:create", 400).with(`{"name":"","permissions":[]}`),
			about(whole, "GET", at+"/{id}", at+"/reader", "policy:read", 200),
			about(shared, "PATCH", at+"/{id}", at+"/reader", "policy:update", 409).with(`{"permissions":[]}`),
			about(shared, "DELETE", at+"/{id}", at+"/reader", "policy:delete", 409))
	}
	for _, at := range []string{"/pypi/legacy/", "/pypi/legacy", "/legacy/", "/legacy"} {
		r := pypi("POST", at, at, "package:upload", 400).with("--x\r\n", "Content-Type", "multipart/form-data; boundary=x")
		r.kind, r.named = anew, false
		rows = append(rows, r)
	}
	for mount, at := range map[string]string{"/pypi": "/pypi", "/v1/accounts/{account}/engines/pypi": "/v1/accounts/default/engines/pypi"} {
		rows = append(rows,
			about(lists, "GET", mount+"/simple/", at+"/simple/", "package:read", 200),
			about(lists, "GET", mount+"/simple", at+"/simple", "package:read", 307),
			pypi("GET", mount+"/simple/{name}/", at+"/simple/ours/", "package:read", 200),
			pypi("GET", mount+"/simple/{name}/", at+"/simple/py-free/", "package:read", 200).of("", "open"),
			pypi("GET", mount+"/simple/{name}/", at+"/simple/py-mine/", "package:read", 200).of("p", ""),
			pypi("GET", mount+"/simple/{name}/", at+"/simple/py-shut/", "package:read", 200).of("", "closed"),
			pypi("GET", mount+"/simple/{name}/", at+"/simple/not-ours/", "package:read", 404),
			pypi("GET", mount+"/simple/{name}", at+"/simple/ours", "package:read", 307),
			pypi("GET", mount+"/files/local/{name}/{file}", at+"/files/local/ours/"+wheelName, "package:read", 200),
			pypi("GET", mount+"/files/{upstream}/{path...}", at+"/files/pypi/packages/x-1-py3-none-any.whl", "package:read", 404))
	}
	for _, r := range rows {
		if r.method == "GET" && strings.HasPrefix(r.pattern, "/pypi/") {
			r.pattern, r.path = "/t/{key}"+r.pattern, "/t/{key}"+r.path
			rows = append(rows, r)
		}
	}
	for _, mount := range []string{"", "/t/{key}"} {
		for _, ch := range []struct{ name, project, visibility string }{
			{"lic", "", ""}, {"free", "", "open"}, {"shut", "", "closed"}, {"mine", "p", ""}, {"theirs", "q", ""},
		} {
			at := mount + "/" + ch.name
			for pattern, r := range map[string]row{
				"/":                        conda("GET", "", at+"/", "channel:read", 200),
				"/{subdir}/":               conda("GET", "", at+"/noarch/", "channel:read", 200),
				"/channeldata.json":        conda("GET", "", at+"/channeldata.json", "channel:read", 200),
				"/notices.json":            conda("GET", "", at+"/notices.json", "channel:read", 200),
				"/{subdir}/{file}":         conda("GET", "", at+"/noarch/repodata.json", "channel:read", 200),
				"/{subdir}/shards/{shard}": conda("GET", "", at+"/noarch/shards/"+strings.Repeat("0", 64)+".msgpack.zst", "channel:read", 404),
			} {
				r.pattern = mount + "/{channel...}" + pattern
				rows = append(rows, r.of(ch.project, ch.visibility))
			}
			file := conda("GET", mount+"/{channel...}/{subdir}/{file}", at+"/noarch/b-1-0.conda", "package:read", 404)
			rows = append(rows, file.of(ch.project, ch.visibility))
		}
	}
	return rows
}

func (r row) of(project, visibility string) row {
	r.project, r.visibility = project, visibility
	return r
}
