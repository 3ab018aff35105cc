package site

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/gateway"
)

// modelKey is what a key is, as far as the four APIs can tell it.
type modelKey struct {
	id, policy string
	values     []string // that work, the newest last
	dead       []string // that must not
	enabled    bool
}

// model is a world as it should be, after whatever was asked of its four APIs.
type model struct {
	w       *world
	prefix  string
	n       int
	keys    map[string]*modelKey // by name
	gone    []string             // values of deleted keys
	rights  map[string][]string  // by policy id
	open    bool                 // the one channel
	channel string
}

// Keys, policies, channels and engines are the same thing through every API: whatever
// is done through one is seen through the others, and decides the next request.
func TestFourAPIsAreOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, gateway.Config{FailuresPerMinute: 1 << 30})
	w.describe = nil // others compare answers with their description, which takes longer than they do
	// Every step is a durable change: fewer runs than the library's hundred, unless they
	// are asked for.
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		if err := flag.Set("rapid.checks", "30"); err != nil {
			t.Fatal(err)
		}
	}
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		m := &model{
			w: w, prefix: fmt.Sprintf("r%d-", runs), keys: map[string]*modelKey{}, channel: fmt.Sprintf("ch%d", runs),
			rights: map[string][]string{"reader": strings.Fields(roleTable["reader"]), "developer": strings.Fields(roleTable["developer"]), "admin": strings.Fields(roleTable["admin"])},
		}
		w.want(201, "POST", "/api/v1/channels", w.admin, `{"name":"`+m.channel+`"}`)
		w.publish(m.channel, condatest.Spec{Name: "a", Version: "1", Build: "0", Subdir: "noarch"})
		rt.Repeat(map[string]func(*rapid.T){
			"create, Composable Prompts": m.createComposable,
			"create, Catena":             m.createCatena,
			"create, prefix.dev":         m.createGraphQL,
			"delete":                     m.delete,
			"enable or disable":          m.toggle,
			"rotate":                     m.rotate,
			"make a policy":              m.makePolicy,
			"change a policy":            m.changePolicy,
			"delete a policy":            m.deletePolicy,
			"give another policy":        m.repolicy,
			"open or close":              m.setOpen,
			"":                           m.check,
		})
		for name := range m.keys {
			w.do("DELETE", "/api/v1/apikeys/"+name, w.admin, "")
		}
		w.want(200, "DELETE", "/api/v1/channels/"+m.channel+"?force=true", w.admin, "")
	})
}

func (m *model) name() string { m.n++; return fmt.Sprintf("%sk%d", m.prefix, m.n) }

func pick[V any](t *rapid.T, from map[string]V, what string) string {
	if len(from) == 0 {
		t.Skip()
	}
	names := make([]string, 0, len(from))
	for n := range from {
		names = append(names, n)
	}
	slices.Sort(names)
	return rapid.SampledFrom(names).Draw(t, what)
}

// ask sends a request of the administrator that must succeed.
func (m *model) ask(t *rapid.T, method, path, body string) map[string]any {
	res, raw := m.w.do(method, path, m.w.admin, body)
	if res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, raw)
	}
	var doc map[string]any
	_ = json.Unmarshal([]byte(raw), &doc)
	return doc
}

func (m *model) graphql(t *rapid.T, query string) map[string]any {
	body, _ := json.Marshal(map[string]string{"query": query})
	doc := m.ask(t, "POST", "/api/graphql", string(body))
	if doc["errors"] != nil {
		t.Fatalf("%s: %v", query, doc["errors"])
	}
	return doc["data"].(map[string]any)
}

func (m *model) createComposable(t *rapid.T) {
	name, policy := m.name(), pick(t, m.rights, "policy")
	made := m.ask(t, "POST", "/api/v1/apikeys", `{"name":"`+name+`","policy":"`+policy+`"}`)
	m.keys[name] = &modelKey{id: made["id"].(string), policy: policy, values: []string{made["value"].(string)}, enabled: true}
}

func (m *model) createCatena(t *rapid.T) {
	name, policy := m.name(), pick(t, m.rights, "policy")
	made := m.ask(t, "POST", "/api/v1/api_keys", `{"name":"`+name+`","policyId":"`+policy+`"}`)
	m.keys[name] = &modelKey{id: made["apiKey"].(map[string]any)["id"].(string), policy: policy, values: []string{made["value"].(string)}, enabled: true}
}

func (m *model) createGraphQL(t *rapid.T) {
	name := m.name()
	made := m.graphql(t, `mutation { createApiKey(name:"`+name+`") { key } }`)
	value := made["createApiKey"].(map[string]any)["key"].(string)
	id := m.ask(t, "GET", "/api/v1/apikeys/"+name, "")["id"].(string)
	m.keys[name] = &modelKey{id: id, policy: "admin", values: []string{value}, enabled: true}
}

func (m *model) drop(name string) {
	k := m.keys[name]
	m.gone = append(append(m.gone, k.values...), k.dead...)
	delete(m.keys, name)
}

func (m *model) delete(t *rapid.T) {
	name := pick(t, m.keys, "key")
	switch id := m.keys[name].id; rapid.IntRange(0, 2).Draw(t, "API") {
	case 0:
		m.ask(t, "DELETE", "/api/v1/apikeys/"+id, "")
	case 1:
		m.ask(t, "DELETE", "/api/v1/api_keys/"+id, "")
	default:
		m.graphql(t, `mutation { deleteApiKey(name:"`+name+`") }`)
	}
	m.drop(name)
}

