package openapi

func channelTable() map[string]operation {
	force := parameter{"force", "Replace a package of the same name.", obj{"type": "string", "enum": []string{"true", "false", "1", "0"}}}
	deletion := parameter{"force", "Delete the channel with the packages in it.", force.schema}
	published := []reply{
		{201, "Published: every index shows it.", jsonOf(ref("Published"))},
		{200, "The same package is there already.", jsonOf(ref("Published"))},
	}
	packageBytes := content{"application/octet-stream", obj{"type": "string", "format": "binary"}}
	changed := answers(200, "Changed, and visible at that revision.", ref("Revision"))
	all := map[string]operation{
		"PUT /{channel...}/{subdir}/{file}": {
			tag: tagChannels, summary: "Publishes a package; as patch_instructions.json, replaces the patch of the subdir.", query: []parameter{force},
			body: []content{packageBytes}, ok: append(answers(200, "The same package is there already, or the patch is in force.", obj{"anyOf": []obj{ref("Published"), ref("Revision")}}), published[0]),
			fails: changing, shape: plain,
		},
		"POST /api/v1/upload/{channel...}": {
			tag: tagManage, summary: "Publishes a package, its name in X-File-Name.", query: []parameter{force},
			body: []content{packageBytes, {"multipart/form-data", obj{"type": "object", "required": []string{"file"}, "properties": obj{
				"file": obj{"type": "string", "format": "binary"}, "attestation": obj{"type": "string"},
			}}}}, ok: published, fails: changing, shape: plain,
		},
		"POST /api/channels/{channel...}/upload/{file}": {
			tag: tagManage, summary: "Publishes a package as quetz takes it.",
			query: []parameter{force, {"sha256", "The SHA-256 of the package, which is then checked.", obj{"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}}},
			body:  []content{packageBytes}, ok: published, fails: changing, shape: plain,
		},
		"DELETE /api/v1/delete/{channel...}/{subdir}/{file}": {tag: tagManage, summary: "Deletes a package for good.", ok: changed, fails: changing, shape: plain},
		"POST /api/v1/yank/{channel...}/{subdir}/{file}":     {tag: tagManage, summary: "Hides a package from the indexes; its file stays.", body: jsonOf(ref("YankInput")), ok: changed, fails: changing, shape: plain},
		"POST /api/v1/unyank/{channel...}/{subdir}/{file}":   {tag: tagManage, summary: "Puts a yanked package back.", ok: changed, fails: changing, shape: plain},
		"POST /api/v1/reindex/{channel...}/{subdir}":         {tag: tagManage, summary: "Reads every package again, repairs what differs, and builds the indexes anew.", ok: answers(200, "What was found.", ref("ReindexReport")), fails: changing, shape: plain},
		"PUT /api/v1/patch/{channel...}/{subdir}":            {tag: tagManage, summary: "Replaces the patch of a subdir.", body: jsonOf(ref("Patch")), ok: changed, fails: changing, shape: plain},
		"DELETE /api/v1/patch/{channel...}/{subdir}":         {tag: tagManage, summary: "Takes the patch of a subdir away.", ok: changed, fails: changing, shape: plain},
		"GET /api/v1/channels":                               {tag: tagManage, summary: "Lists the channels that the caller may read.", open: true, ok: answers(200, "The channels, by name.", list(ref("Channel"))), fails: guarded, shape: plain},
		"POST /api/v1/channels":                              {tag: tagManage, summary: "Makes a channel.", body: jsonOf(ref("ChannelInput")), ok: answers(201, "The channel.", ref("Channel")), fails: changing, shape: plain},
		"GET /api/v1/channels/{channel...}":                  {tag: tagManage, summary: "Shows a channel.", open: true, ok: answers(200, "The channel.", ref("Channel")), fails: found, shape: plain},
		"PATCH /api/v1/channels/{channel...}":                {tag: tagManage, summary: "Changes a channel, or moves it to another project.", body: jsonOf(ref("ChannelSettings")), ok: answers(200, "The channel.", ref("Channel")), fails: changing, shape: plain},
		"DELETE /api/v1/channels/{channel...}":               {tag: tagManage, summary: "Deletes a channel.", query: []parameter{deletion}, ok: answers(200, "It is gone.", ref("Deleted")), fails: changing, shape: plain},
	}
	for _, mount := range []struct{ at, how string }{{"", "."}, {"/t/{key}", ", its key in the path."}} {
		for path, op := range map[string]operation{
			"/":                        {summary: "A page of a channel for people", ok: bytesOf("The page.", "text/html")},
			"/{subdir}/":               {summary: "A page of a subdir for people", ok: bytesOf("The page.", "text/html")},
			"/channeldata.json":        {summary: "What there is in the channel, over all subdirs", ok: bytesOf("The document.", "application/json")},
			"/notices.json":            {summary: "What the channel's owner wants its users to read (CEP 6)", ok: bytesOf("The document.", "application/json")},
			"/{subdir}/{file}":         {summary: "A package, its attestation, or an index", ok: bytesOf("The file.", "application/json", "application/octet-stream", "application/zstd", "application/x-zstd")},
			"/{subdir}/shards/{shard}": {summary: "A shard of the index (CEP 16)", ok: bytesOf("The shard.", "application/octet-stream", "application/zstd", "application/x-zstd")},
		} {
			op.tag, op.summary, op.open, op.fails, op.shape = tagChannels, op.summary+mount.how, true, plus(found, 416), plain
			all["GET "+mount.at+"/{channel...}"+path] = op
		}
	}
	return all
}
