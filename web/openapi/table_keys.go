package openapi

func keyTable() map[string]operation {
	made := answers(201, "The key, its value shown this once.", ref("KeyWithValue"))
	keys := operation{
		tag: tagKeys, summary: "Lists the keys that the caller may manage, newest first.",
		query: []parameter{{"level", "Keys of the account, or keys of projects.", obj{"enum": []string{"account", "project"}}}},
		ok:    answers(200, "The keys.", list(ref("Key"))), fails: guarded, shape: composable,
	}
	create := operation{tag: tagKeys, summary: "Makes a key that may do no more than the caller.", body: jsonOf(ref("KeyInput")), ok: made, fails: changing, shape: composable}
	public := operation{
		tag: tagKeys, summary: "Hands out a public key, for browsers: a still valid one again, or a new one.",
		query: []parameter{
			{"name", "Asks for a key of that name, not for the common one.", obj{"type": "string", "maxLength": 200}}, {"projectId", "Its project, by id or name.", text},
			{"ttl", "How long a new one lives, in seconds; 24 hours otherwise.", number(1, 30*24*3600)},
		},
		ok: answers(200, "The key.", ref("PublicKey")), fails: changing, shape: composable,
	}
	all := map[string]operation{
		"GET /api/v1/apikeys": keys, "GET /api/v1/apikeys/": keys,
		"POST /api/v1/apikeys": create, "POST /api/v1/apikeys/": create,
		"GET /api/v1/apikeys/pk": public, "GET /api/v1/pk": public,
		"GET /api/v1/apikeys/{id}": {
			tag: tagKeys, summary: "Shows a key, without its value.",
			query: []parameter{{"withValue", "Is refused: a value is shown when it is made and never again.", obj{"enum": []string{"false"}}}},
			ok:    answers(200, "The key.", ref("Key")), fails: found, shape: composable,
		},
		"PUT /api/v1/apikeys/{id}":         {tag: tagKeys, summary: "Changes a key, in force from the next request on.", body: jsonOf(ref("KeyChange")), ok: answers(200, "The key.", ref("Key")), fails: changing, shape: composable},
		"DELETE /api/v1/apikeys/{id}":      {tag: tagKeys, summary: "Revokes a key, and the public keys that it issued.", ok: answers(200, "It is gone.", ref("Acknowledged")), fails: changing, shape: composable},
		"POST /api/v1/apikeys/{id}/rotate": {tag: tagKeys, summary: "Gives a key a new value; the old one works for the grace period.", body: jsonOf(ref("Rotation")), ok: answers(200, "The key with its new value.", ref("KeyWithValue")), fails: changing, shape: composable},

		"GET /api/v1/api_keys":         {tag: tagCatena, summary: "Lists the keys that the caller may manage.", ok: answers(200, "The keys.", ref("CatenaKeys")), fails: guarded, shape: catena},
		"POST /api/v1/api_keys":        {tag: tagCatena, summary: "Makes a key with a policy.", body: jsonOf(ref("CatenaKeyInput")), ok: answers(201, "The key, its value shown this once.", ref("CatenaKeyDocument")), fails: changing, shape: catena},
		"GET /api/v1/api_keys/{id}":    {tag: tagCatena, summary: "Shows a key.", ok: answers(200, "The key.", ref("CatenaKeyDocument")), fails: found, shape: catena},
		"PATCH /api/v1/api_keys/{id}":  {tag: tagCatena, summary: "Changes a key's name or policy.", body: jsonOf(ref("CatenaKeyChange")), ok: answers(200, "The key.", ref("CatenaKeyDocument")), fails: changing, shape: catena},
		"DELETE /api/v1/api_keys/{id}": {tag: tagCatena, summary: "Revokes a key.", ok: answers(200, "It is gone.", obj{"type": "object", "maxProperties": 0}), fails: changing, shape: catena},
	}
	for _, at := range []string{"/api/v1/permissions", "/api/v1/api_keys/permissions"} {
		all["GET "+at] = operation{tag: tagCatena, summary: "Lists every permission.", ok: answers(200, "The permissions.", ref("Permissions")), fails: guarded, shape: catena}
	}
	policy := ref("PolicyDocument")
	for _, at := range []string{"/api/v1/policies", "/api/v1/api_keys/policies"} {
		all["GET "+at] = operation{tag: tagCatena, summary: "Lists the policies.", ok: answers(200, "The policies.", ref("Policies")), fails: guarded, shape: catena}
		all["POST "+at] = operation{tag: tagCatena, summary: "Makes a policy that grants no more than the caller holds.", body: jsonOf(ref("PolicyInput")), ok: answers(201, "The policy.", policy), fails: changing, shape: catena}
		all["GET "+at+"/{id}"] = operation{tag: tagCatena, summary: "Shows a policy.", ok: answers(200, "The policy.", policy), fails: found, shape: catena}
		all["PATCH "+at+"/{id}"] = operation{tag: tagCatena, summary: "Changes a policy, and at once what its keys may do.", body: jsonOf(ref("PolicyChange")), ok: answers(200, "The policy.", policy), fails: changing, shape: catena}
		all["DELETE "+at+"/{id}"] = operation{tag: tagCatena, summary: "Deletes a policy with every key that has it.", ok: answers(200, "How many keys went with it.", ref("PolicyDeleted")), fails: changing, shape: catena}
	}
	return all
}