func (m *model) toggle(t *rapid.T) {
	k := m.keys[pick(t, m.keys, "key")]
	k.enabled = !k.enabled
	m.ask(t, "PUT", "/api/v1/apikeys/"+k.id, fmt.Sprintf(`{"enabled":%v}`, k.enabled))
}

func (m *model) rotate(t *rapid.T) {
	k, grace := m.keys[pick(t, m.keys, "key")], rapid.Bool().Draw(t, "grace")
	body := "{}"
	if grace {
		body = `{"grace":"1h"}`
	}
	value := m.ask(t, "POST", "/api/v1/apikeys/"+k.id+"/rotate", body)["value"].(string)
	kept := len(k.values) - 1
	if !grace {
		kept++
	}
	k.dead = append(k.dead, k.values[:kept]...)
	k.values = append(slices.Clone(k.values[kept:]), value)
}

func somePermissions(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(strings.Fields(roleTable["admin"])), 0, 4, rapid.ID[string]).Draw(t, "permissions")
}

func (m *model) makePolicy(t *rapid.T) {
	permissions := somePermissions(t)
	raw, _ := json.Marshal(map[string]any{"name": m.name(), "permissions": permissions})
	made := m.ask(t, "POST", "/api/v1/policies", string(raw))
	m.rights[made["policy"].(map[string]any)["id"].(string)] = permissions
}

func (m *model) own(t *rapid.T) string {
	own := map[string]bool{}
	for id := range m.rights {
		if roleTable[id] == "" {
			own[id] = true
		}
	}
	return pick(t, own, "own policy")
}

func (m *model) changePolicy(t *rapid.T) {
	id, permissions := m.own(t), somePermissions(t)
	raw, _ := json.Marshal(map[string]any{"permissions": permissions})
	m.ask(t, "PATCH", "/api/v1/api_keys/policies/"+id, string(raw))
	m.rights[id] = permissions
}

func (m *model) deletePolicy(t *rapid.T) {
	id := m.own(t)
	gone := m.ask(t, "DELETE", "/api/v1/policies/"+id, "")["deletedApiKeys"]
	n := 0
	for name, k := range m.keys {
		if k.policy == id {
			m.drop(name)
			n++
		}
	}
	if gone != float64(n) {
		t.Fatalf("the policy took %v keys, want %d", gone, n)
	}
	delete(m.rights, id)
}

func (m *model) repolicy(t *rapid.T) {
	k, policy := m.keys[pick(t, m.keys, "key")], pick(t, m.rights, "policy")
	if rapid.Bool().Draw(t, "Catena") {
		m.ask(t, "PATCH", "/api/v1/api_keys/"+k.id, `{"policyId":"`+policy+`"}`)
	} else {
		m.ask(t, "PUT", "/api/v1/apikeys/"+k.id, `{"policy":"`+policy+`"}`)
	}
	k.policy = policy
}

func (m *model) setOpen(t *rapid.T) {
	m.open = !m.open
	m.graphql(t, fmt.Sprintf(`mutation { updateChannel(name:%q, isPublic:%v) { isPublic } }`, m.channel, m.open))
}

// check compares what every API shows with the model, and asks with every key.
func (m *model) check(t *rapid.T) {
	want := map[string]string{}
	for name, k := range m.keys {
		want[name] = k.policy
	}
	shown := map[string]map[string]string{"Composable Prompts": {}, "Catena": {}, "prefix.dev": {}}
	add := func(api string, all any, policy string) {
		for _, each := range all.([]any) {
			k := each.(map[string]any)
			if name := k["name"].(string); strings.HasPrefix(name, m.prefix) {
				shown[api][name] = k[policy].(string)
			}
		}
	}
	res, raw := m.w.do("GET", "/api/v1/apikeys", m.w.admin, "")
	var all []any
	if err := json.Unmarshal([]byte(raw), &all); err != nil {
		t.Fatalf("%d %s", res.StatusCode, raw)
	}
	add("Composable Prompts", all, "policy")
	add("Catena", m.ask(t, "GET", "/api/v1/api_keys", "")["apiKeys"], "policyId")
	add("prefix.dev", m.graphql(t, "{ apiKeys { name policy } }")["apiKeys"], "policy")
	for api, got := range shown {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s shows %v, want %v", api, got, want)
		}
	}
	for name, k := range m.keys {
		status, engines := 200, 200
		switch {
		case !k.enabled:
			status, engines = 401, 401
		case !m.open && !slices.Contains(m.rights[k.policy], "channel:read"):
			status = 403
		}
		for _, v := range k.values {
			m.asks(t, name, v, status, engines)
		}
		for _, v := range k.dead {
			m.asks(t, name+", a replaced value", v, 401, 401)
		}
	}
	for _, v := range m.gone[max(0, len(m.gone)-3):] {
		m.asks(t, "a deleted key", v, 401, 401)
	}
}

func (m *model) asks(t *rapid.T, who, value string, channel, engines int) {
	for path, want := range map[string]int{"/" + m.channel + "/noarch/repodata.json": channel, "/v1/accounts/default/engines": engines} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+value)
		rec := httptest.NewRecorder()
		m.w.site.All()(rec, r)
		if rec.Code != want {
			t.Fatalf("%s with %s: %d %.200s, want %d", path, who, rec.Code, rec.Body, want)
		}
	}
}
